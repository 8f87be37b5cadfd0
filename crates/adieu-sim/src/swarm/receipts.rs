//! What a receipt may say, given what its application and its host have done.

use adieu_core::{Cause, Duration, Ending, Limit, Order, Receipt, State};

use super::ends::End;
use super::run::Run;

impl Run {
    /// The states a receipt names follow each other in the diagram (1.2), and end where the ending says.
    pub(super) fn check_path(&self, receipt: &Receipt, of: &dyn Fn() -> String) {
        use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent, TimeWait};
        let path: Vec<State> = receipt.spent.iter().map(|(state, _)| state).collect();
        let step = |pair: &[State]| {
            matches!(
                (pair[0], pair[1]),
                (SynSent, SynReceived | Established)
                    | (SynReceived, Established)
                    // CLOSE-WAIT without a stay in ESTABLISHED is one segment's doing (FI-4).
                    | (Established, FinWait1 | CloseWait | LastAck | FinWait2 | Closing)
                    | (FinWait1, FinWait2 | Closing)
                    | (CloseWait, LastAck)
                    | (Established | FinWait1 | FinWait2 | Closing, TimeWait)
            )
        };
        let last = path.last().copied();
        let ends = match receipt.ending {
            Ending::Graceful { order: Order::PeerFirst } => last == Some(LastAck),
            Ending::Graceful { order: Order::Simultaneous } => path.ends_with(&[Closing, TimeWait]),
            Ending::Graceful { order: Order::LocalFirst } => last == Some(TimeWait) && !path.contains(&Closing),
            Ending::Unreachable { .. } => last == Some(SynSent) || last == Some(SynReceived),
            ending => last == Some(ending.state()),
        };
        let total: Duration = receipt.spent.iter().map(|(_, stay)| stay).sum();
        let legal = path.windows(2).all(step) && ends && total == receipt.spent.total();
        assert!(legal, "1.2: {}", of());
    }

    /// An ending has a reason that can be seen from outside (1.15).
    pub(super) fn check_cause(&self, end: &End, peer: Option<&End>, receipt: &Receipt, of: &dyn Fn() -> String) {
        let app = &end.app;
        let peer_shut = peer.is_some_and(|peer| peer.app.shut);
        let written = peer.map_or(0, |peer| peer.app.written);
        match receipt.ending {
            Ending::Graceful { .. } => {
                assert!(app.shut && peer_shut && !app.aborted, "INV-5: {}", of());
                let complete = receipt.received == written && receipt.acknowledged == receipt.sent;
                assert!(complete && receipt.fin_acknowledged && receipt.fin_received, "INV-5: {}", of());
            }
            Ending::Aborted { cause, state } => self.check_abort(end, written, receipt, (cause, state), of),
            Ending::Cancelled { .. } => {
                assert!(end.active && (app.shut || app.aborted || app.impatient || app.host_failed), "CL-3: {}", of());
            }
            Ending::TimedOut { phase, .. } => {
                let orphan = Self::is_orphans(phase);
                assert!(!orphan || app.closed.is_some() || app.deaf, "TO-8, ZW-4: {}", of());
            }
            Ending::Refused { .. } => assert!(end.active && receipt.sent + receipt.received == 0, "RA-2: {}", of()),
            Ending::ResetByPeer { .. } => {}
            Ending::Unreachable { .. } => {
                assert!(end.active && self.told[end.side as usize], "EO-7: nothing here says so: {}", of());
            }
        }
        let given_up = matches!(receipt.ending, Ending::Aborted { .. } | Ending::Cancelled { .. });
        assert!(!app.aborted || given_up, "AB-1: {}", of());
    }

    fn check_abort(
        &self,
        end: &End,
        written: u64,
        receipt: &Receipt,
        (cause, state): (Cause, State),
        of: &dyn Fn() -> String,
    ) {
        let app = &end.app;
        let config = &self.plan.config[end.side as usize];
        let settings = self.plan.talks[end.talk].settings[end.side as usize];
        let closed = app.closed.is_some() || app.deaf && app.shut;
        let squeezed = self.squeezed[end.side as usize];
        let legal = match cause {
            Cause::AbortCall => app.aborted,
            Cause::CloseWithUnread | Cause::HandleDroppedWithUnread => {
                closed && (receipt.unread > 0 || receipt.discarded > 0 || written > app.read)
            }
            Cause::DataAfterClose => (closed || app.deaf) && written > receipt.received && receipt.unread == 0,
            Cause::ListenerClosed => !app.known,
            // 3.12: an orphan that still moves has ten minutes, or what its host allows.
            Cause::OrphanLimit => {
                let limited = config.max_orphans < 1 << 10
                    || config.orphan_bytes < 1 << 20
                    || squeezed
                    || config.fin_wait_2_budget < 1 << 20;
                closed && (limited || receipt.spent.total() >= config.orphan_time)
            }
            Cause::LingerZero => app.zero_linger && closed,
            Cause::LingerExpired => app.impatient,
            Cause::MemoryPressure => squeezed || config.memory < 1 << 24,
            Cause::PolicyLimit(Limit::DrainBytes | Limit::DrainTime) => app.drains && closed,
            Cause::PolicyLimit(Limit::HalfCloseIdle) => settings.half_close_idle.is_some(),
            Cause::PolicyLimit(Limit::HalfCloseTotal) => settings.half_close_total.is_some(),
            Cause::StackShutdown | Cause::AddressRemoved | Cause::InterfaceRemoved => app.host_failed,
        };
        assert!(legal, "UD-1, UD-4, CL-13: {}", of());
        let early = matches!(state, State::SynSent) && !app.host_failed && !app.zero_linger && !app.impatient;
        let over = matches!(state, State::TimeWait | State::Closed | State::Listen) || early;
        assert!(!over, "AB-1, AB-4: {}", of());
    }
}
