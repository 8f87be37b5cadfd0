//! A trace as a ladder: time goes down, one end on each side, segments between them.
//!
//! ```text
//!                  client                                  server
//!              10.0.0.1:49152                           10.0.0.2:80
//!        ESTABLISHED ┃                                       ┃ ESTABLISHED
//!   0 ms    shutdown ┃                                       ┃
//!         FIN-WAIT-1 ┠── FIN,ACK seq=1 ack=1 ─────────────╮  ┃
//!  10 ms             ┃                                    ╰─►┃ CLOSE-WAIT
//!                    ┃  ╭───────────────── ACK seq=1 ack=2 ──┨
//!  20 ms  FIN-WAIT-2 ┃◄─╯                                    ┃
//!                    ⋮              2.48 s pass              ⋮
//!  2.5 s             ┃  lost ✗── PSH,ACK seq=1 ack=2 len=4 ──┨ write 4 bytes
//!  2.7 s             ┃  ╭─ PSH,ACK seq=1 ack=2 len=4 again ──┨
//! 2.71 s             ┃◄─╯                                    ┃
//!                    ┠── ACK seq=2 ack=5 ─────────────────╮  ┃
//! 2.72 s             ┃                                    ╰─►┃
//! ```
//!
//! How to read it:
//! * A row has one time, on its left where it changes. All in a row happened at that time, and so did the rows below
//!   it up to the next time. Long silences are cut out and named.
//! * A segment leaves an end in one row and reaches the other in a later one; in between it is on the wire. So a
//!   change of state stands beside the arrival that brought it, and two FINs that cross are two lines that cross. A
//!   segment that takes no time is drawn straight.
//! * A lost segment ends in a cross. One that takes numbers sent before says `again`. A SYN has number 0.
//! * The rail of an end is heavy while the connection exists there, and light where it is CLOSED or in LISTEN.
//!
//! The way to the picture: `layout` shares out the columns, `plan` gives rows to what happened, `paint` draws.

mod layout;
mod paint;
mod plan;

use crate::Trace;
use crate::ink::Style;

/// How to draw.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ladder {
    /// Columns available: no line is longer. It is at its best from 80 on; below 20 it is drawn as for 20.
    pub width: usize,
    /// Only ASCII, for logs and old terminals.
    pub ascii: bool,
    /// With or without colour.
    pub style: Style,
}

impl Default for Ladder {
    /// 80 columns, box drawing characters, no colour.
    fn default() -> Self {
        Self { width: 80, ascii: false, style: Style::Plain }
    }
}

impl Ladder {
    /// The ladder of `trace`: lines without blanks at their ends, each ended by a newline.
    pub fn draw(&self, trace: &Trace) -> String {
        let layout = layout::Layout::of(trace, self.width, self.ascii);
        let plan = plan::plan(trace, &layout);
        paint::paint(trace, &layout, &plan, self.style)
    }
}

#[cfg(test)]
pub(crate) mod tests;
