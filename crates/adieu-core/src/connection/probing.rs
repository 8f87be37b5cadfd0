//! Finding out what a path carries without being told (RFC 4821; X-PLPMTU). Every connection begins with what the
//! interface and the peer take. Where less passes, by word of a router or by silence, the way up again is tried with
//! single segments of real data: one that is lost alone costs a resend and nothing else.

use core::ops::Range;

use super::flight::Flight;
use super::network::Path;
use super::{Connection, Now};
use crate::config::Config;
use crate::seq::Offset;
use crate::time::Duration;

/// Where the search ends: it is not worth a probe to gain less payload than this.
const CLOSE: u16 = 8;
/// Full segments that must follow a probe, so that its loss shows without a timeout (RFC 4821 section 7.4).
const FOLLOWERS: u64 = 3;
/// IP packets to fall back to where large ones vanish in silence: RFC 4821's search_low, then what every IPv4 host can
/// put together from pieces; and what every IPv6 link carries.
const FALLBACK_V4: [u16; 2] = [1024, 576];
const FALLBACK_V6: u16 = 1280;
const HEADERS_V6: u16 = 60;

impl Path {
    /// The payload to try next, beyond the `mss` that passes: the largest first, then halfway.
    fn candidate(&self, mss: u16) -> Option<u16> {
        let gap = self.high.checked_sub(mss).filter(|gap| *gap >= CLOSE)?;
        Some(if self.untried { self.high } else { mss + gap.div_ceil(2) })
    }

    /// Nothing of this size passes, or that is what it looks like.
    fn fails(&mut self, size: u16) {
        (self.high, self.untried) = (size - 1, false);
    }
}

impl Connection {
    /// Whether the path is searched with probes. Without selective acknowledgments a lone loss cannot be told.
    pub(super) fn searches(&self, config: &Config) -> bool {
        config.path_probes && self.sack && self.path.is_some()
    }

    /// The range of a probe that is to leave now: only of new data that others follow, while nothing is lost, and never
    /// behind a close, when nothing is gained any more (RFC 4821 sections 6.2 and 7.4).
    pub(super) fn path_probe(&self, now: Now<'_>) -> Option<Range<Offset>> {
        let path = self.path.as_ref().filter(|path| path.probe.is_none() && path.next <= now.time)?;
        let size = path.candidate(self.send.mss())?;
        let quiet = self.trouble.tries == 0 && self.trouble.duplicates == 0 && !self.trouble.recovering;
        let whole = |flight: &Flight| flight.lost() == 0 && flight.sacked() == 0;
        let calm = quiet && self.send.flight().is_none_or(whole) && !self.recv.has_blocks() && !self.is_held();
        let open = self.send.fin() == Offset::NONE && !self.send.is_urgent();
        if !(calm && open && self.searches(now.config)) {
            return None;
        }
        let need = u64::from(size) + FOLLOWERS * u64::from(self.send.mss());
        let room = self.congestion.window().saturating_sub(self.send.in_network());
        let start = self.send.next();
        (self.send.unsent().min(room).min(self.send.window_left()) >= need).then(|| start..start + u64::from(size))
    }

    /// An acknowledgment has come: a probe below it has passed, and so does all of its size. The congestion window
    /// stays what it is in octets.
    pub(super) fn judge_path_probe(&mut self, now: Now<'_>) {
        let (una, before) = (self.send.una(), self.send.mss());
        let Some(path) = self.path.as_mut() else { return };
        let Some(probe) = path.probe.take_if(|probe| probe.end <= una) else { return };
        let size = size_of(&probe);
        (path.proven, path.fragment) = (before, false);
        if size >= path.whole {
            self.path = None;
        } else if path.candidate(size).is_none() {
            path.until = now.time + now.config.path_search_again();
        }
        self.set_mss(size);
        self.set_timers(now); // What was a useful window may be none for larger segments.
    }

    /// Losses were found: whether it is the probe alone, which says nothing of congestion (RFC 4821 section 7.6.1).
    pub(super) fn only_probe_lost(&mut self, now: Now<'_>) -> bool {
        let pause = self.search_pause();
        let Some((path, flight)) = self.path.as_mut().zip(self.send.flight()) else { return false };
        let Some(probe) = path.probe.clone() else { return false };
        let alone = flight.lost_alone(&probe) && !self.trouble.recovering;
        if alone {
            path.fails(size_of(&probe));
        }
        // Where others are lost, too, it was not its size, or not only that: the same one again, later.
        if alone || flight.has_lost(&probe) {
            path.probe = None;
            path.next = now.time + pause;
        }
        alone
    }

