//! A packet that has left against the one that is expected.

use adieu_core::Flow;

use super::failure::{Failure, Kind};
use super::flows::{Flows, Numbered, bits};
use super::host::Sent;
use super::sockets::Scene;
use super::wire::Wire;
use crate::ast::{Ecn, Options, Packet, Segment, Spanned, TcpOption};

const RST: u8 = 0x04;
const PSH: u8 = 0x08;

/// Fails where a script expects what the stack cannot do yet.
pub(crate) fn check_built(packet: &Packet, segment: &Segment) -> Result<(), Box<Failure>> {
    if packet.ecn.is_some_and(|ecn| ecn != Ecn::No) || segment.flags.value.ece || segment.flags.value.cwr {
        return Err(Failure::not_built(packet.span, "ECN"));
    }
    if segment.flags.value.urg {
        return Err(Failure::not_built(segment.flags.span, "sending urgent data"));
    }
    let Some(Options::List(list)) = segment.options.as_ref().map(|options| &options.value) else { return Ok(()) };
    for option in list {
        let what = match &option.value {
            TcpOption::End | TcpOption::Nop | TcpOption::Mss(_) => continue,
            TcpOption::WindowScale(_) => "window scaling",
            TcpOption::SackPermitted | TcpOption::Sack(_) => "SACK",
            TcpOption::Timestamps { .. } => "timestamps",
            TcpOption::FastOpen { .. } => "TCP Fast Open",
            TcpOption::Other(name) => name,
        };
        return Err(Failure::not_built(option.span, what));
    }
    Ok(())
}

/// Fails where what has left is not what is expected.
pub(crate) fn compare(packet: &Packet, segment: &Segment, sent: &Sent, scene: &mut Scene) -> Result<(), Box<Failure>> {
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
    let differs = differences(segment, wire, numbered, exact);
    if !differs.is_empty() {
        let what = differs.join(", ");
        return Err(Failure::new(Kind::Packet, packet.span, format!("another packet has left: {what}"))
            .expected(describe(segment))
            .got(describe_wire(wire, numbered, segment)));
    }
    if let Some(addresses) = &packet.addresses {
        let (port, expected) = (wire.destination.port(), addresses.destination.rsplit(':').next());
        if expected.is_some_and(|expected| expected.parse() != Ok(port)) {
            return Err(strange(format!("a packet to port {port}")).expected(addresses.destination.clone()));
        }
    }
    check_data(packet, wire, numbered)
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
    match segment.options.as_ref().map(|options| &options.value) {
        Some(Options::Any) => {}
        Some(Options::List(list)) => check(list.iter().map(|option| &option.value).eq(&wire.options), "options"),
        None => check(wire.options.is_empty(), "options"),
    }
    differs
}

// ---- as a script writes it -------------------------------------------------------------------------------------

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
    if !wire.options.is_empty() {
        text.push_str(&options(wire.options.iter()));
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
            TcpOption::Sack(_) => "sack ..".into(),
            TcpOption::Timestamps { val, ecr } => format!("TS val {val} ecr {ecr}"),
            TcpOption::FastOpen { cookie, .. } => format!("FO {cookie}"),
            TcpOption::Other(name) => name.clone(),
        })
        .collect();
    format!(" <{}>", words.join(","))
}
