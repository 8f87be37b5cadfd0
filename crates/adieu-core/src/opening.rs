//! SYN-SENT and SYN-RECEIVED: what becomes a [`Connection`](crate::Connection), or an ending. No buffers yet.

use core::net::IpAddr;

use crate::config::Config;
use crate::connection::ack::{Ack, REPEAT};
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Ledger, Noted, Phase, Receipt};
use crate::connection::recv::{Position, initial_window};
use crate::connection::{Now, Opened};
use crate::seq::Seq;
use crate::time::Instant;
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment};

/// A connection that is not established yet.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Opening {
    iss: Seq,
    /// The peer's initial number, once its SYN is here: that is SYN-RECEIVED.
    irs: Option<Seq>,
    /// MUST-11: how it began decides what a reset means.
    passive: bool,
    /// What we announce, and what a peer takes that announces nothing.
    mss: Mss,
    peer_mss: u16,
    tries: u8,
    due: bool,
    ack: Ack,
    sent: Instant,
    /// Our SYN has been sent more than once, by the timer or because the peer asked.
    repeated: bool,
    timer: Instant,
    pending: Pending,
    zero_linger: bool,
    ledger: Noted<Ledger>,
}

/// What the application asked for before there was a connection to do it (CL-4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Pending {
    Nothing,
    ShutDown,
    Close,
}

/// What a segment did to an opening.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is still opening.
    Waiting,
    /// The segment has acknowledged our SYN.
    Established,
    /// The segment deserves this reset; the opening goes on (RS-3).
    Reset,
    /// It failed.
    Failed(Ending),
    /// A passive one was reset: as if it had never been (RA-9).
    Forgotten,
}

/// Segment sizes that depend on the path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Mss {
    ours: u16,
    default: u16,
}

impl Mss {
    /// Towards `peer`; MUST-15 says what it takes if it announces nothing.
    pub(crate) fn towards(peer: IpAddr, config: &Config) -> Self {
        Self { ours: config.receive_mss(peer), default: if peer.is_ipv4() { 536 } else { 1220 } }
    }
}

/// Smallest payload of a full segment we send, whatever a peer announces, if the device carries it (limit 3.19).
const MIN_MSS: u16 = 48;

impl Opening {
    /// An active open: SYN-SENT.
    pub(crate) fn connect(now: Now<'_>, iss: Seq, mss: Mss) -> Self {
        Self {
            iss,
            irs: None,
            passive: false,
            mss,
            peer_mss: mss.default,
            tries: 0,
            due: true,
            ack: Ack::new(now.time),
            sent: now.time,
            repeated: false,
            timer: Instant::NEVER,
            pending: Pending::Nothing,
            zero_linger: false,
            ledger: Noted::new(Ledger::begin(State::SynSent, now.time)),
        }
    }

    /// A SYN has come to a listener: SYN-RECEIVED. Data and FIN on it are not taken, so they come again (FR-9).
    pub(crate) fn accept(now: Now<'_>, iss: Seq, mss: Mss, syn: &Segment<'_>) -> Self {
        Self {
            irs: Some(syn.seq),
            passive: true,
            peer_mss: syn.options.mss.unwrap_or(mss.default),
            ledger: Noted::new(Ledger::begin(State::SynReceived, now.time)),
            ..Self::connect(now, iss, mss)
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.irs.is_some() { State::SynReceived } else { State::SynSent }
    }

    pub(crate) fn is_passive(&self) -> bool {
        self.passive
    }

    /// Whether a close shall be a reset (LM-4); the connection inherits it.
    pub(crate) fn zero_linger(&self) -> bool {
        self.zero_linger
    }

    pub(crate) fn set_zero_linger(&mut self, zero: bool) {
        self.zero_linger = zero;
    }

    pub(crate) fn pending(&self) -> Pending {
        self.pending
    }

    /// Remembers what to do once established.
    pub(crate) fn defer(&mut self, pending: Pending) {
        self.pending = self.pending.max(pending);
    }

    // ---- a segment ---------------------------------------------------------------------------------------------

    pub(crate) fn handle_segment(&mut self, now: Now<'_>, segment: &Segment<'_>) -> Verdict {
        match self.irs {
            None => self.in_syn_sent(now, segment),
            Some(irs) => self.in_syn_received(now, irs, segment),
        }
    }

    /// RFC 9293 section 3.10.7.3.
    fn in_syn_sent(&mut self, now: Now<'_>, segment: &Segment<'_>) -> Verdict {
        let has = |flag| segment.flags.has(flag);
        let acks_our_syn = has(Flags::ACK) && segment.ack == self.iss + 1 && self.tries > 0;
        if has(Flags::ACK) && !acks_our_syn {
            return if has(Flags::RST) { Verdict::Waiting } else { Verdict::Reset };
        }
        if has(Flags::RST) {
            // Without our number in its acknowledgment anybody could have sent it (RA-3).
            let refused = Ending::Refused { state: State::SynSent };
            return if acks_our_syn { Verdict::Failed(refused) } else { Verdict::Waiting };
        }
        if !has(Flags::SYN) {
            return Verdict::Waiting;
        }
        self.irs = Some(segment.seq);
        self.peer_mss = segment.options.mss.unwrap_or(self.mss.default);
        if acks_our_syn {
            return Verdict::Established;
        }
        // Both SYNs have crossed (MUST-10): answer with a SYN-ACK of the same number.
        self.ledger.note(|ledger| ledger.spent.enter(State::SynReceived, now.time));
        self.due = true;
        Verdict::Waiting
    }

    /// RFC 9293 section 3.10.7.4, as far as SYN-RECEIVED is concerned.
    fn in_syn_received(&mut self, now: Now<'_>, irs: Seq, segment: &Segment<'_>) -> Verdict {
        let has = |flag| segment.flags.has(flag);
        let acks_our_syn = has(Flags::ACK) && segment.ack == self.iss + 1;
        let position = Position::of(segment, irs + 1, u64::from(initial_window(now.config)));
        if has(Flags::RST) {
            return self.judge_reset(now, segment.seq == irs + 1, position);
        }
        if has(Flags::SYN) {
            return self.judge_syn(now, segment.seq == irs, acks_our_syn);
        }
        match (position, has(Flags::ACK), acks_our_syn) {
            (Position::Outside | Position::JustBefore | Position::ClosedWindow, _, _) => {
                self.ack.owe_out_of_window(now.time);
                Verdict::Waiting
            }
            (Position::Acceptable, false, _) => Verdict::Waiting,
            (Position::Acceptable, true, false) => Verdict::Reset,
            (Position::Acceptable, true, true) => Verdict::Established,
        }
    }

    fn judge_reset(&mut self, now: Now<'_>, exact: bool, position: Position) -> Verdict {
        match (exact, self.passive) {
            (true, true) => Verdict::Forgotten,
            (true, false) => Verdict::Failed(Ending::Refused { state: State::SynReceived }),
            (false, _) => {
                if position == Position::Acceptable {
                    self.ack.owe_challenge(now.time);
                }
                Verdict::Waiting
            }
        }
    }

    fn judge_syn(&mut self, now: Now<'_>, same: bool, acks_our_syn: bool) -> Verdict {
        if !same {
            self.ack.owe_challenge(now.time); // An attack or an old duplicate (SY-4).
            return Verdict::Waiting;
        }
        // The crossing SYN-ACK of a simultaneous open lies left of the window, and still establishes (SC-5).
        if acks_our_syn && !self.passive {
            return Verdict::Established;
        }
        // It has not heard our SYN-ACK.
        self.due |= self.ack.may_reply(now.time, REPEAT);
        Verdict::Waiting
    }

    // ---- time --------------------------------------------------------------------------------------------------

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.timer
    }

