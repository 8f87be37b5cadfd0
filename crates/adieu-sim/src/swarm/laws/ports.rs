//! How long a connection that has ended keeps its addresses and ports, and who may have them meanwhile (1.11, AB-5).

use std::collections::{BTreeMap, VecDeque};

use adieu_core::wire::Flags;
use adieu_core::{Cause, Duration, Ending, Flow, Instant, Order, Phase, Receipt, Released, Seq, State};
use adieu_trace::Side;

use super::super::run::Run;
use super::super::track::is_synchronized;
use super::{ROUNDING, later};
use crate::{Happened, Occurrence, Summary, World};

/// However often a FIN comes again, TIME-WAIT lasts so many stays (3.5).
const LONGEST: u32 = 4;
/// TW-13: a port may be had again after so long without a word.
const QUIET: Duration = Duration::from_secs(1);

/// What keeps a host's ports.
#[derive(Debug, Default)]
pub(in super::super) struct Ports {
    /// Connections that have ended, and of whose ports nothing was heard yet; by flow, oldest first.
    parted: BTreeMap<Flow, VecDeque<Parted>>,
    /// What gave way to others before its time (TW-14).
    evicted: BTreeMap<Flow, Evicted>,
    /// When an exact reset came last in TIME-WAIT.
    reset: BTreeMap<Flow, Instant>,
}

/// What a connection leaves behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stay {
    TimeWait,
    Quarantine,
    /// After an attempt that was given up (EO-2).
    Attempt,
    Nothing,
    /// Of an opening given up without a word: quarantine where one could not leave, nothing where none was due.
    Either,
}

/// A connection that has ended.
#[derive(Clone, Copy, Debug)]
struct Parted {
    /// Which end it was.
    end: usize,
    since: Instant,
    stay: Stay,
    /// RCV.NXT and SND.NXT, where they are known.
    receives: Option<Seq>,
    sends: Option<Seq>,
    /// Its segments had timestamps, and the latest that came.
    stamped: bool,
    latest: Option<u32>,
    /// The last of its peer's FINs: of those that begin the wait anew for certain, and of those that may.
    fin: Instant,
    fin_perhaps: Instant,
    /// When it last said anything.
    spoke: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Evicted {
    stamped: bool,
    began: Instant,
    until: Instant,
}

impl Ports {
    /// Another program is there, with another's clock.
    pub(in super::super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn first(&mut self, flow: &Flow) -> Option<&mut Parted> {
        self.parted.get_mut(flow).and_then(VecDeque::front_mut)
    }

    /// An opening has given its place back to the record that it had hidden: nothing of its own stays (TW-9).
    pub(in super::super) fn give_back(&mut self, flow: &Flow, opening: usize) {
        if let Some(queue) = self.parted.get_mut(flow) {
            queue.retain(|parted| parted.end != opening);
        }
    }

    fn take(&mut self, flow: &Flow) -> Option<Parted> {
        let queue = self.parted.get_mut(flow)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.parted.remove(flow);
        }
        first
    }

    /// A record in quarantine was there before this instant.
    fn has_quarantine(&self, now: Instant) -> bool {
        let aside = |parted: &Parted| matches!(parted.stay, Stay::Quarantine | Stay::Attempt) && parted.since < now;
        self.parted.values().flatten().any(aside)
    }
}

/// What an ending leaves.
fn stay_after(receipt: &Receipt, sent_syn: bool) -> Stay {
    match receipt.ending {
        // Nothing of it has ever left.
        _ if !sent_syn => Stay::Nothing,
        Ending::Graceful { order: Order::LocalFirst | Order::Simultaneous } => Stay::TimeWait,
        // What has lost its address, or its device, keeps nothing (3.35).
        Ending::Aborted { cause: Cause::AddressRemoved | Cause::InterfaceRemoved, .. } => Stay::Nothing,
        Ending::Aborted { state, .. } if is_synchronized(state) => Stay::Quarantine,
        Ending::Aborted { state: State::SynReceived, .. } if receipt.reset_sent => Stay::Quarantine,
        Ending::Aborted { state: State::SynReceived, .. } => Stay::Either,
        Ending::TimedOut { phase, .. } if phase != Phase::Connect => Stay::Quarantine,
        Ending::Cancelled { .. } => Stay::Attempt,
        _ => Stay::Nothing,
    }
}

impl Run {
    /// A connection has ended, and this is its receipt.
    pub(super) fn part(&mut self, now: Instant, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let opening = matches!(receipt.ending.state(), State::SynSent | State::SynReceived);
        let ports = &mut self.ports[end.side as usize];
        // An opening that comes to nothing gives its place back to the record that it has hidden (TW-9).
        if opening && (end.gone && end.active || ports.parted.contains_key(&end.flow)) {
            return;
        }
        let stay = stay_after(receipt, end.iss.is_some());
        let count = |bytes: u64| u32::try_from(bytes & u64::from(u32::MAX)).unwrap_or(0);
        ports.parted.entry(end.flow).or_default().push_back(Parted {
            end: at,
            since: now,
            stay,
            receives: end.irs.map(|irs| irs + 2 + count(receipt.received)),
            sends: end.iss.map(|iss| iss + 2 + count(receipt.sent)),
            stamped: end.stamped,
            latest: end.latest,
            fin: now,
            fin_perhaps: now,
            spoke: now,
        });
    }

