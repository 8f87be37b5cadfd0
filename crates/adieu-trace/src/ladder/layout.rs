//! Who gets how many columns.

use adieu_core::{Instant, State};

use crate::label;
use crate::words::{printable, stamp};
use crate::{Side, Trace, What};

/// The columns of a ladder: times, a blank, notes, a blank, rail, wire, rail, a blank, notes.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of a line.
    pub(super) width: usize,
    /// For times; none where they stand in rows of their own, over the notes of the left end.
    pub(super) time: usize,
    /// For the notes of each end.
    pub(super) notes: [usize; 2],
    /// Between the rails.
    pub(super) wire: usize,
    /// How far before its destination an arrow turns into it, if it is alone on the wire.
    pub(super) turn: usize,
    /// Whether states have short names.
    pub(super) short: bool,
    /// Whether all is ASCII.
    pub(super) ascii: bool,
}

/// Below this there is nothing to share out.
const NARROWEST: usize = 20;
/// Rails and the blanks beside them.
const RAILS: usize = 4;
/// An arrow longer than that is no clearer, unless its label needs it.
const LONG_ENOUGH: usize = 46;
/// What an arrow needs beside its label: blanks, line, bend, and a way to the destination.
const BESIDE_LABEL: usize = 11;
const LONGEST_NOTE: usize = 24;

impl Layout {
    pub(super) fn of(trace: &Trace, width: usize, ascii: bool) -> Self {
        let wanted = Wanted::by(trace, ascii);
        let width = width.max(NARROWEST);
        let fits = |time, notes: [usize; 2], wire| time + 1 + notes[0] + notes[1] + RAILS + wire <= width;
        let arrow = (wanted.label + BESIDE_LABEL).min(width * 9 / 20);
        if fits(wanted.time, wanted.names, 20) {
            return wanted.share(width, wanted.time, wanted.names, arrow, ascii);
        }
        let names = wanted.names.map(|name| name.min(label::SHORT));
        let two_more = names.map(|name| name + 2);
        if fits(wanted.time, two_more, 12) {
            return wanted.share(width, wanted.time, two_more, arrow.min(18), ascii);
        }
        wanted.share(width, 0, [label::SHORT, names[1]], arrow.min(13), ascii)
    }

    /// Where the rails are.
    pub(super) fn rails(&self) -> [usize; 2] {
        let times = if self.time == 0 { 0 } else { self.time + 1 };
        let left = times + self.notes[0] + 1;
        [left, left + 1 + self.wire]
    }

    /// The column on the wire that is `steps` from the rail of `from`; counted from the left rail.
    pub(super) fn column(&self, from: Side, steps: usize) -> usize {
        match from {
            Side::Left => steps,
            Side::Right => self.wire - 1 - steps,
        }
    }
}

/// The columns that would show all in full.
struct Wanted {
    time: usize,
    names: [usize; 2],
    notes: [usize; 2],
    label: usize,
}

impl Wanted {
    fn by(trace: &Trace, ascii: bool) -> Self {
        let mut wanted = Self { time: 0, names: [0; 2], notes: [0; 2], label: 0 };
        let start = trace.events.first().map_or(Instant::ZERO, |event| event.at);
        for event in &trace.events {
            wanted.time_of(start, event.at);
            match &event.what {
                What::Segment(segment) => {
                    wanted.time_of(start, segment.arrives.unwrap_or(start));
                    wanted.label = wanted.label.max(label::forms(segment)[0].len());
                }
                What::State { side, from, to } => {
                    wanted.name_of(*side, *from);
                    wanted.name_of(*side, *to);
                }
                What::App { side, text } => {
                    let length = printable(text, ascii).chars().count().min(LONGEST_NOTE);
                    let note = &mut wanted.notes[*side as usize];
                    *note = length.max(*note);
                }
            }
        }
        wanted
    }

    fn time_of(&mut self, start: Instant, at: Instant) {
        self.time = self.time.max(stamp(at.since(start)).len());
    }

    fn name_of(&mut self, side: Side, state: State) {
        let name = &mut self.names[side as usize];
        *name = state.name().len().max(*name);
    }

    /// Shares `width` out: `notes`, then the wire up to `arrow`, then notes as wanted, then the wire again.
    fn share(&self, width: usize, time: usize, notes: [usize; 2], arrow: usize, ascii: bool) -> Layout {
        let times = if time == 0 { 0 } else { time + 1 };
        let mut rest = width.saturating_sub(times + RAILS + notes[0] + notes[1]);
        let mut wire = arrow.min(rest);
        rest -= wire;
        let lack = [0, 1].map(|side| self.notes[side].max(self.names[side]).saturating_sub(notes[side]));
        let left = lack[0].min(rest - lack[1].min(rest / 2));
        let right = lack[1].min(rest - left);
        rest -= left + right;
        wire += rest.min(LONG_ENOUGH.max(self.label + BESIDE_LABEL).saturating_sub(wire));
        let notes = [notes[0] + left, notes[1] + right];
        let short = (0..2).any(|side| notes[side] < self.names[side]);
        // So that also the second of two segments has room for its label.
        let turn =
            (wire / 6).min(wire.saturating_sub(self.label + 8)).max(usize::from(wire >= 6) + usize::from(wire >= 20));
        Layout { width, time, notes, wire, turn, short, ascii }
    }
}
