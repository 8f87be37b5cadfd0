//! How long an end waits before it gives up: not less than it must, and not more than it may (1.8, 1.9, OR-1, OR-2).

use adieu_core::{Cause, Config, Duration, Ending, Instant, Limit, Phase, Receipt, State};

use super::super::ends::End;
use super::super::run::Run;
use super::ROUNDING;

/// OR-2, ZW-5: so long an orphan is kept at least, and about so long where a window is closed.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);

/// A promise about the time of an ending.
struct Ended<'a> {
    at: Instant,
    end: &'a End,
    receipt: &'a Receipt,
    config: &'a Config,
}

impl Ended<'_> {
    fn not_before(&self, bound: Instant, law: &str) {
        assert!(self.at + ROUNDING >= bound, "{law}: not before {bound:?}: {:#?}", self.end);
    }

    fn not_after(&self, bound: Instant, law: &str) {
        assert!(self.at <= bound + ROUNDING, "{law}: not after {bound:?}: {:#?}", self.end);
    }

    /// When it was established.
    fn established(&self) -> Instant {
        let opening = |state: &State| matches!(state, State::SynSent | State::SynReceived);
        let stays = self.receipt.spent.iter().filter(|(state, _)| opening(state));
        self.receipt.spent.began() + stays.map(|(_, stay)| stay).sum::<Duration>()
    }

    /// When one direction was closed.
    fn half_closed(&self) -> Option<Instant> {
        use State::{Established, SynReceived, SynSent};
        let closed = |state: &State| !matches!(state, SynSent | SynReceived | Established);
        let stays: Duration = self.receipt.spent.iter().filter(|(state, _)| closed(state)).map(|(_, stay)| stay).sum();
        self.receipt.spent.iter().any(|(state, _)| closed(&state)).then(|| self.at - stays)
    }

    /// The shortest retransmission time.
    fn shortest(&self) -> Duration {
        self.config.min_rto.min(self.config.initial_rto).min(self.config.max_rto)
    }

    /// How long so many retransmissions take at least, each after twice the time of the one before (TO-3).
    fn retransmissions(&self, tries: u8) -> Duration {
        let most = self.config.max_rto;
        let gap = |n: u8| (self.shortest() * (1 << n.min(16))).min(most);
        (1..=tries).map(gap).sum()
    }
}

impl Run {
    /// A connection has ended: was it time?
    pub(super) fn check_times_of(&self, at: usize, receipt: &Receipt) {
        let end = self.ends.get(at);
        let opening = matches!(receipt.ending.state(), State::SynSent | State::SynReceived);
        if self.tampers() || opening {
            return;
        }
        let config = &self.plan.config[end.side as usize];
        let ended = Ended { at: receipt.spent.ended(), end, receipt, config };
        match receipt.ending {
            Ending::TimedOut { phase, .. } => self.check_time_out(&ended, phase),
            Ending::Aborted { cause: Cause::PolicyLimit(limit), .. } => self.check_limit(&ended, limit),
            _ => {}
        }
        check_orphan(&ended);
        self.check_half_close(&ended);
    }

    fn check_time_out(&self, ended: &Ended<'_>, phase: Phase) {
        let Ended { at, end, config, .. } = *ended;
        let (vigil, settings) = (&end.vigil, &self.plan.talks[end.talk].settings[end.side as usize]);
        // Who closes more than once, in whatever way, is an orphan since one of these calls.
        let once = !end.app.drains && !end.app.deaf;
        let closed = end.app.closed.filter(|_| once).unwrap_or(Instant::ZERO);
        if matches!(phase, Phase::Retransmission | Phase::ZeroWindow | Phase::UserTimeout) {
            let silent = at.since(vigil.stirred());
            assert!(
                silent <= config.max_rto + ROUNDING,
                "TO-3, ZW-3, INV-19: silent for {silent:?} at {at:?}: {end:#?}"
            );
        }
        match phase {
            Phase::Retransmission => self.check_retransmission(ended),
            Phase::UserTimeout => ended.not_before(vigil.progress.max(closed) + self.asked(end), "TO-6"),
            Phase::ZeroWindow => {
                let probes = ended.shortest() * u32::from(config.orphan_retries.saturating_sub(1));
                // A user timeout brings probes forward.
                let probes = if self.asked(end) > Duration::ZERO { Duration::ZERO } else { probes };
                ended.not_before(closed.max(vigil.progress) + probes.min(ORPHAN_PATIENCE), "ZW-5");
            }
            Phase::Keepalive => {
                let keepalive = settings.keepalive.unwrap_or_else(|| panic!("TO-12: nobody asked for it: {end:#?}"));
                let (idle, interval) = (keepalive.idle.max(SECOND), keepalive.interval.max(SECOND));
                ended.not_before(vigil.news + idle + interval * u32::from(keepalive.probes.max(1)), "TO-12");
            }
            Phase::FinWait2Orphan => check_fin_wait_2(ended),
            Phase::Connect => {}
        }
    }