    pub(crate) fn handle_timeout(&mut self, now: Now<'_>) -> Verdict {
        if !self.timer.is_due(now.time) {
            return Verdict::Waiting;
        }
        let retries = if self.passive { now.config.syn_ack_retries } else { now.config.syn_retries };
        if self.tries > retries {
            let timed_out = Ending::TimedOut { phase: Phase::Connect, state: self.state() };
            return if self.passive { Verdict::Forgotten } else { Verdict::Failed(timed_out) };
        }
        self.timer = Instant::NEVER;
        self.due = true;
        Verdict::Waiting
    }

    // ---- out ---------------------------------------------------------------------------------------------------

    pub(crate) fn poll_transmit(&mut self, now: Now<'_>) -> Option<Header> {
        let ack = self.irs.map(|irs| irs + 1);
        let window = initial_window(now.config);
        let bare =
            Header { seq: self.iss + 1, ack, control: Control::None, push: false, window, options: Options::default() };
        if core::mem::take(&mut self.due) {
            self.ack.take();
            self.sent_syn(now);
            let options = Options { mss: Some(self.mss.ours) };
            return Some(Header { seq: self.iss, control: Control::Syn, options, ..bare });
        }
        self.ack.take().then_some(bare)
    }

    /// The SYN or SYN-ACK leaves; its timer doubles each time (RFC 6298 section 5.5). Repeats that a peer asks for do
    /// not count as expiries.
    fn sent_syn(&mut self, now: Now<'_>) {
        self.repeated |= self.tries > 0;
        self.sent = now.time;
        if self.timer == Instant::NEVER {
            let wait = now.config.initial_rto * (1 << self.tries.min(16));
            self.timer = now.time + wait.min(now.config.max_rto);
            self.tries = self.tries.saturating_add(1);
        }
    }

    /// The reset that tells a peer in SYN-RECEIVED that we gave up.
    pub(crate) fn reset(&self) -> Header {
        let ack = self.irs.map(|irs| irs + 1);
        Header { seq: self.iss + 1, ack, control: Control::Rst, push: false, window: 0, options: Options::default() }
    }

    // ---- what becomes of it ------------------------------------------------------------------------------------

    /// What the connection begins with. Only after [`Verdict::Established`].
    pub(crate) fn opened(&self) -> Opened {
        Opened {
            iss: self.iss,
            irs: self.irs.unwrap_or_default(),
            mss: self.peer_mss.max(MIN_MSS).min(self.mss.ours),
            lost: self.tries > 1,
            sent_once: (!self.repeated).then_some(self.sent),
            ledger: self.ledger,
        }
    }

    /// What an opening leaves behind that failed.
    pub(crate) fn receipt(&mut self, now: Now<'_>, ending: Ending) -> Receipt {
        self.ledger.note(|ledger| ledger.spent.end(now.time));
        Receipt {
            ending,
            closed_first: None,
            sent: 0,
            acknowledged: 0,
            received: 0,
            unread: 0,
            retransmissions: u32::from(self.tries.saturating_sub(1)),
            spent: self.ledger.spent(),
        }
    }

    /// How a close or an abort by the application ends it: before the peer's SYN came, nothing exists (CL-3, AB-1).
    pub(crate) fn given_up(&self, cause: Cause) -> Ending {
        match self.state() {
            State::SynSent => Ending::Cancelled { state: State::SynSent },
            state => Ending::Aborted { cause, state },
        }
    }
}
