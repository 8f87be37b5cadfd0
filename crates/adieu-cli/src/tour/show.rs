//! An outcome as text.

use std::fmt::Write;

use adieu_core::Receipt;
use adieu_trace::{Ladder, receipt_block, receipts_side_by_side};

use super::{Options, Played, collapse};
use crate::output::{self, grouped};

/// The page of one scenario: title, ladder, receipts, checks.
pub(super) fn page(Played { name, title, outcome }: &Played, options: &Options) -> String {
    let Options { width, ascii, style, .. } = *options;
    let mut page = String::new();
    hang(&mut page, "", &format!("{name}: {title}"), width);
    page.push('\n');
    page.push_str(&Ladder { width, ascii, style }.draw(&collapse(&outcome.trace)));
    page.push('\n');
    let [left, right] = &outcome.trace.ends;
    match &outcome.receipts {
        [Some(ours), Some(theirs)] => {
            page.push_str(&receipts_side_by_side((&left.name, ours), (&right.name, theirs), width, style));
        }
        [Some(only), None] => page.push_str(&receipt_block(&left.name, only, width, style)),
        [None, Some(only)] => page.push_str(&receipt_block(&right.name, only, width, style)),
        [None, None] => {}
    }
    page.push('\n');
    for pair in &outcome.others {
        hang(&mut page, "", &pair.what, width);
        for (end, receipt) in [left, right].into_iter().zip(&pair.receipts) {
            if let Some(receipt) = receipt {
                hang(&mut page, "  ", &format!("{}: {}", end.name, brief(receipt)), width);
            }
        }
    }
    if !outcome.others.is_empty() {
        page.push('\n');
    }
    for remark in &outcome.remarks {
        hang(&mut page, "", remark, width);
    }
    if !outcome.remarks.is_empty() {
        page.push('\n');
    }
    let (yes, no) = if ascii { ("ok   ", "FAIL ") } else { ("✓ ", "✗ ") };
    for check in &outcome.checks {
        hang(&mut page, if check.held { yes } else { no }, &check.claim, width);
    }
    page
}

/// A receipt in one sentence.
fn brief(receipt: &Receipt) -> String {
    let mut text = receipt.ending.to_string();
    let counts = [
        (receipt.sent, "sent"),
        (receipt.undelivered(), "undelivered"),
        (receipt.received, "received"),
        (receipt.unread, "unread"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        let bytes = if count == 1 { "byte" } else { "bytes" };
        _ = write!(text, "; {} {bytes} {what}", grouped(count));
    }
    text
}

/// `text` behind a mark, in lines of at most `width` columns, the further ones as far in as the first.
fn hang(page: &mut String, mark: &str, text: &str, width: usize) {
    page.push_str(mark);
    output::wrap(page, text, mark.chars().count(), width);
}
