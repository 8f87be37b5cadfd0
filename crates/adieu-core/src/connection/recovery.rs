//! What acknowledgments do to what we send: progress, loss, recovery (RFC 5681, 6298, 6582, 8985).

use super::congestion::Acked;
use super::congestion::hystart::Pace;
use super::ending::Phase;
use super::flight::{Delivery, Flight, Found, Witness, length};
use super::prr::Prr;
use super::timers::Timer;
use super::{Connection, Events, Now, Trouble};
use crate::config::ORPHAN_PATIENCE;
use crate::seq::{Offset, Seq};
use crate::time::Duration;
use crate::wire::Segment;

impl Connection {
    /// Whether the rest of the segment counts (RFC 9293 section 3.10.7.4, fifth).
    pub(super) fn handle_ack(&mut self, now: Now<'_>, segment: &Segment<'_>) -> bool {
        let una = self.send.una();
        let distance = segment.ack.distance(una.on_wire(self.send.iss()));
        let oldest = u64::from(self.send.max_window()).min(una.0);
        let in_range =
            u64::from(distance.unsigned_abs()) <= if distance < 0 { oldest } else { self.send.outstanding() };
        if !in_range {
            // Beyond what was sent (FA-6), or older than anything that can still be under way (FA-7).
            self.ack.owe_challenge(now);
            return false;
        }
        let (probed, flight) = (self.trouble.probed, self.send.outstanding());
        self.note_life(now);
        let ack = if distance > 0 { una + u64::from(distance.unsigned_abs()) } else { una };
        let duplicate = distance == 0 && self.is_duplicate_ack(segment);
        let echo = distance >= 0 && flight > 0 && self.ecn.is_echo(segment);
        if echo {
            self.handle_echo(now, ack, flight);
        }
        if distance > 0 || self.sack && !segment.options.sack.is_empty() {
            self.handle_news(now, segment, ack, duplicate);
        } else if duplicate {
            self.handle_duplicate_ack(now);
        } else if distance == 0 && segment.is_empty() {
            self.judge_probe(now, una, true); // With nothing outstanding it can only answer a needless probe.
            self.send.tidy();
        }
        // A peer that echoes in whatever it sends must not put off what is lost.
        if echo && distance > 0 {
            self.hold_back(now);
        }
        if distance >= 0 && self.send.update_window(segment) {
            self.handle_opened_window(now, probed);
        }
        true
    }

    /// What was sent into the closed window was not taken, if that was for long enough for a probe. An opening alone
    /// is no progress: a window that only flaps must neither hold an orphan (ZW-5) nor make us repeat everything.
    fn handle_opened_window(&mut self, now: Now<'_>, probed: bool) {
        let due = self.timers.deadline(Timer::Persist);
        self.timers.stop(Timer::Persist);
        if probed {
            self.send.lose_all();
            self.rtt.relax();
        } else if self.send.outstanding() > 0 {
            self.timers.arm(Timer::Retransmit, due); // Nor must it put off what is lost.
        }
        if self.is_detached() && self.send.is_pending() && now.time.since(self.trouble.since) >= ORPHAN_PATIENCE {
            self.give_up_with_reset(now, Phase::ZeroWindow);
        }
    }

    /// The peer lives.
    fn note_life(&mut self, now: Now<'_>) {
        self.heard = now.time.as_wrapping_millis();
        self.trouble.keepalives = 0;
        if self.send.window() == 0 {
            self.trouble.tries = 0; // Probes are answered (ZW-4).
            if !self.is_detached() {
                self.probe_answered(now);
            }
        }
    }

