//! Where everything in the picture is.
//!
//! What happens at one time is a group of rows. An end's things keep their order from row to row; a note and the end of
//! an arrow may share one. Between groups the time that passes decides, within limits.

use adieu_core::{Duration, Instant, State};

use crate::words::{printable, stamp, wrap};
use crate::{Event, SegmentSeen, Side, Trace, What, label};

/// Width of a character in labels and names of states.
pub(super) const CHARACTER: f64 = 6.7;
/// The same in notes of applications.
const NOTE: f64 = 7.3;
/// Between two rows.
pub(super) const ROW: f64 = 21.0;
/// Around the picture.
pub(super) const MARGIN: f64 = 24.0;
/// Between a lifeline and what stands beside it.
pub(super) const BESIDE: f64 = 16.0;
/// How far a lost segment gets.
pub(super) const LOST: f64 = 0.66;
/// How much a usual segment goes down on its way.
const FLIGHT: f64 = 46.0;
/// Between two groups, at least and at most.
const GAP: [f64; 2] = [3.0, 92.0];
/// What stands for a silence.
const SILENCE: f64 = 62.0;
const LONGEST_LINE: usize = 28;
const MOST_LINES: usize = 4;

/// Everything in its place.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    /// The line of the time axis.
    pub(super) axis: f64,
    /// The lifelines.
    pub(super) lives: [f64; 2],
    /// Where the lifelines end; they begin at zero.
    pub(super) bottom: f64,
    pub(super) stamps: Vec<(f64, Duration)>,
    /// Where time is cut out, around which line, and how much.
    pub(super) silences: Vec<(f64, Duration)>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) notes: Vec<Note>,
}

/// A segment on its way.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) segment: SegmentSeen,
    pub(super) left: Instant,
    pub(super) leaves: f64,
    /// On the other side; where it might have arrived, if it is lost.
    pub(super) lands: f64,
}

/// What stands beside a lifeline.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) side: Side,
    pub(super) y: f64,
    pub(super) what: Said,
}

/// What a note says.
#[derive(Debug)]
pub(super) enum Said {
    /// The state from here on.
    State(State),
    /// What an application did or saw, in lines.
    App(Vec<String>),
}

impl Layout {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut rows = Rows::default();
        let mut now = trace.events.first().map_or(Instant::ZERO, |event| event.at);
        let start = now;
        rows.beginning(trace, now);
        for Event { at, what } in &trace.events {
            now = now.max(*at);
            rows.land_until(now);
            rows.go_to(now);
            match what {
                What::Segment(segment) => rows.leave(now, segment),
                What::State { side, from, to } => rows.state(*side, *from, *to),
                What::App { side, text } => rows.app(*side, text),
            }
        }
        rows.land_until(Instant::NEVER);
        rows.place(trace, start)
    }
}

/// A row of a group.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: usize,
    row: u16,
}

/// Things in their rows.
#[derive(Default)]
struct Rows {
    groups: Vec<Group>,
    /// Segment, departure, arrival.
    arrows: Vec<(SegmentSeen, Instant, Place, Option<Place>)>,
    notes: Vec<(Side, Place, Said)>,
    /// When an arrow arrives, and which.
    flying: Vec<(Instant, usize)>,
}

/// The rows of one time.
struct Group {
    at: Instant,
    /// The first row for the next thing at each end.
    next: [u16; 2],
    /// The first row that is free for a note at each end.
    note: [u16; 2],
    /// The first row that is free for the end of an arrow at each end.
    tip: [u16; 2],
    /// What arrived at each end, and where.
    landed: [Vec<(u16, SegmentSeen)>; 2],
}

impl Group {
    fn new(at: Instant) -> Self {
        Self { at, next: [0; 2], note: [0; 2], tip: [0; 2], landed: [Vec::new(), Vec::new()] }
    }

    fn rows(&self) -> u16 {
        self.note.into_iter().chain(self.tip).fold(1, u16::max)
    }
}

impl Rows {
    /// The states that the ends begin in, unless that is CLOSED, in a group of their own.
    fn beginning(&mut self, trace: &Trace, at: Instant) {
        for side in [Side::Left, Side::Right] {
            let first = trace.events.iter().find_map(|event| match event.what {
                What::State { side: end, from, .. } if side == end => Some(from),
                What::State { .. } | What::Segment(_) | What::App { .. } => None,
            });
            if let Some(state) = first.filter(|state| *state != State::Closed) {
                self.go_to(at);
                self.note(side, 0, 1, Said::State(state));
            }
        }
    }

