//! Packets in: find the flow, hand the segment on, see to what follows.

use core::net::IpAddr;

use etherparse::IpNumber;

use super::index::{Stage, Tag};
use super::{At, Owner, Slot, Stack};
use crate::connection::{Connection, Now};
use crate::opening::{Opening, Pending, Verdict};
use crate::reset;
use crate::seq::Seq;
use crate::stack::{Flow, ListenerId};
use crate::time::Instant;
use crate::time_wait;
use crate::wire::ip::{Datagram, NotForUs, TCP, is_host, pseudo_header};
use crate::wire::{Arrived, Flags, Packet, Segment, icmp};

impl Stack {
    /// A packet from the device. What is broken or not for us is dropped and counted.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet<'_>) {
        self.advance(now);
        self.stats.packets += 1;
        let datagram = match Datagram::parse(packet.bytes()) {
            Ok(datagram) => datagram,
            Err(NotForUs::Malformed | NotForUs::Fragment) => return self.stats.malformed += 1,
            Err(NotForUs::Checksum) => return self.stats.bad_checksum += 1,
        };
        match datagram.protocol {
            TCP => self.handle_tcp(&packet, &datagram),
            IpNumber::ICMP if datagram.source.is_ipv4() => self.handle_icmp(&datagram),
            IpNumber::IPV6_ICMP if datagram.source.is_ipv6() => self.handle_icmp(&datagram),
            _ => self.stats.malformed += 1,
        }
    }

    /// RS-2: only what comes from a single host that is not us, to us, is answered or begins anything. What has a flow
    /// was looked at when the flow began.
    fn is_for_us(&mut self, source: IpAddr, destination: IpAddr) -> bool {
        let ours = &self.config.addresses;
        let for_us = is_host(source) && !ours.contains(&source) && ours.contains(&destination);
        self.stats.not_ours += u64::from(!for_us);
        for_us
    }

    fn handle_icmp(&mut self, datagram: &Datagram<'_>) {
        if !self.is_for_us(datagram.source, datagram.destination) {
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
        match self.find(&flow).map(|tag| (tag.stage(), tag.number())) {
            Some((Stage::Connection, number)) => self.segment_for_connection(number, &segment),
            Some((Stage::Opening, number)) => self.segment_for_opening(number, &segment),
            Some((Stage::Record, number)) => self.segment_for_record(number, &flow, &segment),
            None => self.segment_for_nobody(&flow, &segment),
        }
    }

    fn checksum_holds(&self, datagram: &Datagram<'_>) -> bool {
        let mut sum = pseudo_header(datagram.source, datagram.destination, TCP, datagram.body.len(), self.sum);
        sum.bytes(datagram.body);
        sum.finish() == 0
    }

    fn segment_for_connection(&mut self, number: u32, segment: &Segment<'_>) {
        let now = Now { time: self.now, config: &self.config };
        if let Some(slot) = self.connections.get_mut(number) {
            slot.is.handle_segment(now, segment);
            self.after_connection(number);
        }
    }

    fn segment_for_record(&mut self, number: u32, flow: &Flow, segment: &Segment<'_>) {
        let Some(record) = self.waits.get_mut(number) else { return };
        if self.config.reset_ends_time_wait && record.is_exact_reset(segment) {
            return self.drop_record(number);
        }
        let mut verdict = record.handle_segment(self.now, segment, self.config.timestamps);
        let listener = self.listeners.find(flow.local_address, flow.local_port);
        if let time_wait::Verdict::Reopen(floor) = verdict {
            if let Some(listener) = listener {
                if self.admit(listener) {
                    self.drop_record(number);
                    self.open(listener, *flow, segment, Some(floor));
                }
                return;
            }
            verdict = record.refuse_syn(self.now);
        }
        match verdict {
            time_wait::Verdict::Silence | time_wait::Verdict::Reopen(_) => {}
            time_wait::Verdict::Answer => self.due.push_back(Tag::new(Stage::Record, number)),
            time_wait::Verdict::Restart => {
                let rto =
                    if record.wait() == time_wait::Wait::Long { self.config.max_rto } else { crate::Duration::ZERO };
                self.waits.restart(number, self.now, self.config.time_wait(rto));
                self.due.push_back(Tag::new(Stage::Record, number));
            }
        }
    }

    /// RFC 9293 section 3.10.7.1 and 3.10.7.2.
    fn segment_for_nobody(&mut self, flow: &Flow, segment: &Segment<'_>) {
        if !self.is_for_us(flow.remote_address, flow.local_address) {
            return;
        }
        let has = |flag| segment.flags.has(flag);
        if let Some(listener) = self.listeners.find(flow.local_address, flow.local_port) {
            if has(Flags::RST) || !has(Flags::ACK) && !has(Flags::SYN) {
                return;
            }
            if !has(Flags::ACK) {
                if self.listeners.admit(listener, &self.config) {
                    return self.open(listener, *flow, segment, None);
                }
                return self.answer_with_cookie(listener, flow, segment);
            }
            if !has(Flags::SYN) && self.brings_cookie(listener, flow, segment) {
                return;
            }
        }
        if let Some(reset) = reset::answer(segment) {
            self.stats.strays_reset += 1;
            self.reply(flow, &reset);
        }
    }

    /// Whether a listener's backlog has room for one more; it is taken.
    fn admit(&mut self, listener: ListenerId) -> bool {
        let admitted = self.listeners.admit(listener, &self.config);
        self.stats.syns_dropped += u64::from(!admitted);
        admitted
    }

    /// A SYN that was admitted opens a connection.
    fn open(&mut self, listener: ListenerId, flow: Flow, syn: &Segment<'_>, floor: Option<Seq>) {
        let (fresh, offset) = self.secrets.beginning(&flow, self.now);
        let iss = floor.map_or(fresh, |floor| if fresh.distance(floor) < 0 { floor } else { fresh });
        let settings = self.listeners.settings(listener);
        let mut opening = Opening::accept(self.step(), iss, self.terms(&flow, offset, &settings), syn);
        opening.set(settings);
        if self.add_opening(flow, opening, Owner::Listener(listener)).is_none() {
            self.listeners.opening_gone(listener);
        }
    }

    fn segment_for_opening(&mut self, number: u32, segment: &Segment<'_>) {
        let now = Now { time: self.now, config: &self.config };
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
                self.drop_opening(number, false);
                self.stats.openings_forgotten += 1;
            }
        }
    }

    /// The opening becomes a connection, in the same place of the index; then the connection reads the segment.
    fn establish(&mut self, number: u32, segment: &Segment<'_>) {
        let Some(slot) = self.openings.get(number) else { return };
        let (flow, hash, owner) = (slot.flow, slot.hash, slot.owner);
        let (pending, passive, zero_linger) = (slot.is.pending(), slot.is.is_passive(), slot.is.zero_linger());
        if let Owner::Listener(listener) = owner
            && !self.listeners.has_room(listener, &self.config)
        {
            return; // The peer will send it again (FI-4).
        }
        let now = Now { time: self.now, config: &self.config };
        let mut connection = Connection::new(now, slot.is.opened(now), segment);
        connection.set_zero_linger(zero_linger);
        if !passive {
            connection.connected();
        }
        if segment.flags.has(Flags::SYN) {
            connection.owe_ack();
        }
        // A FIN that waited for ESTABLISHED comes before what the segment carries behind its ACK (CL-4, FI-0).
        if pending != Pending::Nothing {
            connection.shut_down(now);
        }
        connection.handle_segment(now, &segment.without_syn());
        if pending == Pending::Close {
            connection.close(now);
        }
        let slot = Slot { is: connection, flow, hash, owner, scheduled: Instant::NEVER, due: false, indexed: true };
        let Some(new) = self.connections.insert(slot) else { return };
        self.index.replace(hash, Tag::new(Stage::Opening, number), Tag::new(Stage::Connection, new));
        if let Some(slot) = self.openings.get_mut(number) {
            slot.indexed = false;
        }
        self.drop_opening(number, false);
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
    }
}
