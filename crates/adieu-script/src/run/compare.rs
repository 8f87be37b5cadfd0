//! A packet that has left against the one that is expected.

use adieu_core::Flow;

use super::failure::{Failure, Kind};
use super::flows::{Flows, Numbered, bits, ecn_bits};
use super::host::Sent;
use super::sockets::Scene;
use super::stamps::Tick;
use super::wire::{Wire, hexadecimal};
use crate::ast::{Ecn, Header, Options, Packet, Segment, Spanned, TcpOption};

const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const URG: u8 = 0x20;

/// Fails where a script expects what the stack cannot do yet.
pub(crate) fn check_built(segment: &Segment) -> Result<(), Box<Failure>> {
    let Some(Options::List(list)) = segment.options.as_ref().map(|options| &options.value) else { return Ok(()) };
    for option in list {
        let what = match &option.value {
            TcpOption::FastOpen { .. } => "TCP Fast Open".into(),
            TcpOption::Other(name) => format!("the option {name}"),
            TcpOption::End
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::Sack(_)
            | TcpOption::Timestamps { .. }
            | TcpOption::UserTimeout { .. }
            | TcpOption::Raw { .. } => continue,
        };
        return Err(Failure::not_built(option.span, &what));
    }
    Ok(())
}

/// How closely options are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whatever shift of windows we announce is right.
    pub(crate) any_shift: bool,
    /// Time stamps must follow the clock.
    pub(crate) tick: Option<Tick>,
}

/// Fails where what has left is not what is expected.
pub(crate) fn compare(
    packet: &Packet,
    segment: &Segment,
    sent: &Sent,
    scene: &mut Scene,
    rules: &Rules,
) -> Result<(), Box<Failure>> {
    let strange = |got: String| Failure::new(Kind::Packet, packet.span, "another packet has left").got(got);
    let Some(wire) = &Wire::parse(&sent.bytes) else { return Err(strange("a packet that is not TCP".into())) };
    let flow = Flow::new(wire.source, wire.destination);
    let exact = scene.host.is_exact();
    let Some(numbered) = scene.flows.of(&flow) else {
        return Err(strange(format!("{} for a connection that the script does not know", letters(wire.flags))));
    };
    if wire.flags & 0x02 != 0 {
        numbered.we_began(wire.seq);
    }
    if segment.flags.value.syn
        && let Some(seq) = &segment.seq
    {
        numbered.we_begin_at(seq.value.start);
    }
    let mut differs = differences(segment, wire, numbered, exact);
    differs.extend(different_options(segment, wire, numbered, rules));
    differs.extend(different_header(&packet.header, wire));
    if !differs.is_empty() {
        let what = differs.join(", ");
        return Err(Failure::new(Kind::Packet, packet.span, format!("another packet has left: {what}"))
            .expected(head(&packet.header, packet.header.tos, packet.header.ttl) + &describe(segment))
            .got(head(&packet.header, Some(wire.tos), Some(wire.ttl)) + &describe_wire(wire, numbered, segment)));
    }
    if let Some(addresses) = &packet.addresses {
        let (port, expected) = (wire.destination.port(), addresses.destination.rsplit(':').next());
        if expected.is_some_and(|expected| expected.parse() != Ok(port)) {
            return Err(strange(format!("a packet to port {port}")).expected(addresses.destination.clone()));
        }
    }
    name_stamps(segment, wire, numbered);
    check_data(packet, wire, numbered)
}

/// A reset that belongs to no connection has no clock: it says 0 (RS-6).
fn is_no_time(script: u32, wire: u32) -> bool {
    (script, wire) == (0, 0)
}

/// What the script calls the time of this packet, so that it can be echoed.
fn name_stamps(segment: &Segment, wire: &Wire, numbered: &mut Numbered) {
    let Some(Options::List(list)) = segment.options.as_ref().map(|options| &options.value) else { return };
    for (option, real) in list.iter().zip(&wire.options) {
        if let (TcpOption::Timestamps { val, .. }, TcpOption::Timestamps { val: real, .. }) = (&option.value, real)
            && !is_no_time(*val, *real)
        {
            numbered.stamps.name(*val, *real);
        }
    }
}

