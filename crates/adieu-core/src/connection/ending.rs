//! How a connection ended: the closed list, and the receipt.

use super::close::{Closer, State};
use crate::time::{Duration, Instant};

/// How a connection ended. Set once, never changed (EN-1). The byte counts stand in the [`Receipt`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// Both directions were completed: every byte of ours is at the peer's TCP, every byte of the peer's is here.
    Graceful {
        /// Who closed first.
        order: Order,
    },
    /// The peer sent a valid reset.
    ResetByPeer {
        /// Our state at that moment. In CLOSING and LAST-ACK everything may have arrived; nothing proves it.
        state: State,
    },
    /// The peer answered our SYN with a reset.
    Refused {
        /// SYN-SENT, or SYN-RECEIVED after a simultaneous open.
        state: State,
    },
    /// We gave the connection up ourselves.
    Aborted {
        /// Why.
        cause: Cause,
        /// In which state.
        state: State,
    },
    /// A timer gave up.
    TimedOut {
        /// What was waited for.
        phase: Phase,
        /// In which state.
        state: State,
    },
    /// The network said that the peer cannot be reached; only before the connection was established.
    Unreachable {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
    },
    /// Closed by the application before anything existed.
    Cancelled {
        /// LISTEN or SYN-SENT.
        state: State,
    },
}

/// The order of a graceful close (EN-4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Order {
    /// We closed first: through FIN-WAIT-1 to TIME-WAIT.
    LocalFirst,
    /// The peer closed first: through CLOSE-WAIT and LAST-ACK.
    PeerFirst,
    /// Both FINs crossed: through CLOSING.
    Simultaneous,
}

/// Why we gave a connection up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// The application called `abort`.
    AbortCall,
    /// The application closed, having asked for a reset at close (`SO_LINGER` with 0 s; LM-4).
    LingerZero,
    /// The application closed, and wanted a reset where not all was acknowledged within its time (`SO_LINGER`; LM-6).
    LingerExpired,
    /// The application closed with received bytes unread: a FIN would have claimed that they were taken (UD-1).
    CloseWithUnread,
    /// The peer sent more data after nobody could read it any more (UD-4).
    DataAfterClose,
    /// The application dropped its handle with received bytes unread (UD-1).
    HandleDroppedWithUnread,
    /// There were more orphans than allowed, and this one was the worst (OR-3), or it took too long (3.12).
    OrphanLimit,
    /// All connections together held more bytes than allowed, and this one made no progress (3.11).
    MemoryPressure,
    /// A budget of the application's own was spent.
    PolicyLimit(Limit),
    /// The address is ours no more.
    AddressRemoved,
    /// The device is gone.
    InterfaceRemoved,
    /// The listener closed before the connection was accepted (CL-13).
    ListenerClosed,
    /// The stack was shut down.
    StackShutdown,
}

/// A budget that an application has set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Limit {
    /// [`DrainBudget::bytes`](crate::DrainBudget::bytes).
    DrainBytes,
    /// [`DrainBudget::time`](crate::DrainBudget::time).
    DrainTime,
    /// [`Settings::half_close_idle`](crate::Settings::half_close_idle).
    HalfCloseIdle,
    /// [`Settings::half_close_total`](crate::Settings::half_close_total).
    HalfCloseTotal,
}

/// What a timer that gave up had waited for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// An answer to our SYN (TO-1).
    Connect,
    /// An acknowledgment of data or FIN (TO-5).
    Retransmission,
    /// The opening of a closed window (ZW-5).
    ZeroWindow,
    /// The peer's FIN, after ours was acknowledged and nobody could read any more (TO-9).
    FinWait2Orphan,
    /// An acknowledgment within the time that the application would wait (TO-6).
    UserTimeout,
    /// An answer to keepalive probes (TO-12).
    Keepalive,
}

impl Ending {
    /// Whether both directions were completed.
    pub fn is_graceful(&self) -> bool {
        matches!(self, Self::Graceful { .. })
    }

    /// The state the connection was in when it ended; CLOSED where the two halves had run to their end.
    pub fn state(&self) -> State {
        match *self {
            Self::Graceful { order: Order::PeerFirst } => State::LastAck,
            Self::Graceful { order: Order::LocalFirst | Order::Simultaneous } => State::TimeWait,
            Self::ResetByPeer { state }
            | Self::Refused { state }
            | Self::Aborted { state, .. }
            | Self::TimedOut { state, .. }
            | Self::Cancelled { state } => state,
            Self::Unreachable { .. } => State::SynSent,
        }
    }
}

