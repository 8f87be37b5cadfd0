//! Packets in: find the flow, hand the segment on, see to what follows.

use core::net::IpAddr;

use etherparse::IpNumber;

use super::after::Parting;
use super::index::{Stage, Tag};
use super::{At, Owner, Slot, Stack};
use crate::connection::ending::Released;
use crate::connection::{Connection, Now};
use crate::fin_wait_2::FinWait2;
use crate::opening::{Pending, Verdict};
use crate::reset;
use crate::stack::{Flow, ListenerId};
use crate::time::Instant;
use crate::time_wait::TimeWait;
use crate::wire::ip::{Datagram, NotForUs, TCP, is_host, pseudo_header};
use crate::wire::{Arrived, Flags, Packet, Segment, icmp};

impl Stack {
    /// A packet from the device. What is broken or not for us is dropped and counted.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet<'_>) {
        self.advance(now);
        self.stats.packets += 1;
        match Datagram::parse(packet.bytes()) {
            Ok(datagram) => self.handle_datagram(&packet, &datagram),
            Err(NotForUs::Fragment) => self.handle_piece(packet.bytes()),
            Err(NotForUs::Malformed) => self.stats.malformed += 1,
            Err(NotForUs::Header) => self.stats.headers_refused += 1,
            Err(NotForUs::Checksum) => self.stats.bad_checksum += 1,
        }
    }

    fn handle_datagram(&mut self, packet: &Packet<'_>, datagram: &Datagram<'_>) {
        match datagram.protocol {
            TCP => self.handle_tcp(packet, datagram),
            IpNumber::ICMP if datagram.source.is_ipv4() => self.handle_icmp(datagram),
            IpNumber::IPV6_ICMP if datagram.source.is_ipv6() => self.handle_icmp(datagram),
            _ => self.stats.malformed += 1,
        }
    }

    /// What is put together is read as if it had come so; pieces within pieces are nothing.
    fn handle_piece(&mut self, bytes: &[u8]) {
        let Some(whole) = self.piece(bytes) else { return };
        match Datagram::parse(&whole) {
            Ok(datagram) => self.handle_datagram(&Packet::new(&whole), &datagram),
            Err(_) => self.stats.malformed += 1,
        }
    }

    /// RS-2: only what comes from a single host that is not us, to us, is answered or begins anything. What has a flow
    /// was looked at when the flow began.
    fn counts_for_us(&mut self, source: IpAddr, destination: IpAddr) -> bool {
        let for_us = self.is_for_us(source, destination);
        self.stats.not_ours += u64::from(!for_us);
        for_us
    }

    pub(super) fn is_for_us(&self, source: IpAddr, destination: IpAddr) -> bool {
        let ours = &self.config.addresses;
        is_host(source) && !ours.contains(&source) && ours.contains(&destination)
    }

    fn handle_icmp(&mut self, datagram: &Datagram<'_>) {
        if !self.counts_for_us(datagram.source, datagram.destination) {
            return;
        }
        if let Some(reply) = icmp::echo_reply(datagram) {
            return self.reply_icmp(datagram, &reply);
        }
        if let Some(trouble) = icmp::trouble(datagram) {
            let believed = self.handle_trouble(&trouble);
            self.stats.icmp_believed += u64::from(believed);
            self.stats.icmp_ignored += u64::from(!believed);
        }
    }

    fn handle_tcp(&mut self, packet: &Packet<'_>, datagram: &Datagram<'_>) {
        if packet.checksum() == Arrived::Unknown && !self.checksum_holds(datagram) {
            return self.stats.bad_checksum += 1;
        }
        let Some(segment) = Segment::parse(datagram.body, packet) else {
            return self.stats.malformed += 1;
        };
        let flow = Flow {
            local_address: datagram.destination,
            remote_address: datagram.source,
            local_port: segment.destination,
            remote_port: segment.source,
        };
        let found = self.find(&flow);
        if let Some(tag) = found
            && segment.options.timestamps.is_none()
            && !segment.flags.has(Flags::RST)
            && !segment.flags.has(Flags::SYN)
        {
            self.stats.unstamped += u64::from(self.is_stamped(tag));
        }
        match found.map(|tag| (tag.stage(), tag.number())) {
            Some((Stage::Connection, number)) => self.segment_for_connection(number, &segment),
            Some((Stage::Opening, number)) => self.segment_for_opening(number, &segment),
            Some((Stage::Record, number)) => self.segment_for_record(number, &flow, &segment),
            Some((Stage::Abandoned, number)) => self.segment_for_abandoned(number, &segment),
            None => self.segment_for_nobody(&flow, &segment),
        }
    }

    /// Whether all segments of this must have timestamps (FR-13).
    fn is_stamped(&self, tag: Tag) -> bool {
        match tag.stage() {
            Stage::Connection => self.connections.get(tag.number()).is_some_and(|slot| slot.is.is_stamped()),
            Stage::Opening => self.openings.get(tag.number()).is_some_and(|slot| slot.is.is_stamped(&self.config)),
            Stage::Record => self.waits.get(tag.number()).is_some_and(TimeWait::is_stamped),
            Stage::Abandoned => self.abandoned.get(tag.number()).is_some_and(FinWait2::is_stamped),
        }
    }

    fn checksum_holds(&self, datagram: &Datagram<'_>) -> bool {
        let mut sum = pseudo_header(datagram.source, datagram.destination, TCP, datagram.body.len(), self.sum);
        sum.bytes(datagram.body);
        sum.finish() == 0
    }

    fn segment_for_connection(&mut self, number: u32, segment: &Segment<'_>) {
        let now = Now::of(self.now, &self.config, self.held);
        if let Some(slot) = self.connections.get_mut(number) {
            slot.is.handle_segment(now, segment);
            let moves = !segment.payload.is_empty() || slot.held > 0;
            self.after_connection(number);
            if moves {
                self.account(number);
            }
        }
    }

    /// RFC 9293 section 3.10.7.1 and 3.10.7.2.
    pub(super) fn segment_for_nobody(&mut self, flow: &Flow, segment: &Segment<'_>) {
        if !self.counts_for_us(flow.remote_address, flow.local_address) {
            return;
        }
        let has = |flag| segment.flags.has(flag);
        if let Some(listener) = self.listeners.find(flow.local_address, flow.local_port) {
            if has(Flags::RST) || !has(Flags::ACK) && !has(Flags::SYN) {
                return;
            }
            if !has(Flags::ACK) {
                if self.is_quiet() {
                    return; // Nothing begins yet; the peer asks again (QT-1).
                }
                if self.listeners.admit(listener, &self.config) {
                    return self.open(listener, *flow, segment);
                }
                return self.answer_with_cookie(listener, flow, segment);
            }
            if !has(Flags::SYN) && self.brings_cookie(listener, flow, segment) {
                return;
            }
        }
        self.reset_stray(flow, segment);
    }

    /// Whether a listener's backlog has room for one more; it is taken.
    pub(super) fn admit(&mut self, listener: ListenerId) -> bool {
        let admitted = self.listeners.admit(listener, &self.config);
        self.stats.syns_dropped += u64::from(!admitted);
        admitted
    }

    /// A SYN that was admitted opens a connection.
    fn open(&mut self, listener: ListenerId, flow: Flow, syn: &Segment<'_>) {
        let hash = self.secrets.index_hash(&flow);
        let opening = self.opening_for(listener, &flow, hash, syn, None);
        if self.add_opening_at(flow, hash, opening, Owner::Listener(listener), None).is_none() {
            self.listeners.opening_gone(listener);
        }
    }

    fn segment_for_opening(&mut self, number: u32, segment: &Segment<'_>) {
        let now = Now::of(self.now, &self.config, self.held);
        let Some(slot) = self.openings.get_mut(number) else { return };
        match slot.is.handle_segment(now, segment) {
            Verdict::Established => self.establish(number, segment),
            Verdict::Reset => {
                let (flow, owner) = (slot.flow, slot.owner);
                if let Owner::Listener(listener) = owner
                    && self.open_by_cookie(listener, &flow, segment, Some(number))
                {
                    return;
                }
                if let Some(reset) = reset::answer(segment) {
                    self.reply(&flow, &reset);
                }
            }
            verdict => self.after_verdict(number, verdict),
        }
    }

    pub(super) fn after_verdict(&mut self, number: u32, verdict: Verdict) {
        match verdict {
            Verdict::Waiting | Verdict::Established | Verdict::Reset => self.after_opening(number),
            Verdict::Failed(ending) => self.fail_opening(number, ending, false),
            Verdict::Forgotten => {
                self.drop_opening(number, Parting::Forgotten);
                self.stats.openings_forgotten += 1;
            }
        }
    }

    /// The opening becomes a connection, in the same place of the index; then the connection reads the segment.
    fn establish(&mut self, number: u32, segment: &Segment<'_>) {
        let Some(slot) = self.openings.get(number) else { return };
        let (flow, hash, owner) = (slot.flow, slot.hash, slot.owner);
        let (pending, passive, zero_linger) = (slot.is.pending(), slot.is.is_passive(), slot.is.zero_linger());
        let unwanted = slot.is.unwanted();
        if let Owner::Listener(listener) = owner
            && !self.listeners.has_room(listener, &self.config)
        {
            return; // The peer will send it again (FI-4).
        }
        let now = Now::of(self.now, &self.config, self.held);
        let mut connection = Connection::new(now, slot.is.opened(now), segment);
        connection.set_zero_linger(zero_linger);
        if !passive {
            connection.connected();
        }
        if segment.flags.has(Flags::SYN) {
            connection.owe_ack();
        }
        // A FIN that waited for ESTABLISHED comes before what the segment carries behind its ACK (CL-4, FI-0).
        if let Some(unwanted) = unwanted {
            connection.shut_down_read(now, unwanted);
        }
        if pending != Pending::Nothing {
            connection.shut_down(now);
        }
        connection.handle_segment(now, &segment.without_syn());
        match (pending, owner) {
            (Pending::Close, Owner::Nobody) => connection.dropped(now),
            (Pending::Close, _) => connection.close(now),
            (Pending::Nothing | Pending::ShutDown, _) => {}
        }
        let Some(new) = self.connections.insert(Slot::new(connection, flow, hash, owner)) else { return };
        self.index.replace(hash, Tag::new(Stage::Opening, number), Tag::new(Stage::Connection, new));
        if let Some(slot) = self.openings.get_mut(number) {
            slot.indexed = false;
        }
        self.settle_shadow(number, if passive { Released::ReusedByPeer } else { Released::ReusedByUs });
        self.drop_opening(number, Parting::Silent);
        match owner {
            Owner::Listener(listener) => self.listeners.push(listener, new),
            Owner::Handle(handle) => {
                if let Some(entry) = self.handles.get_mut(handle) {
                    entry.at = At::Connection(new);
                }
            }
            Owner::Nobody => {}
        }
        self.after_connection(new);
        self.account(new);
    }
}
