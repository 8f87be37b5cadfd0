//! From places to SVG.

use std::fmt::Write;

use adieu_core::State;
use adieu_core::wire::Flags;

use super::layout::{Arrow, BESIDE, CHARACTER, LOST, Layout, MARGIN, Note, Said};
use crate::words::{clip, human, printable, stamp, wrap};
use crate::{Side, Trace, label};

const STYLE: &str = include_str!("style.css");
/// Of a band and of the names beside it.
const BAND: f64 = 10.0;
const CHIP: f64 = 17.0;
const LINE: f64 = 16.0;
const TITLE: f64 = 22.0;
/// From the beginning of an arrow to its label, if nothing is in the way.
const LEAD: f64 = 14.0;
/// Between characters of two labels.
const APART: f64 = 11.0;
/// So many characters back a label may be in the way of another.
const RECENT: usize = 1_000;
/// From the baseline of a text to its middle.
const HALF: f64 = 4.0;

/// Draws what is laid out.
pub(super) fn paint(trace: &Trace, layout: &Layout, title: &str) -> String {
    let title = printable(title, false);
    let room = (layout.width - 2.0 * MARGIN) / (CHARACTER * 1.5);
    let lines = wrap(&title, (20..200_u16).rev().find(|columns| f64::from(*columns) <= room).map_or(20, usize::from));
    let header = MARGIN + TITLE * f64::from(u16::try_from(lines.len()).unwrap_or(u16::MAX)) + 44.0;
    let mut painter = Painter { layout, top: header, out: String::new() };
    painter.begin(&title, header + layout.bottom + MARGIN);
    for (line, number) in lines.iter().zip(0_u16..) {
        painter.text("title", MARGIN, MARGIN + 10.0 + f64::from(number) * TITLE, "start", line);
    }
    painter.ends(trace);
    painter.times();
    painter.lives();
    painter.silences();
    painter.arrows();
    for note in &layout.notes {
        painter.note(note);
    }
    painter.out.push_str("</svg>\n");
    painter.out
}

struct Painter<'a> {
    layout: &'a Layout,
    /// Where the lifelines begin.
    top: f64,
    out: String,
}

/// Appends a line of SVG.
macro_rules! put {
    ($painter:expr, $($text:tt)*) => {
        writeln!($painter.out, $($text)*).expect("a string takes all")
    };
}

