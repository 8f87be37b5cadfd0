//! A receipt in words.

use adieu_core::{Closer, Duration, Ending, Order, Receipt, State};

use crate::ink::{Ink, Line, Style};
use crate::words::{bytes, clip, grouped, human, printable, wrap};

/// A receipt as pairs of label and value: how the connection ended and who closed first, what became of the bytes
/// of both directions, and how long it was in which state.
pub fn receipt_lines(receipt: &Receipt) -> Vec<(String, String)> {
    let items = items(receipt).into_iter();
    items.map(|item| (item.label.name(), item.value)).collect()
}

/// A receipt under a title, its values aligned and wrapped to `width` columns. All but the title is ASCII.
pub fn receipt_block(title: &str, receipt: &Receipt, width: usize, style: Style) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    let mut line = Line::new(width);
    line.write(0, &heading(title, width), Ink::Title);
    line.print(style, &mut out);
    let items = items(receipt);
    let labels = items.iter().map(|item| item.label.name().len()).max().unwrap_or(0);
    let begin = INDENT + labels + GAP;
    if begin + NARROWEST_VALUE <= width {
        let columns = [(begin, width - begin)];
        for item in &items {
            print_row(item.label, &[Some(item)], &columns, style, &mut out);
        }
    } else {
        for item in &items {
            print_stacked(item, width, style, &mut out);
        }
    }
    out
}

/// Both ends' receipts beside each other under their titles, or one below the other where `width` is too small.
pub fn receipts_side_by_side(left: (&str, &Receipt), right: (&str, &Receipt), width: usize, style: Style) -> String {
    let ends = [left, right];
    let items = ends.map(|(_, receipt)| items(receipt));
    let mut labels: Vec<Label> = items.iter().flatten().map(|item| item.label).collect();
    labels.sort_unstable();
    labels.dedup();
    let longest = labels.iter().map(|label| label.name().len()).max().unwrap_or(0);
    let begin = INDENT + longest + GAP;
    let value = (width.saturating_sub(begin + GAP) / 2).min(LONGEST_VALUE);
    if value < NARROWEST_COLUMN {
        return ends.map(|(title, receipt)| receipt_block(title, receipt, width, style)).join("\n");
    }
    let columns = [(begin, value), (begin + value + GAP, value)];
    let mut out = String::new();
    let mut line = Line::new(width);
    for ((title, _), (column, _)) in ends.into_iter().zip(columns) {
        line.write(column, &heading(title, value), Ink::Title);
    }
    line.print(style, &mut out);
    for label in labels {
        let row = items.each_ref().map(|items| items.iter().find(|item| item.label == label));
        print_row(label, &row, &columns, style, &mut out);
    }
    out
}

const NARROWEST: usize = 20;
const INDENT: usize = 2;
const GAP: usize = 2;
const NARROWEST_VALUE: usize = 16;
const NARROWEST_COLUMN: usize = 22;
/// Beyond that the eye has too far to go.
const LONGEST_VALUE: usize = 60;

/// What a line is about, in the order of a receipt.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Label {
    Ending,
    Name,
    ClosedFirst,
    Sent,
    Acknowledged,
    Undelivered,
    Received,
    Unread,
    Discarded,
    AtFirstFin,
    Told,
    Retransmissions,
    Icmp,
    In(State),
    InAll,
}

impl Label {
    fn name(self) -> String {
        match self {
            Self::Ending => "ending".into(),
            Self::Name => "name".into(),
            Self::ClosedFirst => "closed first".into(),
            Self::Sent => "sent".into(),
            Self::Acknowledged => "acknowledged".into(),
            Self::Undelivered => "undelivered".into(),
            Self::Received => "received".into(),
            Self::Unread => "unread".into(),
            Self::Discarded => "thrown away".into(),
            Self::AtFirstFin => "at the first FIN".into(),
            Self::Told => "the peer".into(),
            Self::Retransmissions => "retransmissions".into(),
            Self::Icmp => "last ICMP error".into(),
            Self::In(state) => format!("in {state}"),
            Self::InAll => "in all".into(),
        }
    }
}

/// A line of a receipt.
struct Item {
    label: Label,
    value: String,
    /// Whether a reader should stop here.
    bad: bool,
}