/// The bytes must be those that were written.
fn check_data(packet: &Packet, wire: &Wire, numbered: &Numbered) -> Result<(), Box<Failure>> {
    let right = numbered.written_at(wire.seq, wire.payload.len()).is_some_and(|written| written == wire.payload);
    if wire.payload.is_empty() || right {
        return Ok(());
    }
    Err(Failure::new(Kind::Packet, packet.span, "the packet carries other bytes than were written"))
}

/// What is not as expected, by name; [`is_exact`](super::host::Host::is_exact) says how closely it is looked at.
fn differences(segment: &Segment, wire: &Wire, numbered: &Numbered, exact: bool) -> Vec<&'static str> {
    let mut differs = Vec::new();
    let mut check = |same: bool, name| {
        if !same {
            differs.push(name);
        }
    };
    check((bits(&segment.flags.value) ^ wire.flags) & (if exact { 0xff } else { !PSH }) == 0, "flags");
    if let Some(Spanned { value: range, .. }) = &segment.seq {
        check(range.start == numbered.ours(wire.seq), "sequence number");
        check(range.length == wire.length(), "length");
    }
    match &segment.ack {
        Some(ack) => check(wire.flags & 0x10 != 0 && ack.value == numbered.peers(wire.ack), "acknowledgment"),
        None => check(wire.flags & 0x10 == 0 || segment.flags.value.ack, "acknowledgment"),
    }
    if let Some(window) = &segment.window {
        // What a reset says of a window means nothing.
        let alike = wire.flags & RST != 0 || (window.value == 0) == (wire.window == 0);
        check(window.value == u32::from(wire.window) || (!exact && alike), "window");
    }
    if let Some(urgent) = &segment.urgent {
        check(urgent.value == u32::from(wire.urgent), "urgent pointer");
    }
    differs
}

fn different_header(header: &Header, wire: &Wire) -> Option<&'static str> {
    let Header { ecn, tos, ttl } = *header;
    let right = |ecn: Ecn| match wire.tos & 3 {
        1 | 2 if ecn == Ecn::Ect01 => true,
        bits => bits == ecn_bits(ecn),
    };
    if !ecn.is_none_or(right) {
        return Some("ECN bits of the IP header");
    }
    if tos.is_some_and(|tos| tos != wire.tos) {
        return Some("type of service");
    }
    ttl.is_some_and(|ttl| ttl != wire.ttl).then_some("time to live")
}

/// Whether there are other options than expected, or the clock is wrong.
fn different_options(segment: &Segment, wire: &Wire, numbered: &Numbered, rules: &Rules) -> Option<&'static str> {
    let list = match segment.options.as_ref().map(|options| &options.value) {
        Some(Options::Any) => return None,
        Some(Options::List(list)) => list.as_slice(),
        None => &[],
    };
    let mut late = false;
    let same = |(expected, real): (&Spanned<TcpOption>, &TcpOption)| match (&expected.value, real) {
        (TcpOption::WindowScale(_), TcpOption::WindowScale(_)) if rules.any_shift => true,
        (TcpOption::Timestamps { val, ecr }, TcpOption::Timestamps { val: real, ecr: echo }) => {
            let off = |tick| !is_no_time(*val, *real) && !numbered.stamps.is_in_time(*val, *real, tick);
            late |= rules.tick.as_ref().is_some_and(off);
            ecr == echo
        }
        (expected, real) => *expected == in_script(real, numbered),
    };
    if list.len() != wire.options.len() || !list.iter().zip(&wire.options).all(same) {
        return Some("options");
    }
    late.then_some("time stamp")
}

/// An option of ours as the script counts: blocks are of the peer's numbers, and the clock is ours.
fn in_script(option: &TcpOption, numbered: &Numbered) -> TcpOption {
    match option {
        TcpOption::Sack(pairs) => {
            TcpOption::Sack(pairs.iter().map(|(from, to)| (numbered.peers(*from), numbered.peers(*to))).collect())
        }
        TcpOption::Timestamps { val, ecr } => TcpOption::Timestamps { val: numbered.stamps.in_script(*val), ecr: *ecr },
        other => other.clone(),
    }
}

// ---- as a script writes it -------------------------------------------------------------------------------------