    /// TO-5, OR-2. Something that came and was no progress may have shortened the retransmission time.
    fn check_retransmission(&self, ended: &Ended<'_>) {
        let Ended { end, config, .. } = *ended;
        // An orphan whose peer cannot be reached, as the network says, waits no longer (X-ICMP).
        if self.told[end.side as usize] {
            return;
        }
        let vigil = &end.vigil;
        let since = vigil.progress.max(vigil.flight);
        let tries = if vigil.heard > since {
            ended.shortest() * u32::from(config.retries)
        } else {
            ended.retransmissions(config.retries)
        };
        let owned = since + tries;
        match end.app.closed {
            _ if end.app.deaf => {}
            Some(closed) => ended.not_before(owned.min(closed.max(vigil.progress) + ORPHAN_PATIENCE), "OR-2"),
            None => ended.not_before(owned, "TO-5"),
        }
    }

    /// UD-8 and the budgets of a half-closed connection.
    fn check_limit(&self, ended: &Ended<'_>, limit: Limit) {
        let settings = &self.plan.talks[ended.end.talk].settings[ended.end.side as usize];
        let half_closed = ended.half_closed();
        let total = settings.half_close_total.filter(|_| limit == Limit::HalfCloseTotal);
        let idle = settings.half_close_idle.filter(|_| limit == Limit::HalfCloseIdle);
        for budget in total.into_iter().chain(idle) {
            let half_closed = half_closed.unwrap_or_else(|| panic!("TO-8: not half-closed: {:#?}", ended.end));
            ended.not_before(half_closed + budget, "TO-8");
        }
    }

    /// A half-closed connection ends when its time in all is over.
    fn check_half_close(&self, ended: &Ended<'_>) {
        let end = ended.end;
        let settings = &self.plan.talks[end.talk].settings[end.side as usize];
        let (Some(total), Some(since)) = (settings.half_close_total, ended.half_closed()) else { return };
        let one_sided = matches!(ended.receipt.ending.state(), State::FinWait1 | State::FinWait2 | State::CloseWait);
        // An orphan in FIN-WAIT-2 has its own time (TO-9). Its settings came with its handle.
        let abandoned = ended.receipt.ending.state() == State::FinWait2 && (end.app.closed.is_some() || end.app.deaf);
        if one_sided && !abandoned && !ended.receipt.ending.is_graceful() && end.app.known {
            ended.not_after(since.max(end.app.started) + total, "TO-8");
        }
    }
}

/// TO-9.
fn check_fin_wait_2(ended: &Ended<'_>) {
    let Ended { at, end, receipt, config } = *ended;
    let stay = receipt.spent.iter().last().map_or(Duration::ZERO, |(_, stay)| stay);
    let entered = at - stay;
    ended.not_before(entered + config.fin_wait_2, "TO-9");
    // Who reads no more and has closed its own direction, in either order, is as good as gone since the second.
    if let Some(closed) = end.app.closed.filter(|_| !end.app.deaf) {
        let from = entered.max(closed);
        ended.not_before(from + config.fin_wait_2, "TO-9");
        ended.not_after(from + config.fin_wait_2 + SECOND, "TO-9");
    }
}

/// OR-1, 3.12, ZW-5, L2: what nobody owns ends, in all weathers.
fn check_orphan(ended: &Ended<'_>) {
    let Ended { end, receipt, config, .. } = *ended;
    let Some(closed) = end.app.closed.map(|closed| closed.max(ended.established())) else { return };
    // FIN-WAIT-2 has a time of its own, for a peer's FIN that may come at its end.
    let idle = receipt.spent.iter().any(|(state, _)| state == State::FinWait2);
    let idle = if idle { config.fin_wait_2 } else { Duration::ZERO };
    ended.not_after(closed + config.orphan_time + idle + SECOND, "OR-1, L2, 3.12");
    if let Some(shut) = end.vigil.shut.filter(|_| !receipt.fin_acknowledged) {
        let since = closed.max(shut).max(end.vigil.news);
        ended.not_after(since + ORPHAN_PATIENCE + config.max_rto + SECOND, "ZW-5, L2");
    }
}
