//! What can be known of each flow from its segments alone, as somebody on the path sees them leave.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use adieu_core::wire::ip::{Datagram, TCP};
use adieu_core::wire::{Flags, Packet, Segment};
use adieu_core::{Flow, Seq};
use adieu_trace::Side;

use crate::Class;

/// The segment in a packet that `from` sends, and its flow seen from the left.
pub(crate) fn read(from: Side, bytes: &[u8]) -> Option<(Flow, Segment<'_>)> {
    let datagram = Datagram::parse(bytes).ok().filter(|datagram| datagram.protocol == TCP)?;
    let segment = Segment::parse(datagram.body, &Packet::new(bytes))?;
    let source = SocketAddr::new(datagram.source, segment.source);
    let destination = SocketAddr::new(datagram.destination, segment.destination);
    let flow = match from {
        Side::Left => Flow::new(source, destination),
        Side::Right => Flow::new(destination, source),
    };
    Some((flow, segment))
}

/// Numbers of one end of a flow, as on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct End {
    /// Of its SYN.
    pub(crate) initial: Option<Seq>,
    /// After the last it has sent: SND.NXT, or what it was before a retransmission.
    pub(crate) next: Option<Seq>,
    /// The highest it has acknowledged: its RCV.NXT, unless an acknowledgment is still to come.
    pub(crate) acked: Option<Seq>,
    /// The first number behind the window it has offered last.
    pub(crate) edge: Option<Seq>,
    /// Its timestamp clock, where it sends timestamps.
    pub(crate) stamp: Option<u32>,
    shift: Option<u8>,
}

/// All flows whose SYN was seen, by how the left host calls them: one entry each, for the whole run.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    flows: BTreeMap<Flow, [End; 2]>,
    begun: usize,
}

impl Sightings {
    pub(crate) fn of(&self, flow: &Flow) -> Option<&[End; 2]> {
        self.flows.get(flow)
    }

    pub(crate) fn flows(&self) -> impl Iterator<Item = Flow> + '_ {
        self.flows.keys().copied()
    }

    /// How many connections have begun: SYNs with numbers that their flow did not have before.
    pub(crate) fn begun(&self) -> usize {
        self.begun
    }

    /// A segment leaves. What class it is of, which depends on what left before.
    pub(crate) fn see(&mut self, from: Side, flow: &Flow, segment: &Segment<'_>) -> Class {
        if segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::RST) {
            self.begin(from, flow, segment);
        }
        let Some(ends) = self.flows.get_mut(flow) else { return Class::of(segment) };
        let class = match Class::of(segment) {
            Class::Data | Class::Ack if is_probe(ends, from, segment) => Class::Probe,
            class => class,
        };
        if class != Class::Rst {
            let both_scale = ends.iter().all(|end| end.shift.is_some());
            ends[from as usize].sent(segment, both_scale);
        }
        class
    }

    fn begin(&mut self, from: Side, flow: &Flow, syn: &Segment<'_>) {
        let ends = self.flows.entry(*flow).or_default();
        if ends[from as usize].initial == Some(syn.seq) {
            return;
        }
        let opens = !syn.flags.has(Flags::ACK);
        let other = &mut ends[from.other() as usize];
        // In a simultaneous opening the other end has sent its SYN, too, and acknowledged nothing.
        if opens && other.acked.is_some() {
            *other = End::default();
        }
        self.begun += usize::from(opens && other.initial.is_none());
        ends[from as usize] = End { initial: Some(syn.seq), shift: syn.options.window_shift, ..End::default() };
    }
}

impl End {
    fn sent(&mut self, segment: &Segment<'_>, both_scale: bool) {
        let ahead = |new: Seq, old: Option<Seq>| old.is_none_or(|old| new.distance(old) > 0);
        if ahead(segment.end(), self.next) {
            self.next = Some(segment.end());
        }
        if segment.flags.has(Flags::ACK) {
            if ahead(segment.ack, self.acked) {
                self.acked = Some(segment.ack);
            }
            let scaled = both_scale && !segment.flags.has(Flags::SYN);
            let shift = if scaled { self.shift.unwrap_or(0).min(14) } else { 0 };
            self.edge = Some(segment.ack + (u32::from(segment.window) << shift));
        }
        if let Some(stamps) = segment.options.timestamps {
            self.stamp = Some(stamps.value);
        }
    }
}

/// See [`Class::Probe`].
fn is_probe(ends: &[End; 2], from: Side, segment: &Segment<'_>) -> bool {
    let (own, peer) = (&ends[from as usize], &ends[from.other() as usize]);
    let len = segment.payload.len();
    let last = len <= 1 && own.next.is_some_and(|next| segment.seq == next - 1);
    let beyond = len > 0 && peer.edge.is_some_and(|edge| segment.seq.distance(edge) >= 0);
    last || beyond
}