/// What an IP header says of that which the script speaks of.
fn head(said: &Header, tos: Option<u8>, ttl: Option<u8>) -> String {
    let ecn = said.ecn.map(|said| tos.map_or(ecn_name(said), ecn_of));
    let tos = said.tos.and(tos).map(|tos| format!("tos {tos:#04x}"));
    let ttl = said.ttl.and(ttl).map(|ttl| format!("ttl {ttl}"));
    let parts: Vec<String> = ecn.map(String::from).into_iter().chain(tos).chain(ttl).collect();
    if parts.is_empty() { String::new() } else { format!("[{}] ", parts.join(",")) }
}

fn ecn_name(ecn: Ecn) -> &'static str {
    match ecn {
        Ecn::Ect01 => "ect01",
        Ecn::No | Ecn::Ect0 | Ecn::Ect1 | Ecn::Ce => ecn_of(ecn_bits(ecn)),
    }
}

/// The ECN bits of a whole traffic class, by name.
fn ecn_of(tos: u8) -> &'static str {
    ["noecn", "ect1", "ect0", "ce"][usize::from(tos & 3)]
}

/// An expected segment.
pub(crate) fn describe(segment: &Segment) -> String {
    let mut text = letters(bits(&segment.flags.value));
    if let Some(Spanned { value: range, .. }) = &segment.seq {
        text.push_str(&format!(" {}:{}({})", range.start, range.end, range.length));
    }
    for (name, number) in [("ack", &segment.ack), ("win", &segment.window), ("urg", &segment.urgent)] {
        if let Some(number) = number {
            text.push_str(&format!(" {name} {}", number.value));
        }
    }
    match segment.options.as_ref().map(|options| &options.value) {
        Some(Options::Any) => text.push_str(" <...>"),
        Some(Options::List(list)) => {
            text.push_str(&options(list.iter().map(|option| &option.value)));
        }
        None => {}
    }
    text
}

/// A packet that has left, with what the expected one speaks of, too.
fn describe_wire(wire: &Wire, numbered: &Numbered, expected: &Segment) -> String {
    let (seq, length) = (numbered.ours(wire.seq), wire.length());
    let mut text = format!("{} {seq}:{}({length})", letters(wire.flags), seq.wrapping_add(length));
    if wire.flags & 0x10 != 0 {
        text.push_str(&format!(" ack {}", numbered.peers(wire.ack)));
    }
    if expected.window.is_some() {
        text.push_str(&format!(" win {}", wire.window));
    }
    if expected.urgent.is_some() || wire.flags & URG != 0 {
        text.push_str(&format!(" urg {}", wire.urgent));
    }
    if !wire.options.is_empty() {
        let list: Vec<TcpOption> = wire.options.iter().map(|option| in_script(option, numbered)).collect();
        text.push_str(&options(list.iter()));
    }
    text
}

/// A packet that no line expects.
pub(crate) fn describe_sent(sent: &Sent, flows: &Flows) -> String {
    let Some(wire) = &Wire::parse(&sent.bytes) else { return "a packet that is not TCP".into() };
    let flow = Flow::new(wire.source, wire.destination);
    let known = flows.numbered(&flow);
    let numbers = known.map_or_else(
        || letters(wire.flags),
        |numbered| {
            let (seq, length) = (numbered.ours(wire.seq), wire.length());
            let ack = if wire.flags & 0x10 == 0 { String::new() } else { format!(" ack {}", numbered.peers(wire.ack)) };
            format!("{} {seq}:{}({length}){ack}", letters(wire.flags), seq.wrapping_add(length))
        },
    );
    format!("{numbers} at {:.6} s", sent.at.as_secs_f64())
}

fn letters(flags: u8) -> String {
    let all = [(0x02, 'S'), (0x01, 'F'), (0x04, 'R'), (0x08, 'P'), (0x20, 'U'), (0x40, 'E'), (0x80, 'W'), (0x10, '.')];
    let text: String = all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect();
    if text.is_empty() { "-".into() } else { text }
}