impl Painter<'_> {
    fn begin(&mut self, title: &str, height: f64) {
        let (width, height) = (number(self.layout.width), number(height));
        put!(self, r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}""#);
        put!(self, r#"  viewBox="0 0 {width} {height}">"#);
        put!(self, "<title>{}</title>", escape(title));
        put!(self, "<style>\n{STYLE}</style>");
        put!(self, r#"<rect class="back" width="{width}" height="{height}" rx="8"/>"#);
    }

    fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let (x, y, text) = (number(x), number(y), escape(text));
        put!(self, r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#);
    }

    fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let [x1, y1, x2, y2] = [from[0], from[1], to[0], to[1]].map(number);
        put!(self, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
    }

    fn rect(&mut self, class: &str, at: [f64; 2], size: [f64; 2], round: f64) {
        let [x, y, width, height, round] = [at[0], at[1], size[0], size[1], round].map(number);
        put!(self, r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{round}"/>"#);
    }

    /// Names and addresses over the lifelines.
    fn ends(&mut self, trace: &Trace) {
        for (end, x) in trace.ends.iter().zip(self.layout.lives) {
            self.text("name", x, self.top - 24.0, "middle", &printable(&end.name, false));
            self.text("faint", x, self.top - 9.0, "middle", &end.address.to_string());
        }
    }

    /// The time axis, and a guide from each time to the left lifeline.
    fn times(&mut self) {
        let Layout { axis, lives, bottom, .. } = *self.layout;
        self.line("axis", [axis, self.top], [axis, self.top + bottom]);
        for (y, since) in &self.layout.stamps {
            let y = self.top + y;
            self.text("time", axis - 8.0, y + HALF, "end", &stamp(*since));
            self.line("axis", [axis - 4.0, y], [axis + 4.0, y]);
            self.line("guide", [axis + 4.0, y], [lives[1], y]);
        }
    }

    /// The lifelines, with a band for each state in which the connection exists, or the port is listened at.
    fn lives(&mut self) {
        let Layout { lives, bottom, .. } = *self.layout;
        for (side, x) in [Side::Left, Side::Right].into_iter().zip(lives) {
            self.line("life", [x, self.top], [x, self.top + bottom]);
            let states: Vec<(f64, State)> = self
                .layout
                .notes
                .iter()
                .filter_map(|note| match note.what {
                    Said::State(state) if note.side == side => Some((note.y, state)),
                    Said::State(_) | Said::App(_) => None,
                })
                .collect();
            for (number, (y, state)) in states.iter().enumerate() {
                let end = states.get(number + 1).map_or(bottom, |next| next.0);
                let width = if label::exists(*state) { BAND } else { BAND / 2.0 };
                if *state != State::Closed && end > *y {
                    self.rect(class(*state), [x - width / 2.0, self.top + y + 1.0], [width, end - y - 1.0], 0.0);
                }
            }
        }
    }

    /// Where time is cut out, all that runs down is cut, too.
    fn silences(&mut self) {
        let Layout { axis, lives, .. } = *self.layout;
        for (y, passed) in &self.layout.silences {
            let y = self.top + y;
            for x in [axis, lives[0], lives[1]] {
                let [x0, x1, y0, y1] = [x - 9.0, x + 9.0, y - 6.0, y + 6.0].map(number);
                let [above, below] = [y - 1.0, y + 1.0].map(number);
                let cut = format!("M{x0} {above} L{x1} {y0} L{x1} {below} L{x0} {y1} Z");
                put!(self, r#"<path class="back" d="{cut}"/>"#);
                put!(self, r#"<path class="break" d="M{x0} {above} L{x1} {y0} M{x1} {below} L{x0} {y1}"/>"#);
            }
            self.text(
                "faint",
                f64::midpoint(lives[0], lives[1]),
                y + HALF,
                "middle",
                &format!("{} pass", human(*passed)),
            );
        }
    }

    /// All lines, then all labels, so that no line runs through a label.
    fn arrows(&mut self) {
        for arrow in &self.layout.arrows {
            self.arrow(arrow);
        }
        let mut taken = Vec::new();
        for arrow in &self.layout.arrows {
            self.label(arrow, &mut taken);
        }
    }

    /// Both ends of an arrow that is not lost, beside the bands.
    fn run(&self, arrow: &Arrow) -> [[f64; 2]; 2] {
        let from = arrow.segment.from;
        let sign = if from == Side::Left { 1.0 } else { -1.0 };
        let [x0, x1] = [from, from.other()].map(|side| self.layout.lives[side as usize]);
        let beside = BAND / 2.0 + 1.0;
        [[x0 + sign * beside, self.top + arrow.leaves], [x1 - sign * beside, self.top + arrow.lands]]
    }

    fn arrow(&mut self, arrow: &Arrow) {
        let [from, mut to] = self.run(arrow);
        let lost = arrow.segment.arrives.is_none();
        if lost {
            to = [from[0] + (to[0] - from[0]) * LOST, from[1] + (to[1] - from[1]) * LOST];
        }
        put!(self, r#"<g class="{}"><title>{}</title>"#, kind(arrow), escape(&told(arrow)));
        let [x, y] = [to[0] - from[0], to[1] - from[1]];
        let length = x.hypot(y);
        let [x, y] = [x / length, y / length];
        if lost {
            self.line("arrow", from, to);
            for turn in [1.0, -1.0] {
                let [dx, dy] = [6.0 * x.signum(), 6.0 * turn];
                self.line("cross", [to[0] - dx, to[1] - dy], [to[0] + dx, to[1] + dy]);
            }
            let anchor = if x > 0.0 { "start" } else { "end" };
            self.text("label word", to[0] + 12.0 * x.signum(), to[1] + 2.0 * HALF, anchor, "lost");
        } else {
            self.line("arrow", from, [to[0] - 6.0 * x, to[1] - 6.0 * y]);
            let corner = |side: f64| {
                [to[0] - 10.0 * x - side * 4.5 * y, to[1] - 10.0 * y + side * 4.5 * x].map(number).join(",")
            };
            let tip = to.map(number).join(",");
            put!(self, r#"<polygon class="tip" points="{tip} {} {}"/>"#, corner(1.0), corner(-1.0));
        }
        put!(self, "</g>");
    }

    /// Words along an arrow: where it begins, or further on if there are others already.
    fn label(&mut self, arrow: &Arrow, taken: &mut Vec<[f64; 2]>) {
        let [from, to] = self.run(arrow);
        let slope = (to[1] - from[1]) / (to[0] - from[0]);
        let text = &label::forms(&arrow.segment)[0];
        let (anchor, sign) = if arrow.segment.from == Side::Left { ("start", 1.0) } else { ("end", -1.0) };
        let turn = slope.atan();
        let at = |lead: f64| [from[0] + sign * lead, from[1] + sign * lead * slope - 6.0];
        let points = |lead: f64| {
            let [x, y] = at(lead);
            let step = [sign * CHARACTER * turn.cos(), sign * CHARACTER * turn.sin()];
            (0_u16..).zip(text.chars()).map(move |(n, _)| [x + f64::from(n) * step[0], y + f64::from(n) * step[1]])
        };
        let length = f64::from(u16::try_from(text.len()).unwrap_or(u16::MAX)) * CHARACTER;
        let recent = &taken[taken.len().saturating_sub(RECENT)..];
        let clear = |lead: &f64| {
            points(*lead)
                .all(|point| recent.iter().all(|other| (point[0] - other[0]).hypot(point[1] - other[1]) > APART))
        };
        let room = (to[0] - from[0]).abs() * if arrow.segment.arrives.is_none() { LOST } else { 1.0 } - length - LEAD;
        let leads = (0_u8..20).map(|n| LEAD + f64::from(n) * 2.0 * CHARACTER).take_while(|lead| *lead <= room);
        let lead = leads.into_iter().find(clear).unwrap_or(LEAD);
        taken.extend(points(lead));
        let [x, y] = at(lead).map(number);
        let (turn, kind, text) = (number(turn.to_degrees()), kind(arrow), escape(text));
        put!(self, r#"<g class="{kind}"><text class="label" x="{x}" y="{y}" text-anchor="{anchor}""#);
        put!(self, r#" transform="rotate({turn} {x} {y})">{text}</text></g>"#);
    }

    /// What stands beside a lifeline.
    fn note(&mut self, note: &Note) {
        let x = self.layout.lives[note.side as usize];
        let y = self.top + note.y;
        let (x, anchor) = match note.side {
            Side::Left => (x - BESIDE, "end"),
            Side::Right => (x + BESIDE, "start"),
        };
        match &note.what {
            Said::State(state) => {
                let name = state.name();
                let width = f64::from(u16::try_from(name.len()).unwrap_or(u16::MAX)) * CHARACTER + 14.0;
                let left = if note.side == Side::Left { x - width } else { x };
                self.rect(class(*state), [left, y - CHIP / 2.0], [width, CHIP], CHIP / 2.0);
                self.text("chip", left + width / 2.0, y + HALF, "middle", name);
            }
            Said::App(lines) => {
                for (line, number) in lines.iter().zip(0_u16..) {
                    self.text("app", x, y + HALF + f64::from(number) * LINE, anchor, line);
                }
            }
        }
    }
}

/// What a pointer over an arrow is told.
fn told(arrow: &Arrow) -> String {
    let segment = &arrow.segment;
    let fate = match segment.arrives {
        None => "lost on the wire".to_owned(),
        Some(arrives) => format!("arrives {} later", human(arrives.since(arrow.left))),
    };
    clip(&format!("{}, window {}, {fate}", label::forms(segment)[0], segment.window), 200, false)
}

/// The colour of a segment.
fn kind(arrow: &Arrow) -> String {
    let kind = match arrow.segment.flags {
        flags if flags.has(Flags::RST) => "rst",
        flags if flags.has(Flags::SYN) => "syn",
        flags if flags.has(Flags::FIN) => "fin",
        _ => "data",
    };
    if arrow.segment.arrives.is_none() { format!("{kind} lost") } else { kind.into() }
}

/// The colour of a state.
fn class(state: State) -> &'static str {
    match state {
        State::Closed | State::Listen => "none",
        State::SynSent | State::SynReceived => "opening",
        State::Established => "established",
        State::FinWait1 => "fin-wait-1",
        State::FinWait2 => "fin-wait-2",
        State::Closing => "closing",
        State::CloseWait => "close-wait",
        State::LastAck => "last-ack",
        State::TimeWait => "time-wait",
    }
}

/// A length, to a tenth.
fn number(length: f64) -> String {
    let text = format!("{length:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".into() } else { text.into() }
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}
