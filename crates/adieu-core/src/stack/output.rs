//! Packets out: which flow is next, and its segment as bytes.

use alloc::vec::Vec;
use bytes::Bytes;
use smallvec::SmallVec;

use super::index::{Stage, Tag};
use super::{Flow, Owner, Stack};
use crate::bytequeue::{SMALL, usize_of};
use crate::connection::{Now, Transmit};
use crate::time::Instant;
use crate::wire::ip::{self, Datagram, IPV6_HEADER, TCP, header_len};
use crate::wire::tcp::{CHECKSUM_AT, Header};

/// A packet to send, owned: the headers (with the data, where it is small), then the data in pieces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// IP header, TCP header, and data below 4 KiB.
    pub head: Vec<u8>,
    /// The rest of the data, shared with the send queue.
    pub body: SmallVec<[Bytes; 1]>,
    /// Payload per segment on the wire; a packet with more is a super-segment, for a device that cuts it (TSO).
    /// 0 without data.
    pub segment_size: u16,
    /// What the transport checksum field holds.
    pub checksum: Leaving,
}

/// Buffers kept for packets to come.
const SPARE: usize = 64;

/// State of the transport checksum of a packet that leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leaving {
    /// Only the pseudo-header's sum: the device adds the rest.
    Partial,
    /// The whole checksum.
    Full,
}

impl Outgoing {
    /// Bytes of the whole packet.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.iter().map(Bytes::len).sum::<usize>()
    }

    /// Never true: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// The packet in one piece, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        bytes.extend_from_slice(&self.head);
        self.body.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }
}