    fn go_to(&mut self, at: Instant) {
        if self.groups.last().is_none_or(|group| group.at < at) {
            self.groups.push(Group::new(at));
        }
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("something happens at this time")
    }

    fn note(&mut self, side: Side, from: u16, lines: u16, said: Said) {
        let end = side as usize;
        let group = self.group();
        let row = from.max(group.note[end]);
        group.note[end] = row.saturating_add(lines);
        group.next[end] = group.next[end].max(row);
        let place = Place { group: self.groups.len() - 1, row };
        self.notes.push((side, place, said));
    }

    fn state(&mut self, side: Side, from: State, to: State) {
        let group = self.group();
        let brought = group.landed[side as usize].iter().find(|(_, segment)| label::brings(segment.flags, from, to));
        let row = brought.map_or(group.next[side as usize], |(row, _)| *row);
        self.note(side, row, 1, Said::State(to));
    }

    fn app(&mut self, side: Side, text: &str) {
        let mut lines = wrap(&printable(text, false), LONGEST_LINE);
        if lines.len() > MOST_LINES {
            lines.truncate(MOST_LINES);
            lines[MOST_LINES - 1].push('…');
        }
        let next = self.group().next[side as usize];
        self.note(side, next, u16::try_from(lines.len()).unwrap_or(u16::MAX), Said::App(lines));
    }

    /// The end of an arrow takes `row` or one below.
    fn tip(&mut self, side: Side, row: u16) -> Place {
        let end = side as usize;
        let group = self.group();
        let row = row.max(group.next[end]).max(group.tip[end]);
        group.next[end] = row;
        group.tip[end] = row.saturating_add(1);
        Place { group: self.groups.len() - 1, row }
    }

    fn leave(&mut self, now: Instant, segment: &SegmentSeen) {
        let number = self.arrows.len();
        let to = segment.from.other();
        let straight = segment.arrives.is_some_and(|arrives| arrives <= now);
        let row = if straight { self.group().next[to as usize].max(self.group().tip[to as usize]) } else { 0 };
        let leaves = self.tip(segment.from, row);
        self.arrows.push((*segment, now, leaves, None));
        if straight {
            self.land(number, leaves.row);
        } else if let Some(arrives) = segment.arrives {
            self.flying.push((arrives, number));
        }
    }

    /// Segments that are due arrive, by time, and at one time in the order they left.
    fn land_until(&mut self, now: Instant) {
        while let Some(next) = self.flying.iter().copied().filter(|(at, _)| *at <= now).min() {
            self.go_to(next.0);
            self.flying.retain(|flying| *flying != next);
            self.land(next.1, 0);
        }
    }

    fn land(&mut self, number: usize, row: u16) {
        let segment = self.arrows[number].0;
        let to = segment.from.other();
        let place = self.tip(to, row);
        self.arrows[number].3 = Some(place);
        self.group().landed[to as usize].push((place.row, segment));
    }

    // ---- from rows to places -----------------------------------------------------------------------------------

    fn place(self, trace: &Trace, start: Instant) -> Layout {
        let scale = self.scale();
        let mut tops: Vec<f64> = Vec::new();
        let mut silences = Vec::new();
        let mut y = ROW;
        for (number, group) in self.groups.iter().enumerate() {
            if let Some(before) = number.checked_sub(1).map(|before| &self.groups[before]) {
                let passed = group.at.since(before.at);
                let end = (y + f64::from(before.rows()) * ROW).max(y + self.lowest_loss(number - 1));
                let to_scale = y + passed.as_secs_f64() * scale;
                if to_scale > end + GAP[1] {
                    silences.push((end - ROW / 2.0 + SILENCE / 2.0, passed));
                    y = end + SILENCE - ROW / 2.0;
                } else {
                    y = to_scale.max(end + GAP[0]);
                }
            }
            tops.push(y);
        }
        let at = |place: Place| tops[place.group] + f64::from(place.row) * ROW;
        let arrows = self.arrows.iter().map(|(segment, left, leaves, lands)| {
            let fall =
                lands.map_or_else(|| self.likely_fall(segment.from, *leaves, &at), |lands| at(lands) - at(*leaves));
            Arrow { segment: *segment, left: *left, leaves: at(*leaves), lands: at(*leaves) + fall }
        });
        let arrows: Vec<Arrow> = arrows.collect();
        let end = self.groups.last().map_or(y, |group| y + f64::from(group.rows()) * ROW);
        let lowest = arrows.iter().map(|arrow| arrow.leaves + (arrow.lands - arrow.leaves) * LOST).fold(end, f64::max);
        let columns = Columns::of(trace, &self, start);
        let note = |(side, place, what)| Note { side, y: at(place), what };
        Layout {
            width: columns.lives[1] + columns.right + MARGIN,
            axis: columns.axis,
            lives: columns.lives,
            bottom: lowest,
            stamps: self.groups.iter().zip(&tops).map(|(group, top)| (*top, group.at.since(start))).collect(),
            silences,
            arrows,
            notes: self.notes.into_iter().map(note).collect(),
        }
    }