    /// A router says that the probe was too large and what would have passed.
    pub(super) fn probe_refused(&mut self, mss: u16) {
        let Some(path) = self.path.as_mut() else { return };
        let Some(probe) = path.probe.take_if(|probe| mss < size_of(probe)) else { return };
        (path.high, path.untried) = (mss, true);
        if let Some(flight) = self.send.flight_mut() {
            flight.lose(&probe);
        }
    }

    /// The retransmission timer has fired. A probe that went with it has failed; and where full segments vanish again
    /// and again, without a word of a router's, it may be their size (RFC 4821 sections 7.6.2, 7.7 and 7.8).
    pub(super) fn doubt_path(&mut self, now: Now<'_>, r1: u8) {
        let (una, pause) = (self.send.una(), self.search_pause());
        if let Some(path) = self.path.as_mut()
            && let Some(probe) = path.probe.take()
        {
            if probe.start == una {
                path.fails(size_of(&probe));
            }
            path.next = now.time + pause * 5;
            if let Some(flight) = self.send.flight_mut() {
                flight.lose(&probe);
            }
        }
        let mss = self.send.mss();
        let front = self.send.unacknowledged_data().min(u64::from(mss));
        if self.trouble.unreachable || !now.config.path_probes {
            return;
        }
        let proven = self.path.as_ref().map_or(0, |path| path.proven);
        if self.trouble.tries == r1 - 1 && proven > 0 && front > u64::from(proven) {
            // What a lone probe has shown, a flight of its size does not bear out.
            self.shrink(now, proven, false);
            if let Some(path) = self.path.as_mut() {
                path.fails(mss);
            }
        } else if self.trouble.tries >= r1
            && let Some((packet, fragment)) = self.fallback()
        {
            let segment = packet - self.send.headers() - self.option_size();
            if front > u64::from(segment) {
                self.shrink(now, segment, fragment);
            }
        }
    }

    /// The packet to fall back to from the present one, and whether it may be cut on its way.
    fn fallback(&self) -> Option<(u16, bool)> {
        let packet = self.packet_size(self.send.headers());
        if self.send.headers() == HEADERS_V6 {
            return (packet > FALLBACK_V6).then_some((FALLBACK_V6, false));
        }
        let cut = self.path.as_ref().is_some_and(|path| path.fragment);
        let [first, last] = FALLBACK_V4;
        if packet > first { Some((first, false)) } else { (packet >= last && !cut).then_some((last, true)) }
    }

    /// The path seems to carry only this: it is searched again from there.
    fn shrink(&mut self, now: Now<'_>, mss: u16, fragment: bool) {
        let (whole, pause) = (self.path.as_ref().map_or(self.send.mss(), |path| path.whole), self.search_pause());
        let path = Path::narrowed(now, whole, fragment);
        self.path = Some(path);
        self.settle_for(mss, fragment);
        if let Some(path) = self.path.as_mut() {
            (path.high, path.untried, path.next) = (whole, true, now.time + pause * 5);
        }
    }

    /// Segments of `mss` octets had arrived all the while: what made the path suspect was time, not their size.
    pub(super) fn trust_path(&mut self, mss: u16) {
        let doubted = self.path.as_ref().filter(|path| path.untried && path.high == path.whole);
        let Some(whole) = doubted.map(|path| path.whole).filter(|_| mss > self.send.mss()) else { return };
        if whole <= mss {
            self.path = None;
        }
        self.set_mss(mss);
    }

    /// Between two probes: as many round trips as there are segments in a window, so that probes are rare among the
    /// losses that congestion control allows (RFC 4821 section 7.6.1).
    fn search_pause(&self) -> Duration {
        let segments = self.congestion.window() / u64::from(self.send.mss());
        let round_trip = self.rtt.smoothed().max(Duration::from_millis(10));
        round_trip * u32::try_from(segments.clamp(1, 1000)).unwrap_or(1)
    }
}

fn size_of(probe: &Range<Offset>) -> u16 {
    u16::try_from(probe.end.since(probe.start)).unwrap_or(u16::MAX)
}
