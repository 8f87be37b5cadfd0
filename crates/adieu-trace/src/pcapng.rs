//! A trace as a capture file, with what the packets meant to both ends as comments.
//!
//! Each run is an interface of its own (raw IP, time stamps in nanoseconds), named after it. A packet has the time it
//! left at. Its comments say which changes of state it stands for, at either end, and whether the wire lost it:
//!
//! ```text
//! client: ESTABLISHED -> FIN-WAIT-1
//! server: ESTABLISHED -> CLOSE-WAIT (on arrival, 10 ms later)
//! lost on the wire
//! ```
//!
//! What changed without a packet (LISTEN, the end of TIME-WAIT) is a comment on the interface.

use std::borrow::Cow;

use adieu_core::wire::ip::{Datagram, TCP};
use adieu_core::wire::{Flags, Packet, Segment};
use adieu_core::{Duration, Instant, Seq, State};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use crate::words::{clip, human, stamp};
use crate::{Captured, Event, Side, Trace, What, label};

/// A trace under its name.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Short: it becomes the name of the interface.
    pub name: &'a str,
    /// What it shows: it becomes the description of the interface.
    pub title: &'a str,
    /// What happened. Only the packets that were kept ([`Trace::capture`]) get into the file.
    pub trace: &'a Trace,
}

/// The packets of `runs` as a pcapng file. The first run begins `origin` nanoseconds after 1970-01-01 UTC, each other
/// one at a whole second after that when the one before is over, so that two that use the same ports do not mix.
pub fn pcapng(runs: &[Run<'_>], origin: u64) -> Vec<u8> {
    let mut file = PcapNgWriter::with_section_header(Vec::new(), section()).expect(VALID);
    for run in runs {
        file.write_pcapng_block(interface(run)).expect(VALID);
    }
    let mut begin = origin;
    for (number, run) in (0..).zip(runs) {
        let changes: Vec<Change> = Change::all(run.trace).collect();
        for (at, captured) in run.trace.packets.iter().enumerate() {
            let its = changes.iter().filter(|change| change.packet == Some(at));
            file.write_pcapng_block(packet(number, begin, captured, comments(run.trace, captured, its))).expect(VALID);
        }
        let seconds = last(run.trace).as_nanos() / SECOND + 1;
        begin = begin.saturating_add(seconds.saturating_mul(SECOND));
    }
    file.into_inner()
}

const VALID: &str = "writing to memory, texts are short, and every packet's interface is there";
const SECOND: u64 = 1_000_000_000;
/// An option of the format holds at most 65,535 bytes.
const LONGEST_TEXT: usize = 4_000;

fn text<'a>(text: &str) -> Cow<'a, str> {
    Cow::Owned(clip(text, LONGEST_TEXT, true))
}

fn section() -> SectionHeaderBlock<'static> {
    let version = concat!("adieu ", env!("CARGO_PKG_VERSION"));
    SectionHeaderBlock {
        // The same bytes on every machine.
        endianness: Endianness::Little,
        options: vec![
            SectionHeaderOption::Hardware("adieu, a TCP in user space".into()),
            SectionHeaderOption::UserApplication(version.into()),
        ],
        ..SectionHeaderBlock::default()
    }
}

fn interface(run: &Run<'_>) -> InterfaceDescriptionBlock<'static> {
    let mut options = vec![
        InterfaceDescriptionOption::IfName(text(run.name)),
        InterfaceDescriptionOption::IfDescription(text(run.title)),
        InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
    ];
    let changes = Change::all(run.trace).filter(|change| change.packet.is_none());
    let words = changes
        .map(|change| format!("{} (at {}, no packet)", change.words(run.trace), stamp(change.at.since(Instant::ZERO))));
    let words: Vec<String> = words.collect();
    if !words.is_empty() {
        options.push(InterfaceDescriptionOption::Common(CommonOption::Comment(text(&words.join("; ")))));
    }
    InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options }
}

fn packet(interface_id: u32, begin: u64, captured: &Captured, comments: Vec<String>) -> EnhancedPacketBlock<'_> {
    let comment = |words: String| EnhancedPacketOption::Common(CommonOption::Comment(text(&words)));
    EnhancedPacketBlock {
        interface_id,
        timestamp: Duration::from_nanos(begin.saturating_add(captured.at.as_nanos())),
        original_len: u32::try_from(captured.bytes.len()).unwrap_or(u32::MAX),
        data: Cow::Borrowed(&captured.bytes),
        options: comments.into_iter().map(comment).collect(),
    }
}

