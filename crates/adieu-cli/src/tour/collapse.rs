//! Long runs of ordinary segments, cut out of a trace before it is drawn.

use adieu_core::wire::Flags;
use adieu_core::{Duration, Instant};
use adieu_trace::{Event, SegmentSeen, Side, Trace, What};

use crate::output::grouped;

/// Segments kept at each end of a run.
const KEPT: usize = 3;
/// Shorter ones stay as they are.
const SHORTEST: usize = 16;
/// One that takes longer is of interest by itself.
const ORDINARY: Duration = Duration::from_millis(50);

/// `trace` with the middle of each long run of data and acknowledgments replaced by its counts.
pub(crate) fn collapse(trace: &Trace) -> Trace {
    let mut events = Vec::new();
    let mut run = Vec::new();
    for event in &trace.events {
        if is_ordinary(event) {
            run.push(event);
        } else {
            end_run(&mut run, &mut events);
            events.push(event.clone());
        }
    }
    end_run(&mut run, &mut events);
    Trace { events, ..Trace::new(trace.ends.clone()) }
}

/// Data or an acknowledgment, for the first time, that arrives without delay.
fn is_ordinary(event: &Event) -> bool {
    let What::Segment(segment) = event.what else { return false };
    let plain = !segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::FIN) && !segment.flags.has(Flags::RST);
    plain && !segment.again && segment.arrives.is_some_and(|arrives| arrives.since(event.at) < ORDINARY)
}

fn end_run(run: &mut Vec<&Event>, events: &mut Vec<Event>) {
    if run.len() < SHORTEST {
        events.extend(run.drain(..).cloned());
        return;
    }
    let middle = KEPT..run.len() - KEPT;
    events.extend(run[..middle.start].iter().copied().cloned());
    for side in [Side::Left, Side::Right] {
        let sent = run[middle.clone()].iter().filter_map(|event| from(event, side));
        if let Some((at, text)) = counts(sent) {
            events.push(Event { at, what: What::App { side, text } });
        }
    }
    events.extend(run[middle.end..].iter().copied().cloned());
    run.clear();
}

fn from(event: &Event, side: Side) -> Option<(Instant, SegmentSeen)> {
    match event.what {
        What::Segment(segment) if segment.from == side => Some((event.at, segment)),
        What::Segment(_) | What::State { .. } | What::App { .. } => None,
    }
}

/// What is left out of one direction, in words.
fn counts(sent: impl Iterator<Item = (Instant, SegmentSeen)>) -> Option<(Instant, String)> {
    let (mut begins, mut count, mut bytes) = (None, 0_usize, 0);
    for (at, segment) in sent {
        begins.get_or_insert(at);
        count += 1;
        bytes += segment.len;
    }
    let text = match bytes {
        0 => format!("({} more ACKs)", grouped(count)),
        _ => format!("({} more segments, {} bytes)", grouped(count), grouped(bytes)),
    };
    Some((begins?, text))
}
