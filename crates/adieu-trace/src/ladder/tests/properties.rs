//! What holds for every trace and every width.

use adieu_core::wire::Flags;
use adieu_core::{Instant, State};
use proptest::prelude::*;

use super::super::layout::Layout;
use super::super::plan::{Path, Plan, plan};
use crate::stories::{Story, burst, four_way, lost_fin, reset, simultaneous};
use crate::{Event, Ladder, SegmentSeen, Side, Style, Trace, What};

const STATES: [State; 11] = [
    State::Closed,
    State::Listen,
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

fn check(trace: &Trace, width: usize) -> Result<(), TestCaseError> {
    for (ascii, style) in [(false, Style::Plain), (true, Style::Plain), (false, Style::Color), (true, Style::Color)] {
        let drawn = Ladder { width, ascii, style }.draw(trace);
        prop_assert!(drawn.ends_with('\n'));
        prop_assert!(!ascii || drawn.is_ascii(), "{drawn}");
        prop_assert!(style == Style::Color || !drawn.contains('\u{1b}'), "{drawn}");
        for line in without_escapes(&drawn).lines() {
            prop_assert!(line.chars().count() <= width.max(20), "{width} columns: {line:?}");
            prop_assert!(!line.ends_with(' '), "{line:?}");
        }
        let plain = Ladder { width, ascii, style: Style::Plain }.draw(trace);
        prop_assert_eq!(without_escapes(&drawn), plain);
    }
    Ok(())
}

fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').expect("a colour").1)
}

/// Every segment has its tip or its cross, whatever else is on the wire.
fn tips_and_crosses(drawn: &str) -> (usize, usize) {
    let count = |characters: &[char]| drawn.chars().filter(|character| characters.contains(character)).count();
    (count(&['►', '◄']), count(&['✗']))
}

/// Times go forward, every state is named once, and nothing hides another thing; only lines cross.
fn check_plan(trace: &Trace, layout: &Layout, plan: &Plan) -> Result<(), TestCaseError> {
    let stamps: Vec<_> = plan.rows.iter().filter_map(|row| row.stamp).collect();
    prop_assert!(stamps.is_sorted_by(|a, b| a < b));
    let named =
        plan.rows.iter().flat_map(|row| row.notes.iter().flatten()).filter(|note| note.exists.is_some()).count();
    let changes = trace.events.iter().filter(|event| matches!(event.what, What::State { .. })).count();
    prop_assert!((changes..=changes + 2).contains(&named), "{changes} changes, {named} names");
    let mut down = std::collections::BTreeSet::new();
    for arrow in &plan.arrows {
        prop_assert_eq!(arrow.lands.is_some(), arrow.segment.arrives.is_some());
        let (Path::Bent(steps), Some(lands)) = (arrow.path, arrow.lands) else { continue };
        prop_assert!(arrow.leaves < lands);
        for row in arrow.leaves..=lands {
            prop_assert!(down.insert((row, layout.column(arrow.segment.from, steps))), "two lanes in one column");
        }
    }
    for (row, column, text) in plan.arrows.iter().flat_map(|arrow| &arrow.labels) {
        for column in *column..column + text.len() {
            prop_assert!(!down.contains(&(*row, column)), "{text:?} hides a lane");
        }
    }
    for row in &plan.rows {
        let mut taken = row.taken.clone();
        taken.sort_unstable();
        prop_assert!(taken.windows(2).all(|pair| pair[0][1] < pair[1][0]), "{taken:?} overlap");
    }
    Ok(())
}

#[test]
fn stories_at_all_widths() {
    for story in [four_way(), simultaneous(), lost_fin(), reset(), burst()] {
        for width in 0..=140 {
            check(&story.trace, width).unwrap();
        }
    }
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    let side = any::<bool>().prop_map(|left| if left { Side::Left } else { Side::Right });
    let state = prop::sample::select(&STATES[..]);
    let delay = prop_oneof![Just(None), Just(Some(0)), (0..30_000_u64).prop_map(Some), Just(Some(u64::MAX / 1_000))];
    let segment = (side.clone(), any::<u8>(), delay, any::<(u32, u32, u16, bool)>());
    let what = prop_oneof![
        6 => segment.prop_map(|(from, bits, delay, (seq, ack, len, again))| (delay, What::Segment(SegmentSeen {
            from,
            arrives: None,
            flags: Flags::from_bits(bits),
            seq,
            ack: (ack > 9).then_some(ack),
            len: len.into(),
            window: 0,
            again,
        }))),
        3 => (side.clone(), state.clone(), state).prop_map(|(side, from, to)| (None, What::State { side, from, to })),
        2 => (side, "\\PC{0,40}").prop_map(|(side, text)| (None, What::App { side, text })),
    ];
    let step = prop_oneof![4 => 0..3_u64, 2 => 0..20_000_u64, 1 => 0..100_000_000_u64];
    prop::collection::vec((step, what), 0..60).prop_map(|steps| {
        let mut now = 5;
        let mut events = Vec::new();
        for (step, (delay, mut what)) in steps {
            now += step;
            if let What::Segment(segment) = &mut what {
                segment.arrives = delay.map(|delay: u64| Instant::from_micros(delay.saturating_add(now)));
            }
            events.push(Event { at: Instant::from_micros(now), what });
        }
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_trace_at_any_width(events in events(), width in 0..160_usize) {
        let mut trace = Story::begin(State::Closed).trace;
        trace.events = events;
        check(&trace, width)?;
        let layout = Layout::of(&trace, width, false);
        check_plan(&trace, &layout, &plan(&trace, &layout))?;
        let segments = trace.events.iter().filter_map(|event| match &event.what {
            What::Segment(segment) => Some(segment.arrives.is_some()),
            What::State { .. } | What::App { .. } => None,
        });
        let (arrived, lost): (Vec<bool>, Vec<bool>) = segments.partition(|arrives| *arrives);
        let drawn = Ladder { width, ..Ladder::default() }.draw(&trace);
        prop_assert_eq!(tips_and_crosses(&drawn), (arrived.len(), lost.len()), "\n{}", drawn);
    }
}