/// When the last thing happened.
fn last(trace: &Trace) -> Instant {
    let events = trace.events.iter().map(|event| event.at);
    let packets = trace.packets.iter().flat_map(|packet| [Some(packet.at), packet.arrives]).flatten();
    events.chain(packets).filter(|at| *at != Instant::NEVER).max().unwrap_or(Instant::ZERO)
}

/// What a packet meant, which brought or sent `changes`.
fn comments<'a>(trace: &Trace, captured: &Captured, changes: impl Iterator<Item = &'a Change>) -> Vec<String> {
    let mut comments: Vec<String> = changes
        .map(|change| {
            let words = change.words(trace);
            match (change.side == captured.from, change.at) {
                (_, at) if at == captured.at => words,
                (true, at) => format!("{words} ({} before)", human(captured.at.since(at))),
                (false, at) => format!("{words} (on arrival, {} later)", human(at.since(captured.at))),
            }
        })
        .collect();
    if captured.arrives.is_none() {
        comments.push("lost on the wire".into());
    }
    comments
}

/// A change of state, and the packet that brought it or that it sent.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: Instant,
    side: Side,
    from: State,
    to: State,
    packet: Option<usize>,
}

impl Change {
    fn all(trace: &Trace) -> impl Iterator<Item = Self> + '_ {
        trace.events.iter().enumerate().filter_map(|(number, event)| {
            let Event { at, what: What::State { side, from, to } } = *event else { return None };
            let change = Self { at, side, from, to, packet: None };
            let packet = change.brought_by(trace, number).or_else(|| change.sends(trace, number));
            Some(Self { packet, ..change })
        })
    }

    fn words(&self, trace: &Trace) -> String {
        format!("{}: {} -> {}", trace.ends[self.side as usize].name, self.from, self.to)
    }

    /// The packet whose arrival changed the state: of several that came at once the first that acknowledged most. A FIN
    /// may have come before the data that it waited for; then it is the data.
    fn brought_by(&self, trace: &Trace, event: usize) -> Option<usize> {
        let came = trace.packets.iter().enumerate().filter(|(_, packet)| {
            packet.from != self.side && packet.arrives == Some(self.at) && packet.events <= event
        });
        let waits_for_data = matches!(self.to, State::CloseWait | State::Closing | State::TimeWait);
        let mut best: Option<(bool, usize, Seq)> = None;
        for (number, packet) in came {
            let Some((flags, ack)) = header(packet) else { continue };
            let brings = label::brings(flags, self.from, self.to);
            let is_better = best.is_none_or(|best| (brings, ack.distance(best.2)) > (best.0, 0));
            if (brings || waits_for_data) && is_better {
                best = Some((brings, number, ack));
            }
        }
        best.map(|(_, number, _)| number)
    }

    /// The packet that the change of state sent. A FIN may wait behind data; all else leaves at once.
    fn sends(&self, trace: &Trace, event: usize) -> Option<usize> {
        let flag = match self.to {
            State::SynSent => Flags::SYN,
            State::FinWait1 | State::LastAck => Flags::FIN,
            State::Closed => Flags::RST,
            State::Listen
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::TimeWait => return None,
        };
        let is_ours = |event: &Event| matches!(event.what, What::State { side, .. } if side == self.side);
        let rest = &trace.events[event + 1..];
        let until = rest.iter().position(is_ours).map_or(usize::MAX, |next| event + 1 + next);
        trace.packets.iter().position(|packet| {
            let in_time = flag == Flags::FIN || packet.at == self.at;
            let after = packet.events > event && packet.events <= until;
            after && in_time && packet.from == self.side && header(packet).is_some_and(|(flags, _)| flags.has(flag))
        })
    }
}

/// Flags and acknowledgment number, where the packet is TCP.
fn header(captured: &Captured) -> Option<(Flags, Seq)> {
    let packet = Packet::new(&captured.bytes);
    let datagram = Datagram::parse(&captured.bytes).ok().filter(|datagram| datagram.protocol == TCP)?;
    let segment = Segment::parse(datagram.body, &packet)?;
    Some((segment.flags, segment.ack))
}

#[cfg(test)]
mod tests;