    /// Something was acknowledged, one way or the other.
    fn handle_news(&mut self, now: Now<'_>, segment: &Segment<'_>, ack: Offset, duplicate: bool) {
        let before = self.send.una();
        let reported = if self.sack { self.note_duplicate_report(segment, ack) } else { 0 };
        let (octets, delivery) = self.deliver(now, segment, ack);
        self.measure(now, segment, ack > before, &delivery);
        self.rack.reordering |= self.sack && delivery.reordering;
        self.judge_timeout(now, segment, (before, ack), &delivery);
        if reported > 0 {
            self.count_needless(reported);
        }
        if ack > before {
            self.handle_progress(now, segment, ack, octets, delivery.round_trip);
        }
        let needless = reported > 0 || duplicate && segment.options.sack.is_empty();
        self.judge_probe(now, ack, needless);
        if self.path.is_some() {
            self.judge_path_probe(now);
        }
        if self.sack {
            self.leave_recovery(ack);
            if self.send.outstanding() > 0 {
                let delivered = delivery.sacked + length(octets - u64::from(delivery.known));
                let lost = self.look_for_losses(now, delivered);
                self.reduce_evenly(delivered, ack > before && !lost);
            }
        }
        self.send.tidy();
    }

    fn deliver(&mut self, now: Now<'_>, segment: &Segment<'_>, ack: Offset) -> (u64, Delivery) {
        let echo = segment.options.timestamps.map(|theirs| theirs.echo).filter(|echo| *echo != 0);
        let witness = Witness {
            now: now.time,
            sack: self.sack,
            mss: self.send.mss(),
            min_rtt: self.rack.min_rtt(),
            echo: self.stamps.as_ref().zip(echo),
        };
        let mut delivery = Delivery::default();
        let octets = self.send.on_ack(ack, &witness, &mut delivery);
        if self.sack && !segment.options.sack.is_empty() {
            // In the order of their numbers, which is how overtaking shows (RFC 8985 section 6.2, step 3).
            let mut blocks: smallvec::SmallVec<[(Seq, Seq); 4]> = segment.options.sack.as_slice().into();
            blocks.sort_unstable_by_key(|(start, _)| start.distance(segment.ack));
            blocks.into_iter().for_each(|block| self.send.on_sack(block, &witness, &mut delivery));
        }
        self.ledger.note(|ledger| ledger.steps = ledger.steps.max(delivery.steps));
        (octets, delivery)
    }

    /// A round trip: of something sent once, or by its timestamp (B-RTO).
    fn measure(&mut self, now: Now<'_>, segment: &Segment<'_>, progress: bool, delivery: &Delivery) {
        if let Some(round_trip) = delivery.round_trip {
            self.rack.sample(round_trip, now.time);
            return self.rtt.sample(round_trip, now.config);
        }
        let echo = segment.options.timestamps.map(|theirs| theirs.echo).filter(|echo| progress && *echo != 0);
        if let Some(age) = self.stamps.as_ref().zip(echo).and_then(|(stamps, echo)| stamps.age(echo, now.time)) {
            self.rack.measured = true;
            self.rtt.sample(age, now.config);
        }
    }

    /// `octets` more have arrived for good, after a round trip that was perhaps `measured`.
    fn handle_progress(
        &mut self,
        now: Now<'_>,
        segment: &Segment<'_>,
        ack: Offset,
        octets: u64,
        measured: Option<Duration>,
    ) {
        self.trouble.progress(now.time);
        let partial = !self.sack && self.trouble.recovering && ack < self.trouble.recover;
        if !(partial && self.trouble.partial) {
            self.timers.stop(Timer::Retransmit); // In a recovery only the first partial acknowledgment restarts it.
        }
        self.trouble.partial = partial;
        self.timers.stop(Timer::Persist);
        self.timers.stop(Timer::Early);
        self.trouble.duplicates = 0;
        if !self.trouble.recovering {
            if !self.ecn.is_echo(segment) {
                self.open_window(now, ack, octets, measured); // An echo never lets it grow (RFC 3168 section 6.1.2).
            }
            if let Some(in_flight) = self.send.flight_mut() {
                in_flight.settle_departed();
            }
        } else if !self.sack && ack >= self.trouble.recover {
            self.trouble.recovering = false;
            self.congestion.on_recovered(self.send.outstanding());
            if let Some(in_flight) = self.send.flight_mut() {
                in_flight.settle_departed();
            }
        } else if !self.sack {
            // A partial acknowledgment: the next hole (RFC 6582 section 3.2).
            let mss = self.send.mss();
            if let Some(in_flight) = self.send.flight_mut() {
                in_flight.deflate(octets, mss);
            }
            self.send.lose_front();
        }
        if ack > self.send.fin() {
            self.fin_acked();
        }
        self.events.add(Events::WRITABLE);
    }