    /// What is said to a connection that has ended, and what it says.
    pub(super) fn note_ports(&mut self, happened: &Happened) {
        let Happened { at, side, flow, .. } = *happened;
        match &happened.what {
            Occurrence::Sent { segment, state, .. } => {
                if let Some(parted) = self.ports[side as usize].first(&flow).filter(|_| *state == State::TimeWait) {
                    parted.spoke = at;
                } else if let Some(end) = self.at_hand.filter(|_| !segment.has(Flags::RST)) {
                    self.ends.get_mut(end).stamped = segment.timestamps.is_some();
                }
            }
            Occurrence::Delivered { segment, before, .. } => {
                if let (Some(end), Some(stamp)) = (self.at_hand, segment.timestamps) {
                    let latest = &mut self.ends.get_mut(end).latest;
                    *latest = Some(latest.map_or(stamp.value, |known| later(known, stamp.value)));
                }
                if before.state == State::TimeWait {
                    self.hear_in_time_wait(at, side, flow, segment, before.recv_next);
                }
            }
            _ => {}
        }
    }

    /// TW-3: which FIN begins the wait anew.
    fn hear_in_time_wait(&mut self, now: Instant, side: Side, flow: Flow, segment: &Summary, receives: Option<Seq>) {
        let config = &self.plan.config[side as usize];
        let wait = config.time_wait(Duration::ZERO);
        if segment.has(Flags::RST) && Some(segment.seq) == receives {
            self.ports[side as usize].reset.insert(flow, now);
        }
        let Some(parted) = self.ports[side as usize].first(&flow).filter(|parted| parted.stay == Stay::TimeWait) else {
            return;
        };
        let known = parted.receives.zip(receives).is_none_or(|(ours, theirs)| ours == theirs);
        assert!(known, "FB-3: TIME-WAIT begins elsewhere than after the FIN: {receives:?} {parted:#?}");
        let stamp = segment.timestamps.map(|stamp| stamp.value);
        let latest = parted.latest;
        parted.latest = stamp.map(|stamp| latest.map_or(stamp, |latest| later(latest, stamp))).or(latest);
        let fin = segment.has(Flags::FIN) && !segment.has(Flags::RST) && !segment.has(Flags::SYN);
        if !fin || Some(segment.end()) != receives {
            return;
        }
        parted.fin_perhaps = now;
        let fresh = match (parted.stamped, stamp, latest) {
            (false, _, _) => true,
            (true, Some(stamp), Some(latest)) => later(latest, stamp) == stamp,
            (true, _, _) => false,
        };
        // Beyond the cap nothing begins anew.
        let capped = now + wait + ROUNDING > parted.since + wait * LONGEST;
        if fresh && segment.ack.is_some() && segment.ack == parted.sends && !capped {
            parted.fin = now;
        }
    }

    /// The last word about a connection's addresses and ports.
    pub(in super::super) fn check_release(&mut self, now: Instant, side: Side, flow: Flow, how: Released) {
        let n = side as usize;
        // One that gave its place back to a record has none to give back (TW-9).
        let Some(parted) = self.ports[n].take(&flow) else { return };
        if self.forgot[n] {
            return; // Its records went with its address, or its device.
        }
        let end = self.ends.get(parted.end);
        let of = || format!("{flow} is released {how:?} at {now:?}: {parted:#?} {end:#?}");
        let config = &self.plan.config[n];
        match how {
            Released::Immediately => {
                let reset = config.reset_ends_time_wait && self.ports[n].reset.get(&flow) == Some(&now);
                let kept = parted.stay == Stay::TimeWait && !reset;
                assert!(!kept, "TW-1, TO-10: {}", of());
                let aside = matches!(parted.stay, Stay::Quarantine);
                assert!(!aside, "AB-5: {}", of());
                assert!(parted.stay != Stay::Attempt, "EO-2: {}", of());
            }
            Released::TimeWaitExpired => {
                assert!(parted.stay == Stay::TimeWait, "TW-1: {}", of());
                self.check_time_wait(now, n, &parted, &of);
            }
            Released::QuarantineExpired => {
                let stay = match parted.stay {
                    Stay::Quarantine => config.time_wait(Duration::ZERO),
                    Stay::Attempt => config.initial_rto,
                    Stay::Either => config.time_wait(Duration::ZERO),
                    Stay::TimeWait | Stay::Nothing => panic!("AB-5: {}", of()),
                };
                let lasted = now.since(parted.since);
                let right = lasted >= stay && lasted <= stay + ROUNDING;
                assert!(right || self.tampers(), "AB-5, EO-2: {stay:?}: {}", of());
            }
            Released::ReusedByPeer | Released::ReusedByUs => {
                let heir = self.ends.youngest(side, &flow).filter(|heir| *heir > parted.end);
                let ours = heir.is_some_and(|heir| self.ends.get(heir).active);
                let right = heir.is_some() && ours == (how == Released::ReusedByUs);
                assert!(right || config.syn_cookies, "TW-8, TW-13: {}", of());
            }
            Released::Evicted => self.check_eviction(now, n, &parted, &of),
        }
        if how == Released::Evicted {
            self.remember(n, flow, &parted);
        }
    }