/// What a connection leaves behind: how it ended, and what became of every byte. One for each connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// How it ended.
    pub ending: Ending,
    /// Whose FIN came first; `None` where neither end closed.
    pub closed_first: Option<Closer>,
    /// Bytes taken from the application.
    pub sent: u64,
    /// Of those, acknowledged by the peer's TCP: a lower bound of what it has. Nothing says that its application read
    /// them.
    pub acknowledged: u64,
    /// Bytes that came in order from the peer.
    pub received: u64,
    /// Of those, not read by our application: when the connection ended, less what it has read since.
    pub unread: u64,
    /// Of those, thrown away because nobody wanted to read any more.
    pub discarded: u64,
    /// Bytes taken from the application that never left.
    pub unsent: u64,
    /// Bytes taken from the application, and bytes that had come, when the first of the two FINs was sent or came
    /// (EN-5). `None` where neither end closed, and for an orphan that spent its last time as a record in FIN-WAIT-2.
    pub at_first_fin: Option<(u64, u64)>,
    /// Whether the peer's TCP acknowledged our FIN, and so every byte.
    pub fin_acknowledged: bool,
    /// Whether the peer's FIN came, and so every byte of its stream.
    pub fin_received: bool,
    /// Whether we gave up reading before the peer's stream was complete.
    pub read_closed: bool,
    /// Whether the ending told the peer by a reset.
    pub reset_sent: bool,
    /// Times that a segment was sent again.
    pub retransmissions: u32,
    /// The last ICMP error about the connection, type and code: a reason why nobody answered, if it timed out.
    pub last_icmp: Option<(u8, u8)>,
    /// States the connection was in, and for how long each.
    pub spent: Spent,
}

impl Receipt {
    /// Bytes the application wrote that the peer's TCP did not acknowledge.
    pub fn undelivered(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Whether the peer opened the connection.
    pub fn is_passive(&self) -> bool {
        self.spent.is_passive()
    }

    /// What became of our direction.
    pub fn send_side(&self) -> SendSide {
        let (accepted, acknowledged) = (self.sent, self.acknowledged);
        if self.fin_acknowledged {
            SendSide::Complete { acknowledged }
        } else {
            SendSide::Aborted { accepted, acknowledged }
        }
    }

    /// What became of the peer's direction.
    pub fn recv_side(&self) -> RecvSide {
        match self.received {
            received if self.fin_received => RecvSide::Complete { received },
            _ if self.read_closed => RecvSide::ClosedLocally { discarded: self.discarded },
            received => RecvSide::Aborted { received },
        }
    }
}

/// What becomes of our direction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SendSide {
    /// The application may write.
    Open,
    /// It has closed; so many bytes have not left, and so many have left and are not acknowledged.
    Closing {
        /// Bytes that have not left.
        unsent: u64,
        /// Bytes that have left and are not acknowledged.
        unacknowledged: u64,
    },
    /// Our FIN is acknowledged: all is at the peer's TCP.
    Complete {
        /// Bytes in all.
        acknowledged: u64,
    },
    /// The connection ended before that.
    Aborted {
        /// Bytes taken from the application.
        accepted: u64,
        /// Of those, acknowledged: a lower bound of what the peer's TCP has.
        acknowledged: u64,
    },
}

/// What becomes of the peer's direction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RecvSide {
    /// More may come.
    Open,
    /// The peer's FIN is here, and all before it.
    Complete {
        /// Bytes in all.
        received: u64,
    },
    /// We read no more.
    ClosedLocally {
        /// Bytes that came and were thrown away.
        discarded: u64,
    },
    /// The connection ended before the peer's FIN was here.
    Aborted {
        /// Bytes that came in order.
        received: u64,
    },
}

/// What became of an ended connection's addresses and ports: the last word about it (section 1.15).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Released {
    /// They were free at once.
    Immediately,
    /// TIME-WAIT has run its course.
    TimeWaitExpired,
    /// A new connection of the peer's took over (TW-8).
    ReusedByPeer,
    /// A new connection of ours took over (TW-13).
    ReusedByUs,
    /// The record gave way to newer ones (TW-14).
    Evicted,
    /// Quarantine after a reset has run its course (AB-5).
    QuarantineExpired,
}

impl Released {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Immediately,
        Self::TimeWaitExpired,
        Self::ReusedByPeer,
        Self::ReusedByUs,
        Self::Evicted,
        Self::QuarantineExpired,
    ];

    /// A stable name, lower case with hyphens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediately => "immediately",
            Self::TimeWaitExpired => "time-wait-expired",
            Self::ReusedByPeer => "reused-by-peer",
            Self::ReusedByUs => "reused-by-us",
            Self::Evicted => "evicted",
            Self::QuarantineExpired => "quarantine-expired",
        }
    }
}

/// The states a connection passed through before its ending, in order, each with its stay.
///
/// A connection visits at most six: two while opening, ESTABLISHED, two while closing, TIME-WAIT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spent {
    since: [Instant; SPENT],
    ended: Instant,
    states: [State; SPENT],
    len: u8,
    /// TIME-WAIT is next; it takes no time before the ending, which it begins with.
    waits: bool,
}

const SPENT: usize = 5;

