//! Controls that keep the judge honest: scripts that expect something slightly wrong, and hence must fail.

use std::time::Duration;

use crate::ast::{Body, Ecn, Event, Options, Outcome, Script, Segment, Setting, Span, TcpOption, Time, Value, What};

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

/// Every change of one expectation of `script`: each flag of each expected packet flipped, its ECN bits changed where
/// they are said, its number and acknowledgment one up and down, the window and the urgent pointer where there is one,
/// each option left out or saying something else, the packet left out, doubled, and later; and the result of each call.
pub fn mutants(script: &Script) -> Vec<Mutant> {
    let mut all = Vec::new();
    let ticks = script.options.iter().any(|option| has_clock(&option.value));
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
                if let Some(ecn) = packet.header.ecn {
                    let mut event = event.clone();
                    if let What::Expect(packet) = &mut event.what {
                        packet.header.ecn = Some(if ecn == Ecn::Ce { Ecn::No } else { Ecn::Ce });
                    }
                    add("other ECN bits".into(), vec![event]);
                }
                if let Body::Tcp(segment) = &packet.body {
                    for (what, changed) in segments(segment).into_iter().chain(options(segment, ticks)) {
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

/// Whether the script holds time stamps against the clock; else they are but names.
fn has_clock(setting: &Setting) -> bool {
    setting.name == "tcp_ts_tick_usecs" && setting.value.as_deref().is_some_and(|value| value != "0")
}

/// A time stamp must be off by more than the tolerance of a script to be wrong.
const LATE: u32 = 1000;

/// Each option left out, and each of its numbers changed.
fn options(segment: &Segment, ticks: bool) -> Vec<(String, Segment)> {
    let Some(Options::List(list)) = segment.options.as_ref().map(|options| &options.value) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Vec<crate::ast::Spanned<TcpOption>>)| {
        let mut changed = segment.clone();
        if let Some(Options::List(list)) = changed.options.as_mut().map(|options| &mut options.value) {
            change(list);
        }
        all.push((what, changed));
    };
    for (place, option) in list.iter().enumerate() {
        add(format!("option {} left out", place + 1), &|list| drop(list.remove(place)));
        for (what, other) in others(&option.value, ticks) {
            add(what, &|list| list[place].value = other.clone());
        }
    }
    all
}

/// An option that says something else.
fn others(option: &TcpOption, ticks: bool) -> Vec<(String, TcpOption)> {
    let mut all = Vec::new();
    for (way, by) in [("up", 1_u32), ("down", u32::MAX)] {
        let moved = |number: u32| number.wrapping_add(by);
        let mut add = |what: &str, option| all.push((format!("{what} by 1 {way}"), option));
        match option {
            TcpOption::Mss(mss) => add("MSS", TcpOption::Mss(moved(*mss))),
            TcpOption::WindowScale(shift) => add("window scale", TcpOption::WindowScale(moved(*shift))),
            TcpOption::Timestamps { val, ecr } => {
                add("echoed time stamp", TcpOption::Timestamps { val: *val, ecr: moved(*ecr) });
            }
            TcpOption::Sack(blocks) => {
                for n in 0..blocks.len() {
                    let (mut left, mut right) = (blocks.clone(), blocks.clone());
                    (left[n].0, right[n].1) = (moved(left[n].0), moved(right[n].1));
                    add("left edge of a block", TcpOption::Sack(left));
                    add("right edge of a block", TcpOption::Sack(right));
                }
            }
            TcpOption::UserTimeout { time, minutes } => {
                let time = if by == 1 { time.wrapping_add(1) } else { time.wrapping_sub(1) };
                add("user timeout", TcpOption::UserTimeout { time, minutes: *minutes });
            }
            TcpOption::End
            | TcpOption::Nop
            | TcpOption::SackPermitted
            | TcpOption::FastOpen { .. }
            | TcpOption::Raw { .. }
            | TcpOption::Other(_) => {}
        }
    }
    if let TcpOption::Timestamps { val, ecr } = option
        && ticks
    {
        for (what, val) in [("later", val.wrapping_add(LATE)), ("earlier", val.wrapping_sub(LATE))] {
            all.push((format!("time stamp {what}"), TcpOption::Timestamps { val, ecr: *ecr }));
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
    add("URG flipped", &|segment| segment.flags.value.urg ^= true);
    add("ACK flipped", &|segment| segment.flags.value.ack ^= true);
    add("ECE flipped", &|segment| segment.flags.value.ece ^= true);
    add("CWR flipped", &|segment| segment.flags.value.cwr ^= true);
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
        if segment.urgent.is_some() {
            add(&format!("urgent pointer {what}"), &|segment| {
                if let Some(urgent) = &mut segment.urgent {
                    urgent.value = urgent.value.wrapping_add(by);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Defines, parse};

    fn names(text: &str) -> Vec<String> {
        let script = parse(text, &Defines::new()).unwrap();
        mutants(&script).into_iter().map(|mutant| mutant.what).collect()
    }

    #[test]
    fn options_are_changed_too() {
        let packet = "0 > [ect0] PU. 1:2(1) ack 1 urg 1 <nop,TS val 1 ecr 2,mss 3,wscale 4,sack 5:6 7:8>\n";
        let all = names(packet);
        for what in [
            "option 1 left out",
            "option 5 left out",
            "echoed time stamp by 1 up",
            "MSS by 1 down",
            "window scale by 1 up",
            "urgent pointer by 1 down",
            "URG flipped",
            "ECE flipped",
            "other ECN bits",
        ] {
            assert!(all.iter().any(|known| known == what), "{what}: {all:?}");
        }
        assert_eq!(all.iter().filter(|what| what.contains("edge of a block")).count(), 8);
        assert!(!all.iter().any(|what| what.starts_with("time stamp")), "they are names");
        let all = names(&format!("--tcp_ts_tick_usecs=1000\n{packet}"));
        assert_eq!(all.iter().filter(|what| what.starts_with("time stamp")).count(), 2);
    }
}
