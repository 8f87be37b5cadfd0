//! What must hold of every segment that leaves, whatever was lost before (INV-9, INV-10).

use adieu_core::wire::Flags;
use adieu_core::{Flow, State};
use adieu_trace::Side;

use super::run::Run;
use crate::Summary;

impl Run {
    /// A segment leaves, and belongs to the youngest with its flow, unless nothing is there any more.
    pub(super) fn check_sent(&mut self, side: Side, flow: Flow, segment: &Summary, state: State) {
        let Some(at) = self.ends.youngest(side, &flow) else { return };
        let end = self.ends.get(at);
        let (Some(iss), Some(irs)) = (end.iss, end.irs) else { return };
        let live = !matches!(state, State::Closed | State::Listen) && !end.is_over();
        if !live || segment.has(Flags::RST) || segment.has(Flags::SYN) {
            return;
        }
        let (written, shut) = (end.app.written, end.app.shut || end.app.program.deeds.is_empty());
        let before = end.sent;
        let of = || format!("{segment:?} {end:#?}");
        // A keepalive before any data has the SYN's number.
        let first = i64::from(segment.seq.distance(iss + 1));
        let last = u32::try_from(first + i64::from(segment.len)).unwrap_or(0);
        assert!(first >= -1 && u64::from(last) <= written + 1, "INV-9: beyond what was written: {}", of());
        if segment.len > 0 {
            assert!(u64::from(last) <= written, "INV-9: data that nobody wrote: {}", of());
        }
        let mut sent = before;
        if segment.has(Flags::FIN) {
            assert!(shut && u64::from(last) == written, "INV-9: a FIN elsewhere than after the last byte: {}", of());
            assert_eq!(*sent.fin.get_or_insert(last), last, "INV-9: the FIN has moved: {}", of());
        }
        let beyond = |fin: u32| last > fin + u32::from(segment.len == 0);
        assert!(!before.fin.is_some_and(beyond), "INV-9: beyond the FIN: {}", of());
        if let Some(ack) = segment.ack {
            let acked = ack.0.wrapping_sub(irs.0);
            assert!(acked >= before.acked, "INV-10: RCV.NXT has gone back: {}", of());
            let unit = if before.scaled { before.shift.unwrap_or(0) } else { 0 };
            let edge = u64::from(acked) + (u64::from(segment.window) << unit);
            // RFC 7323 section 2.4: by less than the unit of its field.
            assert!(edge + (1 << unit) > before.edge, "INV-10: the window's edge has gone back: {}", of());
            (sent.acked, sent.edge) = (acked, edge.max(before.edge));
            let peer = self.ends.peer(at).map(|peer| self.ends.get(peer).app.written);
            let most = peer.map_or(u64::MAX, |written| written + 2);
            assert!(u64::from(acked) <= most, "INV-4: an acknowledgment of what was not sent: {}", of());
        }
        self.ends.get_mut(at).sent = sent;
    }
}