impl Spent {
    /// A history that begins in `state` at `now`.
    pub(crate) fn begin(state: State, now: Instant) -> Self {
        Self { since: [now; SPENT], ended: now, states: [state; SPENT], len: 1, waits: false }
    }

    /// The connection is in `state` at `now`.
    pub(crate) fn enter(&mut self, state: State, now: Instant) {
        self.ended = now;
        let len = usize::from(self.len);
        if state == State::TimeWait {
            self.waits = true;
        } else if self.states[len - 1] != state && len < SPENT {
            self.states[len] = state;
            self.since[len] = now;
            self.len += 1;
        }
    }

    /// Whether the peer opened the connection.
    pub(crate) fn is_passive(&self) -> bool {
        self.states[0] == State::SynReceived
    }

    /// How long it has been in its last state.
    pub(crate) fn since_last(&self, now: Instant) -> Duration {
        now.since(self.since[usize::from(self.len) - 1])
    }

    /// The connection ended at `now`.
    pub(crate) fn end(&mut self, now: Instant) {
        self.ended = now;
    }

    /// States and stays, in order.
    pub fn iter(&self) -> impl Iterator<Item = (State, Duration)> + '_ {
        let len = usize::from(self.len);
        let ends = self.since[1..len].iter().chain([&self.ended]);
        let stays = self.since[..len].iter().zip(ends).map(|(from, to)| to.since(*from));
        let wait = self.waits.then_some((State::TimeWait, Duration::ZERO));
        self.states[..len].iter().copied().zip(stays).chain(wait)
    }

    /// How long the last state has lasted at `now`, while there is no ending.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.since(self.since[usize::from(self.len) - 1])
    }

    /// From the first state to the ending.
    pub fn total(&self) -> Duration {
        self.ended.since(self.since[0])
    }

    /// When the connection began.
    pub fn began(&self) -> Instant {
        self.since[0]
    }

    /// When the connection ended.
    pub fn ended(&self) -> Instant {
        self.ended
    }
}

/// Something only a receipt reads: always equal, hashed to nothing, so that two connections that differ only in what
/// they will report are one state to the model checker. Protocol code has no way to read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<T>(T);

impl<T> Noted<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    pub(crate) fn note(&mut self, change: impl FnOnce(&mut T)) {
        change(&mut self.0);
    }

    /// For receipts.
    pub(super) fn for_receipt(&self) -> &T {
        &self.0
    }
}

impl Noted<Ledger> {
    /// The last ICMP error so far, for the receipt of an opening.
    pub(crate) fn last_icmp(&self) -> Option<(u8, u8)> {
        self.0.icmp
    }

    /// The states so far, for the receipt of an opening.
    pub(crate) fn spent(&self) -> Spent {
        self.0.spent
    }
}

impl<T> PartialEq for Noted<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Noted<T> {}

impl<T> core::hash::Hash for Noted<T> {
    fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
}

/// What is counted along the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger {
    pub(crate) spent: Spent,
    pub(crate) retransmissions: u32,
    pub(crate) unread: u32,
    pub(crate) reset_sent: bool,
    pub(crate) discarded: u64,
    pub(crate) unsent: u64,
    /// Bytes that the direction which stayed open had carried when the other was closed.
    pub(crate) at_first_fin: u64,
    /// The last ICMP error, type and code.
    pub(crate) icmp: Option<(u8, u8)>,
    pub(crate) traffic: Traffic,
    /// Most runs and pieces looked at for one segment.
    pub(crate) steps: u32,
}

/// Counts of segments and octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) segments_sent: u32,
    pub(crate) segments_received: u32,
    pub(crate) data_segments_sent: u32,
    pub(crate) data_segments_received: u32,
    pub(crate) octets_resent: u64,
    pub(crate) duplicates_reported: u32,
    pub(crate) out_of_order: u32,
}

impl Ledger {
    pub(crate) fn begin(state: State, now: Instant) -> Self {
        let spent = Spent::begin(state, now);
        Self {
            spent,
            retransmissions: 0,
            unread: 0,
            reset_sent: false,
            discarded: 0,
            unsent: 0,
            at_first_fin: 0,
            icmp: None,
            traffic: Traffic::default(),
            steps: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn spent_says_how_long_in_each_state() {
        let at = Instant::from_secs;
        let mut spent = Spent::begin(State::SynSent, at(1));
        spent.enter(State::Established, at(2));
        spent.enter(State::Established, at(3));
        spent.enter(State::FinWait1, at(10));
        spent.end(at(11));
        let stays: Vec<_> = spent.iter().map(|(state, stay)| (state, stay.as_secs())).collect();
        assert_eq!(stays, vec![(State::SynSent, 1), (State::Established, 8), (State::FinWait1, 1)]);
        assert_eq!(spent.total(), Duration::from_secs(10));
    }

    #[test]
    fn what_is_noted_is_invisible_to_comparison() {
        assert_eq!(Noted::new(1), Noted::new(2));
    }
}