    fn open_window(&mut self, now: Now<'_>, ack: Offset, octets: u64, measured: Option<Duration>) {
        let next = self.send.next();
        let (mut used, mut pace) = (false, Pace::Full);
        if let Some(flight) = self.send.flight_mut().filter(|flight| ack.0 - octets < flight.used_to.0) {
            used = true;
            if self.congestion.is_beginning() {
                pace = flight.hystart.on_ack(ack, next, measured);
            }
        }
        let (now, smoothed) = (now.time.as_wrapping_millis(), self.rtt.smoothed());
        self.congestion.on_ack(&Acked { octets, used, pace, now, smoothed });
    }

    // ---- without selective acknowledgments (RFC 6582) ------------------------------------------------------------

    /// RFC 5681 section 2: the acknowledgment field of data or of a FIN never counts as a duplicate. Nor does the
    /// answer to a probe, which says nothing of loss.
    fn is_duplicate_ack(&self, segment: &Segment<'_>) -> bool {
        let same_window = self.send.window_of(segment) == self.send.window() && segment.window > 0;
        self.send.outstanding() > 0 && segment.is_empty() && same_window
    }

    fn handle_duplicate_ack(&mut self, now: Now<'_>) {
        let mss = u32::from(self.send.mss());
        self.judge_probe(now, self.send.una(), true);
        if self.sack {
            return; // Without a block it says nothing about loss.
        }
        self.doubt_timeout(now);
        // Each says that a segment has left the network; the first two let a new one out (RFC 3042).
        // Not after a timeout, when nothing new is to leave.
        let beyond = self.send.una() > self.trouble.recover;
        if self.trouble.recovering || self.trouble.duplicates < 2 && beyond {
            let most = if self.trouble.recovering { self.trouble.recover } else { self.send.next() };
            self.send.departed(mss, most);
        }
        if self.trouble.recovering {
            return;
        }
        self.trouble.duplicates = self.trouble.duplicates.saturating_add(1);
        if self.trouble.duplicates == 3 {
            if let Some(flight) = self.send.flight_mut() {
                flight.settle_departed();
            }
            if beyond {
                self.trouble.duplicates = 0;
                self.enter_recovery(now, 0, false);
                self.send.lose_front();
                self.send.departed(3 * mss, self.trouble.recover);
            }
        }
    }

    // ---- with them (RFC 8985) ------------------------------------------------------------------------------------

    /// How many octets the first block reports as a duplicate (RFC 2883 section 4): it lies before the acknowledgment,
    /// or within the second block. Once in a window of data that says that we were too quick (B-RACK-REO).
    fn note_duplicate_report(&mut self, segment: &Segment<'_>, ack: Offset) -> u32 {
        let blocks = segment.options.sack.as_slice();
        let Some(&(start, end)) = blocks.first() else { return 0 };
        let within = |(outer, after): &(Seq, Seq)| start.distance(*outer) >= 0 && end.distance(*after) <= 0;
        let reported = end.distance(segment.ack) <= 0 || blocks.get(1).is_some_and(within);
        if let Some(flight) = self.send.flight_mut().filter(|flight| ack >= flight.dsack_round) {
            flight.dsack_round = Offset::SYN;
        }
        if reported {
            self.ledger.note(|ledger| ledger.traffic.duplicates_reported += 1);
            let next = self.send.next();
            match self.send.flight_mut() {
                // With nothing outstanding the window of data is over at once.
                None => self.rack.was_too_quick(),
                Some(flight) if flight.dsack_round == Offset::SYN => {
                    flight.dsack_round = next;
                    self.rack.was_too_quick();
                }
                Some(_) => {}
            }
        }
        if reported { u32::try_from(end.distance(start)).unwrap_or(0).max(1) } else { 0 }
    }