impl Stack {
    /// The next packet to send, until there is none. Flows take turns, one packet each.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        self.advance(now);
        if let Some(reply) = self.replies.pop_front() {
            return Some(reply);
        }
        while let Some(tag) = self.due.pop_front() {
            let packet = match tag.stage() {
                Stage::Connection => self.transmit_connection(tag.number()),
                Stage::Opening => self.transmit_opening(tag.number()),
                Stage::Record => self.transmit_record(tag.number()),
                Stage::Abandoned => self.transmit_abandoned(tag.number()),
            };
            if packet.is_some() {
                return packet;
            }
        }
        None
    }

    /// Takes back a packet that has been sent: its memory serves the next one.
    pub fn recycle(&mut self, packet: Outgoing) {
        let mut head = packet.head;
        if self.spare.len() < SPARE {
            head.clear();
            self.spare.push(head);
        }
    }

    fn transmit_connection(&mut self, number: u32) -> Option<Outgoing> {
        let now = Now::of(self.now, &self.config, self.held);
        let slot = self.connections.get_mut(number).filter(|slot| slot.due)?;
        slot.due = false;
        let Some(transmit) = slot.is.poll_transmit(now) else {
            // What waits for its turn (pacing) has a timer from now on.
            let tag = Tag::new(Stage::Connection, number);
            super::schedule(&mut self.deadlines, &mut slot.scheduled, tag, slot.is.poll_timeout());
            return None;
        };
        let flow = slot.flow;
        let packet = self.packet(number, &flow, &transmit);
        if self.connections.get(number).is_some_and(|slot| slot.is.ended().is_some()) {
            self.after_connection(number); // Its reset has left.
        } else {
            self.after_transmit(number);
        }
        Some(packet)
    }

    /// There may be more, after the others' turn; and what was sent may be waited for.
    fn after_transmit(&mut self, number: u32) {
        if let Some(slot) = self.connections.get_mut(number) {
            let tag = Tag::new(Stage::Connection, number);
            if slot.is.has_more() {
                super::mark_due(&mut self.due, &mut slot.due, tag);
            }
            super::schedule(&mut self.deadlines, &mut slot.scheduled, tag, slot.is.poll_timeout());
            if slot.owner == Owner::Nobody {
                self.abandon(number);
            }
        }
    }

    fn transmit_opening(&mut self, number: u32) -> Option<Outgoing> {
        let now = Now::of(self.now, &self.config, self.held);
        let slot = self.openings.get_mut(number).filter(|slot| slot.due)?;
        slot.due = false;
        let header = slot.is.poll_transmit(now)?;
        let (flow, dscp) = (slot.flow, slot.is.settings().dscp & 0x3f);
        self.after_opening(number);
        let mut packet = self.bare(&flow, &header);
        if dscp > 0 {
            ip::mark(&mut packet.head, dscp << 2, None);
        }
        Some(packet)
    }

    fn transmit_record(&mut self, number: u32) -> Option<Outgoing> {
        let header = self.waits.get_mut(number)?.poll_transmit(self.now)?;
        let flow = self.waits.flow(number)?;
        Some(self.bare(&flow, &header))
    }

    fn transmit_abandoned(&mut self, number: u32) -> Option<Outgoing> {
        let header = self.abandoned.get_mut(number)?.poll_transmit(self.now)?;
        let flow = self.abandoned.flow(number)?;
        Some(self.bare(&flow, &header))
    }

    /// Queues a reply without a connection, if there is room.
    pub(super) fn reply(&mut self, flow: &Flow, header: &Header) {
        let packet = self.bare(flow, header);
        self.queue_reply(packet);
    }

    pub(super) fn reply_icmp(&mut self, request: &Datagram<'_>, message: &[u8]) {
        let (from, to) = (request.destination, request.source);
        let mut head = Vec::from([0; IPV6_HEADER]);
        head.truncate(header_len(from));
        ip::emit(from, to, request.protocol, self.config.ttl, message.len(), &mut head);
        head.extend_from_slice(message);
        self.queue_reply(Outgoing { head, body: SmallVec::new(), segment_size: 0, checksum: Leaving::Full });
    }

    /// Whether a reply would find room.
    pub(super) fn may_reply(&self) -> bool {
        self.replies.len() < self.config.stray_replies as usize
    }

    fn queue_reply(&mut self, packet: Outgoing) {
        if self.may_reply() {
            self.replies.push_back(packet);
        } else {
            self.stats.strays_dropped += 1;
        }
    }

    /// A segment without data.
    fn bare(&mut self, flow: &Flow, header: &Header) -> Outgoing {
        let head = self.head(flow, header, 0, 0);
        self.seal(flow, head, SmallVec::new(), 0)
    }

    /// A connection's segment with its data: copied behind the headers where it is small, shared where it is not.
    fn packet(&mut self, number: u32, flow: &Flow, transmit: &Transmit) -> Outgoing {
        let len = usize_of(transmit.data_len());
        let inline = if len < SMALL { len } else { 0 };
        let mut head = self.head(flow, &transmit.header, len, inline);
        if transmit.fragment || transmit.class() > 0 {
            self.mark(flow, transmit, &mut head);
        }
        let mut body = SmallVec::new();
        if let Some(slot) = self.connections.get_mut(number).filter(|_| len > 0) {
            if inline > 0 {
                slot.is.look_at_data(transmit, |piece| head.extend_from_slice(piece));
            } else {
                body = slot.is.data(transmit);
            }
        }
        self.seal(flow, head, body, transmit.segment_size)
    }

    /// What few packets carry: a traffic class, or leave to be cut on a narrow path.
    fn mark(&mut self, flow: &Flow, transmit: &Transmit, head: &mut [u8]) {
        // RFC 6864 section 4.3: packets that may be cut need numbers that do not repeat soon; a hash hides how many.
        let identification = transmit.fragment.then(|| {
            self.identification = self.identification.wrapping_add(1);
            let (_, offset) = self.secrets.beginning(flow, self.now);
            let [low, high, ..] = offset.to_le_bytes();
            self.identification.wrapping_add(u16::from_le_bytes([low, high]))
        });
        ip::mark(head, transmit.class(), identification);
    }

    /// IP and TCP header of a packet with `len` bytes of data, with room for `inline` of them.
    fn head(&mut self, flow: &Flow, header: &Header, len: usize, inline: usize) -> Vec<u8> {
        let (ip, tcp) = (header_len(flow.local_address), header.size());
        let mut head = self.spare.pop().unwrap_or_default();
        head.reserve(ip + tcp + inline);
        head.resize(ip + tcp, 0);
        ip::emit(flow.local_address, flow.remote_address, TCP, self.config.ttl, tcp + len, &mut head);
        header.emit(flow.local_port, flow.remote_port, &mut head[ip..]);
        head
    }

    /// Fills in the checksum.
    fn seal(&self, flow: &Flow, mut head: Vec<u8>, body: SmallVec<[Bytes; 1]>, segment_size: u16) -> Outgoing {
        let checksum = if self.config.partial_checksums { Leaving::Partial } else { Leaving::Full };
        let ip = header_len(flow.local_address);
        let length = head.len() - ip + body.iter().map(Bytes::len).sum::<usize>();
        let mut sum = ip::pseudo_header(flow.local_address, flow.remote_address, TCP, length, self.sum);
        let field = match checksum {
            Leaving::Partial => sum.folded(),
            Leaving::Full => {
                sum.bytes(&head[ip..]);
                body.iter().for_each(|piece| sum.bytes(piece));
                sum.finish()
            }
        };
        let at = ip + CHECKSUM_AT;
        head[at..at + 2].copy_from_slice(&field.to_be_bytes());
        Outgoing { head, body, segment_size, checksum }
    }
}