    /// How far below the first row of a group its lost segments get.
    fn lowest_loss(&self, group: usize) -> f64 {
        let lost = self.arrows.iter().filter(|(.., leaves, lands)| leaves.group == group && lands.is_none());
        lost.map(|(.., leaves, _)| f64::from(leaves.row) * ROW + FLIGHT * LOST + ROW / 2.0).fold(0.0, f64::max)
    }

    /// How far a lost segment would have gone down on its way: as far as those that left about then.
    fn likely_fall(&self, from: Side, leaves: Place, at: &impl Fn(Place) -> f64) -> f64 {
        let others = self.arrows.iter().filter(|arrow| arrow.0.from == from);
        let near = others.filter(|(.., other, _)| (at(*other) - at(leaves)).abs() < 1.5 * ROW);
        let falls = near.filter_map(|(.., other, lands)| Some(at((*lands)?) - at(*other)));
        let (sum, count) = falls.fold((0.0, 0.0), |(sum, count), fall| (sum + fall, count + 1.0));
        if count > 0.0 { sum / count } else { FLIGHT }
    }

    /// Steps down in a second: so that a usual segment has a usual slope.
    fn scale(&self) -> f64 {
        let flight = |(segment, left, ..): &(SegmentSeen, Instant, Place, Option<Place>)| {
            segment.arrives.map(|arrives| arrives.since(*left)).filter(|flight| !flight.is_zero())
        };
        let mut flights: Vec<Duration> = self.arrows.iter().filter_map(flight).collect();
        flights.sort_unstable();
        let usual = flights.get(flights.len() / 2).copied().unwrap_or(Duration::from_millis(10));
        FLIGHT / usual.as_secs_f64()
    }
}

/// Who gets how much of the width.
struct Columns {
    axis: f64,
    lives: [f64; 2],
    right: f64,
}

impl Columns {
    fn of(trace: &Trace, rows: &Rows, start: Instant) -> Self {
        let width = |characters: usize| f64::from(u16::try_from(characters).unwrap_or(u16::MAX)) * CHARACTER;
        let stamps = rows.groups.iter().map(|group| stamp(group.at.since(start)).len());
        let labels = rows.arrows.iter().map(|(segment, ..)| label::forms(segment)[0].len());
        // An address stands over its lifeline, half of it on each side.
        let halves = trace.ends.each_ref().map(|end| width(heading(end).into_iter().max().unwrap_or(0)) / 2.0);
        let notes = [Side::Left, Side::Right].map(|side| {
            let own = rows.notes.iter().filter(|note| note.0 == side);
            let longest = own.map(|(.., said)| match said {
                Said::State(state) => width(state.name().len()) + 14.0,
                Said::App(lines) => {
                    width(lines.iter().map(|line| line.chars().count()).max().unwrap_or(0)) * NOTE / CHARACTER
                }
            });
            longest.fold(0.0, f64::max) + BESIDE
        });
        let wire = (2.0 * width(labels.max().unwrap_or(0)) + 60.0).clamp(340.0, 560.0);
        let wire = wire.max(halves[0] + halves[1] + 2.0 * BESIDE);
        let axis = MARGIN + width(stamps.max().unwrap_or(0)) + 8.0;
        let left = axis + 10.0 + notes[0].max(halves[0]);
        Self { axis, lives: [left, left + wire], right: notes[1].max(halves[1]) }
    }
}

/// Characters of an end's name, which is larger, and of its address.
fn heading(end: &crate::End) -> [usize; 2] {
    [end.name.chars().count() * 7 / 6 + 1, end.address.to_string().len()]
}
