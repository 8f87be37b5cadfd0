//! Which row each thing that happened gets.
//!
//! What happens at one time is a group of rows. An end's things keep their order from row to row, and so do the
//! things on the wire; otherwise each goes as far up as there is room. A segment's arrival is put among the rest by
//! its time.

use adieu_core::{Duration, Instant, State};

use super::layout::Layout;
use crate::ink::Ink;
use crate::label;
use crate::words::{clip, printable, wrap};
use crate::{Event, SegmentSeen, Side, Trace, What};

mod route;

pub(super) use route::LOST;

/// What is to be drawn.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
    pub(super) arrows: Vec<Arrow>,
}

/// A row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Its time, where that is another than that of the row above.
    pub(super) stamp: Option<Duration>,
    /// How long nothing happens: the row stands for that.
    pub(super) silence: Option<Duration>,
    /// What stands beside the rails.
    pub(super) notes: [Option<Note>; 2],
    /// From which ends a segment leaves.
    pub(super) leaves: [bool; 2],
    /// Stretches of the wire that are taken, from column to column.
    pub(super) taken: Vec<[usize; 2]>,
}

/// What stands beside a rail.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) ink: Ink,
    /// Whether the connection exists from here on, where that is said.
    pub(super) exists: Option<bool>,
}

/// A segment. Steps on the wire count from the sender's rail.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) segment: SegmentSeen,
    pub(super) path: Path,
    /// The row it leaves in.
    pub(super) leaves: usize,
    /// The row it arrives in.
    pub(super) lands: Option<usize>,
    /// Words on it: row, column, text.
    pub(super) labels: Vec<(usize, usize, String)>,
}

/// The way of a segment across the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Path {
    /// It takes no time.
    Straight,
    /// It goes so many steps, then down, then on.
    Bent(usize),
    /// It fades after so many steps, and goes on from there when it arrives: there is no lane left for it.
    Faded(usize),
    /// It is lost after so many steps, and, where there is room, a word says so.
    Lost(usize, bool),
}

/// Lays `trace` out.
pub(super) fn plan(trace: &Trace, layout: &Layout) -> Plan {
    let mut planner = Planner::new(layout);
    planner.beginning(trace);
    let Some(first) = trace.events.first() else { return planner.plan };
    planner.start = first.at;
    let mut now = first.at;
    for Event { at, what } in &trace.events {
        now = now.max(*at);
        planner.land_until(now);
        planner.go_to(now);
        match what {
            What::Segment(segment) => planner.leave(now, segment),
            What::State { side, from, to } => planner.state(*side, *from, *to),
            What::App { side, text } => planner.app(*side, text),
        }
    }
    planner.land_until(Instant::NEVER);
    planner.plan
}

/// A silence that is worth a row.
const SILENCE: Duration = Duration::from_millis(500);
const MOST_LINES: usize = 3;

struct Planner<'a> {
    layout: &'a Layout,
    plan: Plan,
    start: Instant,
    /// The arrows on the wire, and when they arrive.
    flying: Vec<(Instant, usize)>,
    /// The first arrow that may matter to the rows of the group.
    oldest: usize,
    group: Option<Group>,
}

/// The rows of one time. Each field but `at` is the first row in question.
struct Group {
    at: Instant,
    /// For the next thing at each end.
    next: [usize; 2],
    /// For the next note at each end.
    note: [usize; 2],
    /// For the next thing on the wire.
    wire: usize,
    /// What arrived at each end, and where.
    landed: [Vec<(usize, SegmentSeen)>; 2],
}

impl<'a> Planner<'a> {
    fn new(layout: &'a Layout) -> Self {
        Self { layout, plan: Plan::default(), start: Instant::ZERO, flying: Vec::new(), oldest: 0, group: None }
    }

    /// The states that the ends begin in, unless that is CLOSED.
    fn beginning(&mut self, trace: &Trace) {
        let first = |end: Side| {
            trace.events.iter().find_map(|event| match event.what {
                What::State { side, from, .. } if side == end => Some(from),
                What::State { .. } | What::Segment(_) | What::App { .. } => None,
            })
        };
        let states = [first(Side::Left), first(Side::Right)];
        if states.iter().flatten().any(|state| *state != State::Closed) {
            let notes = states.map(|state| state.map(|state| self.name(state)));
            self.plan.rows.push(Row { notes, ..Row::default() });
        }
    }

    /// Begins a group of rows, unless there is one for this time.
    fn go_to(&mut self, at: Instant) {
        let before = self.group.as_ref().map(|group| group.at);
        if before == Some(at) {
            return;
        }
        let passed = at.since(before.unwrap_or(at));
        if passed >= SILENCE {
            self.plan.rows.push(Row { silence: Some(passed), ..Row::default() });
        }
        self.plan.rows.push(Row { stamp: Some(at.since(self.start)), ..Row::default() });
        let base = self.plan.rows.len() - usize::from(self.layout.time > 0);
        self.row(base);
        self.oldest = self.flying.iter().map(|(_, number)| *number).min().unwrap_or(self.plan.arrows.len());
        self.group = Some(Group { at, next: [base; 2], note: [base; 2], wire: base, landed: [Vec::new(), Vec::new()] });
    }

    /// The group that is being filled.
    fn group(&mut self) -> &mut Group {
        self.group.as_mut().expect("a group has begun")
    }

    fn row(&mut self, row: usize) -> &mut Row {
        while self.plan.rows.len() <= row {
            self.plan.rows.push(Row::default());
        }
        &mut self.plan.rows[row]
    }

    // ---- beside the rails --------------------------------------------------------------------------------------

    fn name(&self, state: State) -> Note {
        let name = if self.layout.short { label::short(state) } else { state.name() };
        Note { text: name.into(), ink: Ink::State, exists: Some(label::exists(state)) }
    }

    /// A new state stands beside the arrival that brought it, if one did.
    fn state(&mut self, side: Side, from: State, to: State) {
        let note = self.name(to);
        let group = self.group();
        let end = side as usize;
        let brought = group.landed[end].iter().find(|(_, segment)| label::brings(segment.flags, from, to));
        let row = brought.map_or(group.next[end], |(row, _)| *row);
        self.note(side, row, vec![note]);
    }

    fn app(&mut self, side: Side, text: &str) {
        let Layout { ascii, notes, .. } = *self.layout;
        let width = notes[side as usize];
        let mut lines = wrap(&printable(text, ascii), width);
        if lines.len() > MOST_LINES {
            let rest = lines.split_off(MOST_LINES - 1).join(" ");
            lines.push(clip(&rest, width, ascii));
        }
        let note = |text| Note { text, ink: Ink::App, exists: None };
        let row = self.group().next[side as usize];
        self.note(side, row, lines.into_iter().map(note).collect());
    }

    /// Puts lines beside a rail, in `row` or below.
    fn note(&mut self, side: Side, row: usize, lines: Vec<Note>) {
        let end = side as usize;
        let group = self.group();
        let row = row.max(group.note[end]);
        group.next[end] = group.next[end].max(row);
        group.note[end] = row + lines.len();
        for (row, line) in (row..).zip(lines) {
            self.row(row).notes[end] = Some(line);
        }
    }

    /// Moves the last note of an end down to the segment it announces, where nothing stands between them.
    fn join_note(&mut self, side: Side, departure: usize) {
        let end = side as usize;
        let group = self.group();
        let row = group.next[end];
        let alone = group.note[end] == row + 1 && !group.landed[end].iter().any(|(landed, _)| *landed == row);
        if row < departure && alone {
            group.note[end] = departure + 1;
            self.row(departure).notes[end] = self.row(row).notes[end].take();
        }
    }
}
