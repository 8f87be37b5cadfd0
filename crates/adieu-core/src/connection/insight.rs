//! What a connection shows of itself, and what the application has chosen for it.

use alloc::boxed::Box;

use super::flight::{Flight, length};
use super::timers::Timer;
use super::{Connection, Now, ack};
use crate::config::Config;
use crate::info::{Info, RecoveryState};
use crate::seq::{Offset, Seq};
use crate::settings::Settings;
use crate::stack::{Armed, Numbers};
use crate::time::{Duration, Instant};
use crate::wire::Segment;

impl Connection {
    /// RCV.NXT and RCV.WND.
    pub(crate) fn receives(&self) -> (Seq, u64) {
        (self.recv.next_seq(), self.recv.window())
    }

    /// What the application has chosen.
    pub fn settings(&self) -> Settings {
        self.settings.as_deref().copied().unwrap_or_default()
    }

    /// Chooses, from now on.
    pub fn set(&mut self, now: Now<'_>, settings: Settings) {
        let before = self.settings();
        self.settings = (settings != Settings::default()).then(|| Box::new(settings));
        self.congestion.choose(settings.congestion.unwrap_or(now.config.congestion));
        self.hurry(now);
        if self.ended.is_none() && !self.is_detached() && before.keepalive != settings.keepalive {
            self.trouble.keepalives = 0;
            self.timers.stop(Timer::Idle);
            self.watch_idle(now);
        }
        let budgets = |settings: &Settings| (settings.half_close_idle, settings.half_close_total);
        if self.ended.is_none() && budgets(&before) != budgets(&settings) {
            self.watch(now); // A half-close may be under way.
        }
        self.settle(now, self.state());
    }

    /// Whether small segments go out at once.
    pub(super) fn is_nodelay(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.nodelay)
    }

    /// Octets to be read up to the end of the urgent data, if there is any left (RFC 9293 MUST-33).
    pub fn urgent_ahead(&self) -> Option<u64> {
        self.recv.urgent_ahead()
    }

    pub(super) fn count_arrival(&mut self, segment: &Segment<'_>) {
        let segments = u32::try_from(segment.payload.wire_segments()).unwrap_or(1);
        let data = !segment.payload.is_empty();
        self.ledger.note(|ledger| {
            ledger.traffic.segments_received = ledger.traffic.segments_received.wrapping_add(segments);
            if data {
                ledger.traffic.data_segments_received = ledger.traffic.data_segments_received.wrapping_add(segments);
            }
        });
    }

    /// How the connection is doing; `mtu` is the interface's, and `headers` the octets of an IP header and a bare TCP
    /// header.
    pub(crate) fn info(&self, now: Instant, config: &Config, mtu: u16, headers: u16) -> Info {
        let mss = u32::from(self.send.mss());
        let segments = |octets: u32| octets.div_ceil(mss);
        let since = |then: u32| Duration::from_millis(u64::from(now.as_wrapping_millis().wrapping_sub(then)));
        let flight = |part: fn(&Flight) -> u32| self.send.flight().map_or(0, part);
        let ledger = self.ledger.for_receipt();
        let traffic = ledger.traffic;
        let acked = self.send.data_acked();
        Info {
            state: self.state(),
            state_age: if self.ended.is_some() { now.since(ledger.spent.ended()) } else { ledger.spent.age(now) },
            recovery: self.recovery_state(),
            retransmits: self.trouble.tries,
            probes: self.trouble.probes.max(self.trouble.keepalives),
            backoff: self.rtt.backoff(),
            timestamps: self.stamps.is_some(),
            sack: self.sack,
            window_shifts: self.scaled.then(|| (self.send.shift(), self.recv.shift())),
            rto: self.rtt.rto(config),
            ack_delay: ack::delay(config),
            send_mss: self.send.mss(),
            recv_mss: self.recv.mss(),
            advertised_mss: self.announced,
            path_mtu: self.path_mtu(mtu, headers),
            unacked: if self.ended.is_some() { 0 } else { segments(length(self.send.outstanding())) },
            sacked: segments(flight(Flight::sacked)),
            lost: segments(flight(Flight::lost)),
            retrans: segments(flight(Flight::resent)),
            last_data_sent: since(self.sent),
            last_data_received: self.ack.since_data(now),
            last_ack_received: since(self.heard),
            rtt: self.rtt.smoothed(),
            rtt_variation: self.rtt.variation(),
            min_rtt: self.rack.min_rtt(),
            congestion: self.congestion.algorithm(),
            slow_start_threshold: self.congestion.threshold(),
            congestion_window: length(self.congestion.window()),
            reordering_seen: self.rack.reordering,
            retransmissions: ledger.retransmissions,
            bytes_sent: acked + self.send.unacknowledged_data() + traffic.octets_resent,
            bytes_retransmitted: traffic.octets_resent,
            bytes_acked: acked,
            bytes_received: self.recv.data_received(),
            bytes_unsent: self.send.unsent(),
            segments_sent: traffic.segments_sent,
            segments_received: traffic.segments_received,
            data_segments_sent: traffic.data_segments_sent,
            data_segments_received: traffic.data_segments_received,
            duplicates_reported: traffic.duplicates_reported,
            out_of_order: traffic.out_of_order,
            send_window: self.send.window(),
            recv_window: length(self.recv.window()),
            last_icmp: ledger.icmp,
            most_steps: ledger.steps,
        }
    }

    /// All numbers that closing turns on.
    pub(crate) fn numbers(&self) -> Numbers {
        let (send, armed) = (&self.send, |timer| self.timers.is_armed(timer));
        let (received, edge, irs) = self.recv.numbers();
        Numbers {
            state: self.state(),
            ended: self.ended,
            initial: (send.iss(), irs),
            una: send.una(),
            next: send.next(),
            written: send.data_end(),
            fin: Some(send.fin()).filter(|fin| *fin != Offset::NONE),
            send_window: send.window(),
            received,
            edge,
            peer_finished: self.recv.is_finished(),
            armed: Armed {
                retransmit: armed(Timer::Retransmit),
                early: armed(Timer::Early),
                persist: armed(Timer::Persist),
                ack: armed(Timer::Ack),
                idle: armed(Timer::Idle),
                watch: armed(Timer::Watch),
            },
        }
    }

    /// The largest packet the path is believed to carry.
    pub(crate) fn path_mtu(&self, mtu: u16, headers: u16) -> u16 {
        if self.path.is_some() { self.packet_size(headers) } else { mtu }
    }

    /// The largest packet that leaves.
    pub(crate) fn packet_size(&self, headers: u16) -> u16 {
        self.send.mss() + self.option_size() + headers
    }

    fn recovery_state(&self) -> RecoveryState {
        let sacked = self.send.flight().is_some_and(|flight| flight.sacked() > 0);
        match () {
            () if self.trouble.tries > 0 => RecoveryState::Loss,
            () if self.trouble.recovering => RecoveryState::Recovery,
            () if self.trouble.duplicates > 0 || sacked => RecoveryState::Disorder,
            () => RecoveryState::Open,
        }
    }
}
