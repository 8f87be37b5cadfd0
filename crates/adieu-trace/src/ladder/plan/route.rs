//! The ways of segments across the wire.
//!
//! Every segment on the wire has a lane of its own, a column on the far side. The first is nearest to the
//! destination and those that follow keep before it, so that segments which arrive in order never cross, and others
//! do.

use adieu_core::Instant;

use super::{Arrow, Path, Planner};
use crate::label;
use crate::{SegmentSeen, Side};

/// Columns that the word for a loss takes, with the blank before it.
pub(in super::super) const LOST: &str = " lost";
/// Between two lanes.
const LANES: usize = 2;

impl Planner<'_> {
    /// A segment leaves.
    pub(super) fn leave(&mut self, now: Instant, segment: &SegmentSeen) {
        let (from, to) = (segment.from as usize, segment.from.other() as usize);
        let straight = segment.arrives.is_some_and(|arrives| arrives <= now);
        let group = self.group();
        let mut row = group.next[from].max(group.wire);
        if straight {
            row = row.max(group.next[to]);
        }
        let (path, stretch) = loop {
            let path = self.path(now, segment, row);
            let stretch = self.stretch(segment.from, 0, self.end(path));
            if self.is_free(row, stretch) {
                break (path, stretch);
            }
            row += 1;
        };
        let taken = self.row(row);
        taken.taken.push(stretch);
        taken.leaves[from] = true;
        let room = match path {
            Path::Straight => self.layout.wire - 1,
            Path::Bent(steps) | Path::Faded(steps) | Path::Lost(steps, _) => steps,
        };
        let forms = label::forms(segment);
        let label = self.fit(segment.from, row, [0, room], &forms).map(|(column, text)| (row, column, text));
        self.join_note(segment.from, row);
        let number = self.plan.arrows.len();
        let labels = label.into_iter().collect();
        self.plan.arrows.push(Arrow { segment: *segment, path, leaves: row, lands: None, labels });
        let group = self.group();
        group.next[from] = row;
        group.wire = row;
        if straight {
            self.landed(number, row);
        } else if let Some(arrives) = segment.arrives {
            self.flying.push((arrives, number));
        }
    }

    /// Segments that are due arrive, by time, and at one time in the order they left.
    pub(super) fn land_until(&mut self, now: Instant) {
        while let Some(next) = self.flying.iter().copied().filter(|(at, _)| *at <= now).min() {
            self.go_to(next.0);
            self.flying.retain(|flying| *flying != next);
            self.land(next.1);
        }
    }

    fn land(&mut self, number: usize) {
        let Arrow { segment, path, .. } = self.plan.arrows[number];
        let last = self.layout.wire - 1;
        let begin = self.end(path);
        let stretch = self.stretch(segment.from, begin, last);
        let group = self.group();
        let mut row = group.next[segment.from.other() as usize].max(group.wire);
        while !self.is_free(row, stretch) {
            row += 1;
        }
        self.row(row).taken.push(stretch);
        if let Path::Faded(_) = path {
            let label = self.fit(segment.from, row, [begin, last], &label::forms(&segment)[1..]);
            self.plan.arrows[number].labels.extend(label.map(|(column, text)| (row, column, text)));
        }
        self.landed(number, row);
    }

    fn landed(&mut self, number: usize, row: usize) {
        let arrow = &mut self.plan.arrows[number];
        arrow.lands = Some(row);
        let segment = arrow.segment;
        let end = segment.from.other() as usize;
        let group = self.group();
        group.wire = row;
        group.next[end] = row;
        group.landed[end].push((row, segment));
    }

    // ---- where there is room -----------------------------------------------------------------------------------

    /// The way of a segment that leaves in `row`.
    fn path(&self, now: Instant, segment: &SegmentSeen, row: usize) -> Path {
        match segment.arrives {
            None => self.loss(segment, row),
            Some(at) if at <= now => Path::Straight,
            Some(_) => match self.lane(segment.from, row) {
                Some(lane) => Path::Bent(lane),
                None => Path::Faded(self.layout.wire / 2),
            },
        }
    }

    /// Steps to a free lane.
    fn lane(&self, from: Side, row: usize) -> Option<usize> {
        let Self { layout, .. } = self;
        let last = layout.wire - 1;
        let busy = self.busy(row);
        let shortest = self.lanes_of(from, row).min();
        let best = match shortest {
            None => last - layout.turn,
            Some(steps) => steps.saturating_sub(LANES),
        };
        let others = (layout.wire / 2..last).rev().step_by(2);
        let free = |steps: &usize| *steps >= layout.wire / 2 && !busy.contains(&layout.column(from, *steps));
        [best].into_iter().chain(others).find(free)
    }

    /// Where a segment is lost: so that its label and a word for the loss have room, if that can be.
    fn loss(&self, segment: &SegmentSeen, row: usize) -> Path {
        let Self { layout, .. } = self;
        let last = layout.wire - 1;
        let busy = self.busy(row);
        let full = &label::forms(segment)[..1];
        let fits = |steps: usize| self.fit(segment.from, row, [0, steps], full).is_some();
        let clear = |begin: usize, end: usize| {
            end <= last && (begin..=end).all(|steps| !busy.contains(&layout.column(segment.from, steps)))
        };
        let [first, usual, most] = [layout.wire / 2, last.saturating_sub(layout.turn + LOST.len()), last - layout.turn];
        let places = || (first..=usual).rev().chain(usual.max(first)..=most);
        let with_word = places().find(|steps| clear(steps.saturating_sub(1), steps + LOST.len() + 1) && fits(*steps));
        if let Some(steps) = with_word {
            return Path::Lost(steps, true);
        }
        let apart = places().find(|steps| clear(steps.saturating_sub(1), (steps + 1).min(last)) && fits(*steps));
        let steps = apart.or_else(|| (first..=most).rev().find(|steps| clear(*steps, *steps)));
        Path::Lost(steps.unwrap_or(layout.wire / 2), false)
    }

    /// The last step of a departure.
    fn end(&self, path: Path) -> usize {
        match path {
            Path::Straight => self.layout.wire - 1,
            Path::Bent(steps) | Path::Faded(steps) | Path::Lost(steps, false) => steps,
            Path::Lost(steps, true) => steps + LOST.len(),
        }
    }

    /// The columns between two steps.
    fn stretch(&self, from: Side, begin: usize, end: usize) -> [usize; 2] {
        let mut stretch = [begin, end].map(|steps| self.layout.column(from, steps.min(self.layout.wire - 1)));
        stretch.sort_unstable();
        stretch
    }

    fn is_free(&self, row: usize, [begin, end]: [usize; 2]) -> bool {
        let taken = self.plan.rows.get(row).map_or(&[][..], |row| &row.taken);
        taken.iter().all(|taken| end < taken[0] || taken[1] < begin)
    }

    /// Columns that have a segment on its way down in `row`.
    fn busy(&self, row: usize) -> Vec<usize> {
        let sides = [Side::Left, Side::Right];
        sides
            .into_iter()
            .flat_map(|from| self.lanes_of(from, row).map(move |steps| self.layout.column(from, steps)))
            .collect()
    }

    /// Steps of the segments from one end that are on their way down in `row`.
    fn lanes_of(&self, from: Side, row: usize) -> impl Iterator<Item = usize> + '_ {
        self.plan.arrows.iter().filter_map(move |arrow| match arrow.path {
            Path::Bent(steps) if arrow.segment.from == from => {
                arrow.lands.is_none_or(|lands| lands >= row).then_some(steps)
            }
            Path::Straight | Path::Bent(_) | Path::Faded(_) | Path::Lost(..) => None,
        })
    }

    /// The fullest of `forms` that has room between two steps in `row`, beside what crosses; and its column.
    fn fit(&self, from: Side, row: usize, [begin, end]: [usize; 2], forms: &[String]) -> Option<(usize, String)> {
        let busy = self.busy(row);
        let is_busy = |steps: &usize| busy.contains(&self.layout.column(from, *steps));
        let mut clear: Vec<[usize; 2]> = Vec::new();
        let mut first = begin;
        for border in (begin..end).filter(is_busy).chain([end]) {
            clear.push([first, border]);
            first = border + 1;
        }
        forms.iter().find_map(|form| {
            let text = format!(" {form} ");
            let length = text.len();
            let place = clear.iter().find(|[first, border]| first + 1 + length < *border)?;
            let lead = place[0] + 1 + usize::from(place[0] + 2 + length < place[1]);
            let steps = match from {
                Side::Left => lead,
                Side::Right => lead + length - 1,
            };
            Some((self.layout.column(from, steps), text))
        })
    }
}