fn options<'a>(list: impl Iterator<Item = &'a TcpOption>) -> String {
    let words: Vec<String> = list
        .map(|option| match option {
            TcpOption::End => "eol".into(),
            TcpOption::Nop => "nop".into(),
            TcpOption::Mss(mss) => format!("mss {mss}"),
            TcpOption::WindowScale(shift) => format!("wscale {shift}"),
            TcpOption::SackPermitted => "sackOK".into(),
            TcpOption::Sack(pairs) => {
                let blocks: Vec<String> = pairs.iter().map(|(from, to)| format!("{from}:{to}")).collect();
                format!("sack {}", blocks.join(" "))
            }
            TcpOption::Timestamps { val, ecr } => format!("TS val {val} ecr {ecr}"),
            TcpOption::FastOpen { cookie, .. } => format!("FO {cookie}"),
            TcpOption::UserTimeout { time, minutes } => format!("uto {time}{}", if *minutes { "m" } else { "" }),
            TcpOption::Raw { kind, body } if body.is_empty() => format!("kind {kind}"),
            TcpOption::Raw { kind, body } => format!("kind {kind} {}", hexadecimal(body)),
            TcpOption::Other(name) => name.clone(),
        })
        .collect();
    format!(" <{}>", words.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ast::{Body, What};
    use crate::run::flows::tests::connection;
    use crate::{Defines, parse};

    const STRICT: Rules = Rules {
        any_shift: false,
        tick: Some(Tick { length: Duration::from_millis(1), tolerance: Duration::ZERO, scale: 1.0 }),
    };

    fn segment(text: &str) -> Segment {
        let script = parse(&format!("0 > {text}\n"), &Defines::new()).unwrap();
        match &script.events[0].what {
            What::Expect(packet) => match &packet.body {
                Body::Tcp(segment) => segment.clone(),
                body => panic!("{body:?}"),
            },
            what => panic!("{what:?}"),
        }
    }

    fn wire(options: Vec<TcpOption>) -> Wire {
        Wire { options, ..crate::run::wire::tests::plain() }
    }

    #[test]
    fn blocks_are_of_the_peers_numbers_and_wrap_with_them() {
        for isn in [2_000_000, u32::MAX - 499, u32::MAX] {
            let numbered = connection([1_000_000, isn]);
            let sent = wire(vec![TcpOption::Sack(vec![(isn.wrapping_add(1001), isn.wrapping_add(2001))])]);
            for (text, differs) in [("1001:2001", None), ("1001:2002", Some("options")), ("1002:2001", Some("options"))]
            {
                let expected = segment(&format!(". 1:1(0) ack 1 <sack {text}>"));
                assert_eq!(different_options(&expected, &sent, &numbered, &STRICT), differs, "{text} {isn}");
            }
        }
    }

    #[test]
    fn values_of_our_clock_are_named_and_echoes_are_exact() {
        let mut numbered = connection([1, 1]);
        let times = |val, ecr| wire(vec![TcpOption::Timestamps { val, ecr }]);
        let expected = |val, ecr| segment(&format!(". 1:1(0) ack 1 <TS val {val} ecr {ecr}>"));
        let lenient = Rules { tick: None, ..STRICT };
        name_stamps(&expected(100, 7), &times(u32::MAX - 9, 7), &mut numbered);
        let sent = times(0, 7);
        assert_eq!(different_options(&expected(110, 7), &sent, &numbered, &STRICT), None);
        assert_eq!(different_options(&expected(111, 7), &sent, &numbered, &STRICT), Some("time stamp"));
        assert_eq!(different_options(&expected(999, 7), &sent, &numbered, &lenient), None, "without a clock any name");
        assert_eq!(different_options(&expected(110, 8), &sent, &numbered, &lenient), Some("options"));
        assert_eq!(different_options(&expected(0, 7), &times(0, 7), &numbered, &STRICT), None, "a reset has no clock");
    }

    #[test]
    fn a_shift_may_be_a_systems_own_choice() {
        let numbered = connection([1, 1]);
        let sent = wire(vec![TcpOption::WindowScale(10)]);
        let (same, other) = (segment("S 0:0(0) <wscale 10>"), segment("S 0:0(0) <wscale 3>"));
        assert_eq!(different_options(&same, &sent, &numbered, &STRICT), None);
        assert_eq!(different_options(&other, &sent, &numbered, &STRICT), Some("options"));
        let any = Rules { any_shift: true, ..STRICT };
        assert_eq!(different_options(&other, &sent, &numbered, &any), None);
        assert_eq!(different_options(&segment("S 0:0(0)"), &sent, &numbered, &any), Some("options"));
    }
}