    fn leave_recovery(&mut self, ack: Offset) {
        if self.trouble.recovering && ack >= self.trouble.recover {
            self.trouble.recovering = false;
            if let Some(flight) = self.send.flight_mut() {
                flight.prr = None;
            }
            self.congestion.on_reduced();
            self.rack.recovered();
        }
    }

    /// RFC 8985 section 6.2, steps 4 and 5, after an acknowledgment of `delivered` octets or when their timer fires;
    /// whether there were any.
    pub(super) fn look_for_losses(&mut self, now: Now<'_>, delivered: u32) -> bool {
        if self.is_asking() {
            return false; // What left before the timeout would all count as lost (RFC 5682 section 3.1).
        }
        let found = self.send.find_losses(now.time, self.reordering_window());
        if found.lost > 0 && !(self.path.is_some() && self.only_probe_lost(now)) {
            self.react_to(now, found, delivered);
        }
        match found.wait {
            Some(wait) => self.timers.arm(Timer::Early, now.time + wait),
            None => self.watch_tail(now),
        }
        found.lost > 0
    }

    /// In a recovery the window is what is in the network and what may leave for what has arrived (B-PRR-ACK).
    fn reduce_evenly(&mut self, delivered: u32, safe: bool) {
        let (in_network, mss) = (self.send.in_network(), self.send.mss());
        let threshold = self.congestion.threshold().unwrap_or(u32::MAX);
        let prr = self.send.flight_mut().and_then(|flight| flight.prr.as_mut());
        if let Some(prr) = prr.filter(|_| delivered > 0) {
            let may = prr.on_ack(delivered, length(in_network), threshold, mss, safe);
            self.congestion.set_window(in_network + u64::from(may));
        }
    }

    pub(super) fn reordering_window(&self) -> Duration {
        let segments = self.send.flight().map_or(0, Flight::sacked_segments);
        self.rack.window(self.rtt.smoothed(), self.trouble.recovering, segments)
    }

    /// One reduction for a window of data, and another where what was sent again is lost again (RFC 5681 section 4.3).
    fn react_to(&mut self, now: Now<'_>, found: Found, delivered: u32) {
        let new_window = !self.trouble.recovering && self.send.una() >= self.trouble.recover;
        if new_window || found.again {
            self.enter_recovery(now, delivered, found.again);
        } else if self.trouble.recovering {
            // What has left the network unheard makes no room: only what arrives does.
            self.congestion.set_window(self.congestion.window().saturating_sub(found.lost.into()));
        }
    }

    /// With selective acknowledgments the window shrinks evenly (B-PRR): at first the front leaves, which has its own
    /// right to, and then what [`Connection::reduce_evenly`] grants. Where what was sent `again` is lost, that is a
    /// congestion of its own.
    fn enter_recovery(&mut self, now: Now<'_>, delivered: u32, again: bool) {
        self.trouble = Trouble { recover: self.send.next(), recovering: true, partial: false, ..self.trouble };
        let in_flight = self.send.flight().map_or(0, |flight| u64::from(flight.size));
        // A loss in the window of a mark that was heeded is the same congestion (RFC 3168 section 6.1.2).
        if again || self.send.una() >= self.ecn.heeded_to() {
            self.reduce(now, in_flight.max(self.send.outstanding()));
        } else if let Some(flight) = self.send.flight_mut() {
            (flight.probe, flight.timeout) = (None, None);
        }
        if !self.sack {
            return; // RFC 6582's window.
        }
        let (outstanding, in_network) = (self.send.outstanding(), self.send.in_network());
        if let Some(flight) = self.send.flight_mut() {
            flight.prr = Some(Prr::new(length(outstanding) - flight.sacked() + delivered));
            self.congestion.set_window(in_network + u64::from(self.send.mss()));
        }
    }

