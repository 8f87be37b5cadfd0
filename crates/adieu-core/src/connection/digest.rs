//! What of a connection can matter from now on, for [`Stack::digest`](crate::Stack::digest).
//!
//! Every structure is taken apart field by field: a new field does not compile before somebody has decided what it is.

use core::hash::{Hash, Hasher};

use super::half_close::Drain;
use super::network::Path;
use super::timers::Timers;
use super::{Connection, Farewell, Trouble};
use crate::config::{Config, ORPHAN_PATIENCE};
use crate::digest::{Digest, Moment};
use crate::settings::Settings;
use crate::time::Duration;

impl Digest for Connection {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { send, recv, settings, ended, farewell, close, zero_linger, events, ledger, .. } = self;
        (ended, farewell, close, events, zero_linger, settings).hash(state);
        recv.digest(moment, state);
        let ledger = ledger.for_receipt();
        // Whose port it is, and whether a record in FIN-WAIT-2 would do: the only facts of the receipt that decide.
        (ledger.spent.is_passive(), ledger.discarded > 0).hash(state);
        if ended.is_some() && *farewell == Farewell::None {
            // Nothing leaves any more, and nothing comes in: it is read, and looked at.
            return (send.data_end(), send.data_acked()).hash(state);
        }
        send.digest(moment, state);
        self.digest_times(moment, state);
    }
}

impl Connection {
    fn digest_times<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { timers, rtt, rack, congestion, trouble, ack, stamps, path, drain, .. } = self;
        timers.digest(moment, state);
        rtt.digest(moment, state);
        congestion.digest(moment, state);
        rack.digest(moment, state);
        trouble.digest(moment, state);
        ack.digest(moment, state);
        stamps.digest(moment, state);
        path.digest(moment, state);
        drain.digest(moment, state);
        let Self {
            probe_due, tail_due, sliver_due, sack, scaled, keepalive_due, alarm, announced, peer_timeout, ..
        } = self;
        (probe_due, tail_due, sliver_due, sack, scaled, keepalive_due, alarm, announced, peer_timeout).hash(state);
        self.digest_ages(moment, state);
    }

    fn digest_ages<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { heard, sent, half_closed, orphaned, settings, trouble, send, .. } = self;
        let (config, settings) = (moment.config, settings.as_deref());
        let quiet = watched_for(config, settings);
        let pause = quiet.max(config.max_rto);
        moment.ago(*sent, pause, state);
        self.ack.since_data(moment.now).min(pause + Duration::from_millis(1)).hash(state);
        if settings.is_some_and(|settings| settings.keepalive.is_some()) {
            heard.wrapping_sub(moment.millis()).hash(state);
        }
        if self.state() != super::State::Established {
            moment.ago(*half_closed, quiet, state);
        }
        if self.is_detached() && has_orphan_limits(config) {
            moment.ago(*orphaned, Duration::MAX, state);
        }
        // Who becomes an orphan begins to count anew.
        self.is_detached().then_some(trouble.probes).hash(state);
        if send.is_pending() {
            let patience = self.user_timeout(config).filter(|limit| *limit < Duration::MAX).unwrap_or_default();
            let bound = patience.max(ORPHAN_PATIENCE).max(config.max_rto.saturating_mul(2));
            moment.now.since(trouble.since).min(bound).hash(state);
        }
    }
}

/// The longest time that the watchdog of a half-closed connection counts.
fn watched_for(config: &Config, settings: Option<&Settings>) -> Duration {
    let budgets = settings.map(|settings| [settings.half_close_idle, settings.half_close_total]);
    let warnings = [Some(config.close_wait_warning), Some(config.fin_wait_2_warning)];
    let all = budgets.into_iter().flatten().chain(warnings).flatten();
    all.filter(|limit| *limit < Duration::MAX).max().unwrap_or_default()
}

/// Whether it can matter for how long nobody has owned a connection.
fn has_orphan_limits(config: &Config) -> bool {
    let unlimited = config.orphan_time == Duration::MAX
        && config.max_orphans == u32::MAX
        && config.orphan_bytes == usize::MAX
        && config.memory == usize::MAX;
    !unlimited
}

impl Digest for Trouble {
    fn digest<H: Hasher>(&self, _: &Moment<'_>, state: &mut H) {
        // `since` is for who knows whether anything is waited for, and `probes` for who knows whether somebody owns it.
        let Self { recover, since: _, tries, probes: _, probed, duplicates, .. } = self;
        let Self { recovering, partial, keepalives, unreachable, .. } = self;
        (recover, tries, probed, duplicates, recovering, partial, keepalives, unreachable).hash(state);
    }
}

impl Digest for Timers {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        self.all().for_each(|deadline| moment.at(deadline, state));
    }
}

impl Digest for Path {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let (whole, until, fragment) = self.parts();
        (whole, fragment).hash(state);
        moment.at(until, state);
    }
}

impl Digest for Drain {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let (bytes, until) = self.parts();
        bytes.hash(state);
        moment.at(until, state);
    }
}
