//! No number beyond the peer's window but a probe's (ZW-3), and a FIN that does not wait for what it need not (FS-2).

use adieu_core::wire::Flags;
use adieu_core::{Ecn, Instant, Seq, State};

use super::super::run::Run;
use crate::Summary;

impl Run {
    /// What a segment that came allows to send.
    pub(super) fn learn_window(&mut self, end: usize, segment: &Summary) {
        let it = self.ends.get(end);
        let Some(iss) = it.iss else { return };
        let theirs = self.ends.peer(end).map(|peer| self.ends.get(peer).sent);
        let scaled = it.sent.scaled && !segment.has(Flags::SYN);
        let shift = theirs.filter(|_| scaled).and_then(|theirs| theirs.shift).unwrap_or(0).min(14);
        let acked = segment.ack.map_or(1, |ack| u64::from(ack.0.wrapping_sub(iss.0)));
        let edge = acked + (u64::from(segment.window) << shift);
        let trail = self.trail_mut(end);
        // What acknowledges nothing that has left was forged, or is of another connection.
        let known = segment.ack.is_none_or(|ack| trail.next.is_some_and(|next| ack.distance(next) <= 0));
        if known && acked < 1 << 31 {
            trail.edge = trail.edge.max(edge);
            let ack = segment.ack.unwrap_or(iss);
            let later = |(seq, told): (Seq, Seq)| {
                let (newer, more) = (segment.seq.distance(seq), ack.distance(told));
                more > 0 || newer > 0 || newer == 0 && more == 0
            };
            if trail.told.is_none_or(later) {
                (trail.last_edge, trail.told) = (edge, Some((segment.seq, ack)));
            }
        }
    }

    /// A segment leaves.
    pub(super) fn judge_window(&mut self, at: Instant, end: usize, segment: &Summary, state: State) {
        let (it, trail) = (self.ends.get(end), self.trail(end));
        let (Some(iss), Some(next)) = (it.iss, trail.next) else { return };
        let takes = segment.len > 0 || segment.has(Flags::FIN);
        let peer = self.ends.peer(end).map(|peer| self.ends.get(peer));
        // Whether a cookie that came back meant scaling, its own SYN-ACK knew.
        let known = peer.is_some_and(|peer| peer.sent.scaled == it.sent.scaled) && trail.edge > 0;
        let first = segment.end().distance(next) > 0;
        if !takes || segment.has(Flags::SYN) || !known || !first {
            return;
        }
        let last = u64::from(segment.end().0.wrapping_sub(iss.0));
        let of = || format!("{segment:?} {state} at {at:?}: {it:#?} {trail:#?}");
        assert!(last <= trail.edge + 1, "ZW-3: beyond the window: {}", of());
        if segment.has(Flags::FIN) && last == trail.edge + 1 && !self.tampers() {
            let patience = self.plan.config[it.side as usize].min_rto;
            // After an echo the timer may run already when the FIN is asked for (B-ECN).
            let marked = self.plan.config.iter().all(|config| config.ecn != Ecn::Off);
            let since = if marked { trail.acked_at } else { it.app.worked.max(trail.acked_at) };
            assert!(at >= since + patience, "ZW-3, FS-3: a FIN beyond the window that is no probe: {}", of());
        }
        let shut = matches!(state, State::FinWait1 | State::Closing | State::LastAck);
        let all = segment.len > 0 && last == it.app.written + 1;
        // Which of several acknowledgments that overtake each other has the window that counts is WL1's matter.
        let orderly = self.plan.incidents.is_empty() && self.plan.wire.reordering + self.plan.wire.duplication == 0;
        let room = orderly && last < trail.edge && trail.edge == trail.last_edge;
        assert!(!(shut && all && room) || segment.has(Flags::FIN), "FS-2, L7: the last data without its FIN: {}", of());
    }
}