fn items(receipt: &Receipt) -> Vec<Item> {
    let Receipt {
        ending, closed_first, sent, acknowledged, received, unread, retransmissions, last_icmp, spent, ..
    } = receipt;
    let first = match (ending, closed_first) {
        (Ending::Graceful { order: Order::Simultaneous }, _) => "both at once",
        (_, Some(Closer::Us)) => "this end",
        (_, Some(Closer::Peer)) => "the peer",
        (_, None) => "neither end",
    };
    let repeats = if *retransmissions == 0 { "none".into() } else { grouped(u64::from(*retransmissions)) };
    let good = |label, value| Item { label, value, bad: false };
    let count = |label, count, bad| Item { label, value: bytes(count), bad };
    let undelivered = receipt.undelivered();
    let mut items = vec![
        Item { label: Label::Ending, value: ending.to_string(), bad: !ending.is_graceful() },
        good(Label::Name, ending.name().into()),
        good(Label::ClosedFirst, first.into()),
        count(Label::Sent, *sent, false),
        count(Label::Acknowledged, *acknowledged, false),
        count(Label::Undelivered, undelivered, undelivered > 0),
        count(Label::Received, *received, false),
        count(Label::Unread, *unread, *unread > 0),
    ];
    if receipt.discarded > 0 {
        items.push(count(Label::Discarded, receipt.discarded, true));
    }
    // Only where a half-close was made use of.
    if let Some((out, back)) = receipt.at_first_fin.filter(|at| *at != (*sent, *received)) {
        items.push(good(Label::AtFirstFin, format!("sent {}, received {}", bytes(out), bytes(back))));
    }
    if receipt.reset_sent {
        items.push(good(Label::Told, "was told by a reset".into()));
    }
    items.push(good(Label::Retransmissions, repeats));
    if let Some((kind, code)) = last_icmp {
        items.push(Item { label: Label::Icmp, value: format!("type {kind}, code {code}"), bad: true });
    }
    items.extend(spent.iter().filter_map(|(state, stay)| stayed(state, stay).map(|stay| good(Label::In(state), stay))));
    items.push(good(Label::InAll, human(spent.total())));
    items
}

/// What to say of a stay: no connection is CLOSED, and a receipt may be written when TIME-WAIT begins.
fn stayed(state: State, stay: Duration) -> Option<String> {
    match state {
        State::Closed if stay.is_zero() => None,
        State::TimeWait if stay.is_zero() => Some("from here on".into()),
        _ => Some(human(stay)),
    }
}

impl Item {
    fn ink(&self) -> Ink {
        if self.bad { Ink::Lost } else { Ink::Plain }
    }
}

fn heading(title: &str, width: usize) -> String {
    clip(&printable(title, false), width, false)
}

/// A label, and a value in each column; a column has a beginning and a width.
fn print_row(label: Label, values: &[Option<&Item>], columns: &[(usize, usize)], style: Style, out: &mut String) {
    let fill = |(item, (begin, width)): (&Option<&Item>, &(usize, usize))| {
        let (lines, ink) = item.map_or((vec!["-".into()], Ink::Faint), |item| (wrap(&item.value, *width), item.ink()));
        (*begin, lines, ink)
    };
    let cells: Vec<(usize, Vec<String>, Ink)> = values.iter().zip(columns).map(fill).collect();
    let width = columns.iter().map(|(begin, width)| begin + width).max().unwrap_or(0);
    let height = cells.iter().map(|(_, lines, _)| lines.len()).max().unwrap_or(0);
    for row in 0..height {
        let mut line = Line::new(width);
        if row == 0 {
            line.write(INDENT, &label.name(), Ink::Faint);
        }
        for (begin, lines, ink) in &cells {
            if let Some(text) = lines.get(row) {
                line.write(*begin, text, *ink);
            }
        }
        line.print(style, out);
    }
}

/// A label, and below it the value.
fn print_stacked(item: &Item, width: usize, style: Style, out: &mut String) {
    let label = [(INDENT, item.label.name(), Ink::Faint)];
    let lines = wrap(&item.value, width - 2 * INDENT).into_iter().map(|line| (2 * INDENT, line, item.ink()));
    for (column, text, ink) in label.into_iter().chain(lines) {
        let mut line = Line::new(width);
        line.write(column, &text, ink);
        line.print(style, out);
    }
}

#[cfg(test)]
pub(crate) mod tests;
