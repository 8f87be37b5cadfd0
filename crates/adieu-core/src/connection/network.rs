//! What the network says about a connection: ICMP errors, validated (X-ICMP), and the width of the path (X-PMTU).

use alloc::boxed::Box;
use core::ops::Range;

use super::stamps::Stamps;
use super::{Connection, Events, Now};
use crate::seq::{Offset, Seq};
use crate::time::Instant;
use crate::wire::options::TIMESTAMPS_SIZE;

/// A path that carries less than the interface.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Path {
    /// Payload of a full segment when nothing was in the way.
    pub(super) whole: u16,
    /// When to try that again.
    pub(super) until: Instant,
    /// So narrow that packets may be cut on the way (IPv4 below 576 octets).
    pub(crate) fragment: bool,
    /// The largest payload that may still pass (search_high of RFC 4821); search_low is what is sent.
    pub(super) high: u16,
    /// It has not been tried itself.
    pub(super) untried: bool,
    /// What passed before the last raise; 0 before the first.
    pub(super) proven: u16,
    /// The probe that is under way.
    pub(super) probe: Option<Range<Offset>>,
    /// No probe before.
    pub(super) next: Instant,
}

impl Path {
    /// One that is narrower than `whole`, and was never searched.
    pub(super) fn narrowed(now: Now<'_>, whole: u16, fragment: bool) -> Box<Self> {
        let until = now.time + now.config.path_search_again();
        Box::new(Self { whole, until, fragment, high: 0, untried: false, proven: 0, probe: None, next: now.time })
    }
}

/// What an ICMP error means to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Report {
    /// The peer could not be reached.
    Unreachable,
    /// A packet was too large: a TCP segment of at most `segment` octets passes, header and options aside.
    TooBig { segment: u16, fragment: bool },
}

/// Smallest payload we cut a stream into, however narrow a path is said to be (limit 3.19).
const SMALLEST: u16 = 8;

impl Connection {
    /// An ICMP error with the number it quotes. Only one of a segment in flight is believed, and none ends an
    /// established connection (RFC 5461 section 2, RFC 5927). Whether it was believed.
    pub(crate) fn handle_icmp(&mut self, now: Now<'_>, seq: Seq, report: Report, icmp: (u8, u8)) -> bool {
        let distance = seq.distance(self.send.una().on_wire(self.send.iss()));
        let ours = self.ended.is_none() && u64::try_from(distance).is_ok_and(|at| at < self.send.outstanding());
        if !ours {
            return false;
        }
        self.ledger.note(|ledger| ledger.icmp = Some(icmp));
        match report {
            Report::Unreachable => {
                self.trouble.unreachable = true;
                self.report_trouble();
            }
            Report::TooBig { segment, fragment } => self.narrow(now, segment, fragment),
        }
        self.settle(now, self.state());
        true
    }

    /// Tells the application that something is wrong, if it wants to know (MUST-47, SHLD-20, SHLD-25).
    pub(super) fn report_trouble(&mut self) {
        if self.settings().report_trouble {
            self.events.add(Events::TROUBLE);
        }
    }

    /// The path takes only segments of `segment` octets: what is larger goes out again, smaller, at once. Such a report
    /// never widens a path.
    fn narrow(&mut self, now: Now<'_>, segment: u16, fragment: bool) {
        let mss = segment.saturating_sub(self.option_size()).max(SMALLEST);
        let before = self.send.mss();
        let known = self.path.as_ref().is_some_and(|path| path.fragment);
        if mss >= before && (!fragment || known) {
            return self.probe_refused(mss);
        }
        let whole = self.path.as_ref().map_or(before, |path| path.whole);
        self.path = Some(Path::narrowed(now, whole, fragment));
        self.settle_for(mss.min(before), fragment);
    }

    /// Segments of `mss` octets from now on; what is in flight and larger is lost.
    pub(super) fn settle_for(&mut self, mss: u16, fragment: bool) {
        self.set_mss(mss);
        if let Some(flight) = self.send.flight_mut() {
            // What may be cut from now on was dropped whole, whatever its size.
            flight.lose_large(if fragment { 0 } else { mss });
        }
    }

    /// After some time a narrow path may be wider again (RFC 8201 section 4): that is tried with a probe, where it can
    /// be, and else with all that is sent.
    pub(super) fn try_wider(&mut self, now: Now<'_>) {
        if self.searches(now.config) {
            if let Some(path) = self.path.as_mut().filter(|path| path.until <= now.time) {
                (path.high, path.untried) = (path.whole, true);
                path.until = now.time + now.config.path_search_again();
            }
            return;
        }
        if let Some(path) = self.path.take_if(|path| path.until <= now.time) {
            self.set_mss(path.whole);
            self.set_timers(now); // What was a useful window may be none for larger segments.
        }
    }

    pub(super) fn set_mss(&mut self, mss: u16) {
        self.send.set_mss(mss);
        self.congestion.on_narrow_path(mss);
    }

    /// Octets of the options that every segment carries.
    pub(super) fn option_size(&self) -> u16 {
        option_size(self.stamps.as_ref())
    }
}

/// Octets of the options that every segment of a connection with these timestamps carries.
pub(super) fn option_size(stamps: Option<&Stamps>) -> u16 {
    stamps.map_or(0, |_| TIMESTAMPS_SIZE as u16)
}
