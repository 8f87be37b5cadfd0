//! Controls that keep the judge honest: scripts that expect something slightly wrong, and hence must fail.

use std::time::Duration;

use crate::ast::{Body, Event, Outcome, Script, Segment, Span, Time, Value, What};

/// A script with one expectation changed.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What was changed, in words.
    pub what: String,
    /// The event that was changed.
    pub span: Span,
    /// The script.
    pub script: Script,
}

/// Every change of one expectation of `script`: each flag of each expected packet flipped, its number and
/// acknowledgment one up and down, the window where there is one, the packet left out, doubled, and later; and the
/// result of each call.
pub fn mutants(script: &Script) -> Vec<Mutant> {
    let mut all = Vec::new();
    for (place, event) in script.events.iter().enumerate() {
        let mut add = |what: String, events: Vec<Event>| {
            let mut script = script.clone();
            script.events.splice(place..=place, events);
            all.push(Mutant { what, span: event.span, script });
        };
        match &event.what {
            What::Expect(packet) => {
                add("left out".into(), Vec::new());
                add(
                    "doubled".into(),
                    vec![event.clone(), Event { time: Time::After(Duration::ZERO), ..event.clone() }],
                );
                if let Some(time) = later(event.time) {
                    add("expected 1 s later".into(), vec![Event { time, ..event.clone() }]);
                }
                if let Body::Tcp(segment) = &packet.body {
                    for (what, changed) in segments(segment) {
                        let mut event = event.clone();
                        if let What::Expect(packet) = &mut event.what {
                            packet.body = Body::Tcp(changed);
                        }
                        add(what, vec![event]);
                    }
                }
            }
            What::Call(call) => {
                // A new socket's number is a name that the script gives, not something it expects.
                let names = matches!(call.name.value.as_str(), "socket" | "accept" | "accept4");
                for (what, outcome) in call.result.iter().flat_map(|result| outcomes(&result.value, names)) {
                    let mut event = event.clone();
                    if let What::Call(call) = &mut event.what
                        && let Some(result) = &mut call.result
                    {
                        result.value = outcome;
                    }
                    add(what, vec![event]);
                }
            }
            What::Inject(_) | What::Code(_) | What::Shell(_) => {}
        }
    }
    all
}

fn later(time: Time) -> Option<Time> {
    let more = Duration::from_secs(1);
    match time {
        Time::At(at) => Some(Time::At(at + more)),
        Time::After(by) => Some(Time::After(by + more)),
        Time::Any | Time::Between(..) | Time::AfterBetween(..) => None,
    }
}

fn segments(segment: &Segment) -> Vec<(String, Segment)> {
    let mut all = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Segment)| {
        let mut changed = segment.clone();
        change(&mut changed);
        all.push((what.to_owned(), changed));
    };
    add("SYN flipped", &|segment| segment.flags.value.syn ^= true);
    add("FIN flipped", &|segment| segment.flags.value.fin ^= true);
    add("RST flipped", &|segment| segment.flags.value.rst ^= true);
    add("PSH flipped", &|segment| segment.flags.value.psh ^= true);
    add("ACK flipped", &|segment| segment.flags.value.ack ^= true);
    for (what, by) in [("by 1 up", 1_u32), ("by 1 down", u32::MAX)] {
        // Where our numbers begin is the script's word: that of the SYN is a name, too.
        if segment.seq.is_some() && !segment.flags.value.syn {
            add(&format!("sequence number {what}"), &|segment| {
                if let Some(seq) = &mut segment.seq {
                    seq.value.start = seq.value.start.wrapping_add(by);
                    seq.value.end = seq.value.end.wrapping_add(by);
                }
            });
        }
        if segment.ack.is_some() {
            add(&format!("acknowledgment {what}"), &|segment| {
                if let Some(ack) = &mut segment.ack {
                    ack.value = ack.value.wrapping_add(by);
                }
            });
        }
        if segment.window.is_some() {
            add(&format!("window {what}"), &|segment| {
                if let Some(window) = &mut segment.window {
                    window.value = window.value.wrapping_add(by);
                }
            });
        }
    }
    if segment.seq.as_ref().is_some_and(|seq| seq.value.length > 0) {
        add("one byte less", &|segment| {
            if let Some(seq) = &mut segment.seq {
                seq.value.length -= 1;
                seq.value.end = seq.value.end.wrapping_sub(1);
            }
        });
    }
    all
}

fn outcomes(outcome: &Outcome, names: bool) -> Vec<(String, Outcome)> {
    let Value::Number(number) = outcome.value else { return Vec::new() };
    let failure = |errno: &str| Outcome { value: Value::Number(-1), errno: Some(errno.into()), note: None };
    let success = |number| Outcome { value: Value::Number(number), errno: None, note: None };
    match &outcome.errno {
        Some(errno) => {
            let other = if errno == "EINVAL" { "EAGAIN" } else { "EINVAL" };
            vec![(format!("{other} instead of {errno}"), failure(other)), ("success".into(), success(0))]
        }
        None if names => vec![("a failure".into(), failure("EINVAL"))],
        None => vec![("a failure".into(), failure("EINVAL")), ("1 more".into(), success(number.saturating_add(1)))],
    }
}