    /// TW-2, TW-3, L4: to the millisecond.
    fn check_time_wait(&self, now: Instant, n: usize, parted: &Parted, of: &dyn Fn() -> String) {
        let config = &self.plan.config[n];
        if self.tampers() {
            return;
        }
        let stays = [Duration::ZERO, config.max_rto].map(|rto| config.time_wait(rto));
        let lasted = now.since(parted.since);
        assert!(lasted >= stays[0], "TW-2, TO-10: less than {:?}: {}", stays[0], of());
        let whole = |stay: Duration| now >= parted.fin + stay;
        assert!(stays.into_iter().any(whole), "TW-3: less than {stays:?} after the last FIN: {}", of());
        let prompt = |stay: Duration| whole(stay) && now <= parted.fin_perhaps + stay + ROUNDING;
        assert!(stays.into_iter().any(prompt), "L4, TW-4: not {stays:?} after the last FIN: {}", of());
        let capped = |stay: Duration| lasted <= stay * LONGEST + ROUNDING;
        assert!(stays.into_iter().any(capped), "L4: beyond the cap: {}", of());
    }

    /// TW-14: who gives way, why, and what stays.
    fn check_eviction(&self, now: Instant, n: usize, parted: &Parted, of: &dyn Fn() -> String) {
        let config = &self.plan.config[n];
        let scarce = config.time_wait_budget < 1 << 20 || self.squeezed[n];
        assert!(scarce, "TW-14: evicted where there is room: {}", of());
        let spared = parted.stay == Stay::TimeWait && self.ports[n].has_quarantine(now);
        assert!(!spared, "TW-14: TIME-WAIT before quarantine: {}", of());
    }

    /// TW-14: a stone stands for it until its wait would have been over.
    fn remember(&mut self, n: usize, flow: Flow, parted: &Parted) {
        let config = &self.plan.config[n];
        // A stone for each, however they fall into its tables; none while a host had hardly any memory.
        if config.tombstone_budget >= 1 << 20 && !self.squeezed[n] && !self.tampers() {
            let Parted { stamped, since, fin, .. } = *parted;
            let stay = if parted.stay == Stay::Attempt { config.initial_rto } else { config.time_wait(Duration::ZERO) };
            self.ports[n].evicted.insert(flow, Evicted { stamped, began: since, until: fin + stay });
        }
    }

    /// INV-23: a connection of ours has begun, and these were another's before.
    pub(in super::super) fn check_ports(&mut self, world: &mut World, side: Side, flow: Flow) {
        let (now, n) = (world.now(), side as usize);
        let stamping = world.host(side).stack.config().timestamps;
        if self.tampers() || self.forgot[n] {
            return;
        }
        // Where a later connection has its record by now, that is what counts: it began beyond what was evicted.
        let later = self.ports[n].first(&flow).is_some_and(|parted| parted.stay == Stay::TimeWait);
        let evicted = self.ports[n].evicted.remove(&flow).filter(|_| !later);
        if let Some(evicted) = evicted.filter(|evicted| now < evicted.until) {
            let quiet = now + ROUNDING >= evicted.began + QUIET;
            let may = stamping && evicted.stamped && quiet;
            assert!(may, "TW-14, INV-23: {flow} at {now:?}, and nothing was left of {evicted:?}");
        }
        let Some(parted) =
            self.ports[n].first(&flow).filter(|parted| !matches!(parted.stay, Stay::Nothing | Stay::Either))
        else {
            return;
        };
        let quiet = now + ROUNDING >= parted.since.max(parted.spoke) + QUIET;
        assert!(stamping && parted.stamped && quiet, "TW-13, INV-23: {flow} at {now:?}: {parted:#?}");
    }
}