    /// What limited transmit sent beyond the congestion window does not count (B-CC-LOSS).
    fn reduce(&mut self, now: Now<'_>, in_flight: u64) {
        self.congestion.on_loss(in_flight.min(self.congestion.window()));
        self.ecn.reduced();
        if let Some(flight) = self.send.flight_mut() {
            flight.reduced = now.time;
            flight.probe = None;
            flight.timeout = None;
        }
    }

    // ---- the tail (RFC 8985 section 7) ---------------------------------------------------------------------------

    /// Arms the probe timeout where nothing else would notice that the last segments are lost (B-TLP-ARM).
    pub(super) fn watch_tail(&mut self, now: Now<'_>) {
        // While a probe's fate is open there is no other, and the retransmission timer must not be put off.
        let sacked = self.send.flight().is_some_and(|flight| flight.sacked() > 0 || flight.probe.is_some());
        let loss = self.trouble.recovering || self.trouble.tries > 0;
        let watch = self.sack && now.config.loss_probes && self.send.outstanding() > 0 && !sacked && !loss;
        if !watch || self.send.window() == 0 {
            return self.timers.stop(Timer::Early);
        }
        let at = (now.time + self.tail_patience()).min(self.retransmission_deadline(now));
        self.timers.arm(Timer::Early, at);
    }

    /// How long the tail may stay unacknowledged (PTO).
    fn tail_patience(&self) -> Duration {
        let one = self.send.outstanding() <= u64::from(self.send.mss());
        // A peer delays its answer to a lone segment, but not to a FIN.
        let delayed = one && !self.close.is_fin_sent();
        let delay = if delayed { Duration::from_millis(200) } else { Duration::ZERO };
        let smoothed = self.rtt.smoothed();
        // Where round trips are short, a busy host's pauses are longer than two of them.
        let wait = if smoothed.is_zero() { Duration::from_secs(1) } else { smoothed * 2 + delay };
        wait.max(Duration::from_millis(10))
    }

    fn retransmission_deadline(&self, now: Now<'_>) -> crate::Instant {
        let armed = self.timers.deadline(Timer::Retransmit);
        if armed == crate::Instant::NEVER { now.time + self.rtt.rto(now.config) } else { armed }
    }

    /// The early timer fired: something overtaken is late enough, or the tail is to be probed (B-TLP-FIRE).
    pub(super) fn early_due(&mut self, now: Now<'_>) {
        let Some(flight) = self.send.flight() else { return };
        if flight.sacked() > 0 || self.trouble.recovering {
            self.look_for_losses(now, 0);
            // What the timer found is sent again only now, and needs its time (RFC 8985 section 8).
            return self.timers.arm(Timer::Retransmit, now.time + self.rtt.rto(now.config));
        }
        let last = flight.last_sent();
        let due = last + self.tail_patience();
        let rto = self.timers.deadline(Timer::Retransmit);
        if due.min(rto) > now.time {
            // More has left since the timer was armed; it is moved only now.
            return self.timers.arm(Timer::Early, due.min(rto));
        }
        if flight.probe.is_none() && self.rack.measured {
            self.tail_due = true;
            // A probe takes the place of a timeout that would come now, or soon.
            self.timers.arm(Timer::Retransmit, now.time + self.rtt.rto(now.config));
        }
    }

    /// What has become of a probe (B-TLP-ACK).
    fn judge_probe(&mut self, now: Now<'_>, ack: Offset, needless: bool) {
        let Some(flight) = self.send.flight_mut() else { return };
        let Some(probe) = flight.probe.filter(|probe| ack >= probe.end) else { return };
        if !probe.repeats || needless {
            flight.probe = None; // Nothing was lost.
        } else if ack > probe.end {
            // The probe has mended a loss that nobody saw: the path was too full all the same. By now nearly nothing is
            // in flight; what was, before the tail was all that was left, is not known but by the window.
            self.reduce(now, self.congestion.window());
        }
    }
}
