//! SYN-SENT and SYN-RECEIVED: what becomes a [`Connection`](crate::Connection), or an ending. No buffers yet.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use crate::config::{Config, Ecn};
use crate::connection::ack::{Ack, REPEAT};
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Ledger, Noted, Phase, Receipt};
use crate::connection::recv::{Position, initial_window, shift_for};
use crate::connection::stamps::{Stamps, later};
use crate::connection::{Agreed, Now, Opened, Unwanted};
use crate::digest::{Digest, Moment};
use crate::seq::Seq;
use crate::settings::Settings;
use crate::time::Instant;
use crate::time_wait::Legacy;
use crate::wire::options::user_timeout_field;
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment, Timestamps};

/// A connection that is not established yet.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Opening {
    iss: Seq,
    /// The peer's initial number, once its SYN is here: that is SYN-RECEIVED.
    irs: Option<Seq>,
    /// MUST-11: how it began decides what a reset means.
    passive: bool,
    /// What depends on the path and on who asks.
    terms: Terms,
    /// What the peer's SYN offered.
    theirs: Options,
    ecn: Handshake,
    tries: u8,
    /// Acknowledgments of our SYN that brought none of the peer's (SY-6).
    bare_acks: u8,
    due: bool,
    ack: Ack,
    sent: Instant,
    /// Our SYN has been sent more than once, by the timer or because the peer asked.
    repeated: bool,
    timer: Instant,
    pending: Pending,
    /// The application will not read.
    unwanted: Option<Unwanted>,
    zero_linger: bool,
    settings: Option<Box<Settings>>,
    ledger: Noted<Ledger>,
}

/// What both sides' SYNs and SYN-ACKs have said of ECN.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Handshake {
    /// All of the peer's were for it.
    peer: bool,
    /// One of ours was.
    setup: bool,
    /// One of ours was not.
    plain: bool,
}

impl Handshake {
    /// Whether our data may be marked, and whether marks on the peer's count: they do even where a SYN of ours, sent
    /// again, did not ask any more, for the peer may have seen only the first (RFC 3168 section 6.1.1).
    fn agreed(self) -> (bool, bool) {
        (self.peer && self.setup && !self.plain, self.peer && self.setup)
    }
}

/// Whether a SYN asks for ECN, or a SYN-ACK agrees to it. One that has both flags is what a host makes that sends back
/// bits it does not know.
fn is_setup(segment: &Segment<'_>) -> bool {
    let has = |flag| segment.flags.has(flag);
    has(Flags::ECE) && has(Flags::CWR) != has(Flags::ACK)
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

/// What an opening cannot know by itself: it knows neither addresses nor secrets.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Terms {
    /// The MSS we announce, and the largest we send.
    pub(crate) ours: u16,
    /// What a peer takes that announces nothing (MUST-15).
    pub(crate) default: u16,
    /// Offset of our timestamps.
    pub(crate) offset: u32,
    /// Octets of an IP header and a bare TCP header.
    pub(crate) headers: u8,
}

impl Terms {
    /// Towards `peer`, with timestamps that count from `offset`.
    pub(crate) fn towards(peer: IpAddr, offset: u32, settings: &Settings, config: &Config) -> Self {
        let most = settings.max_segment.unwrap_or(u16::MAX).max(MIN_MSS);
        let default = if peer.is_ipv4() { 536 } else { 1220 };
        Self {
            ours: config.receive_mss(peer).min(most),
            default,
            offset,
            headers: if peer.is_ipv4() { 40 } else { 60 },
        }
    }
}

/// Smallest payload of a full segment we send, whatever a peer announces, if the device carries it (limit 3.19).
const MIN_MSS: u16 = 48;

impl Opening {
    /// An active open: SYN-SENT.
    pub(crate) fn connect(now: Now<'_>, iss: Seq, terms: Terms) -> Self {
        Self {
            iss,
            irs: None,
            passive: false,
            terms,
            theirs: Options::default(),
            ecn: Handshake::default(),
            tries: 0,
            bare_acks: 0,
            due: true,
            ack: Ack::new(now),
            sent: now.time,
            repeated: false,
            timer: Instant::NEVER,
            pending: Pending::Nothing,
            unwanted: None,
            zero_linger: false,
            settings: None,
            ledger: Noted::new(Ledger::begin(State::SynSent, now.time)),
        }
    }

    /// A SYN has come to a listener: SYN-RECEIVED. Data and FIN on it are not taken, so they come again (FR-9).
    pub(crate) fn accept(now: Now<'_>, iss: Seq, terms: Terms, syn: &Segment<'_>) -> Self {
        Self {
            irs: Some(syn.seq),
            passive: true,
            theirs: syn.options,
            ecn: Handshake { peer: is_setup(syn), ..Handshake::default() },
            ledger: Noted::new(Ledger::begin(State::SynReceived, now.time)),
            ..Self::connect(now, iss, terms)
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.irs.is_some() { State::SynReceived } else { State::SynSent }
    }

    /// RCV.NXT, once the peer's SYN is here.
    pub(crate) fn recv_next(&self) -> Option<Seq> {
        self.irs.map(|irs| irs + 1)
    }

    pub(crate) fn is_passive(&self) -> bool {
        self.passive
    }

    /// ISS, and IRS once it is known.
    pub(crate) fn initial(&self) -> (Seq, Option<Seq>) {
        (self.iss, self.irs)
    }

    /// Whether a close shall be a reset (LM-4); the connection inherits it.
    pub(crate) fn zero_linger(&self) -> bool {
        self.zero_linger
    }

    pub(crate) fn set_zero_linger(&mut self, zero: bool) {
        self.zero_linger = zero;
    }

    /// What the application has chosen; the connection inherits it.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, settings: Settings) {
        self.settings = (settings != Settings::default()).then(|| Box::new(settings));
    }

    pub(crate) fn pending(&self) -> Pending {
        self.pending
    }

    /// What becomes of data, if the application will not read it.
    pub(crate) fn unwanted(&self) -> Option<Unwanted> {
        self.unwanted
    }

    /// The application will not read.
    pub(crate) fn refuse(&mut self, unwanted: Unwanted) {
        self.unwanted = Some(unwanted);
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
            self.note_bare_ack(acks_our_syn);
            return Verdict::Waiting;
        }
        self.irs = Some(segment.seq);
        self.theirs = segment.options;
        self.ecn.peer = is_setup(segment);
        if acks_our_syn {
            return Verdict::Established;
        }
        // Both SYNs have crossed (MUST-10): answer with a SYN-ACK of the same number.
        self.ledger.note(|ledger| ledger.spent.enter(State::SynReceived, now.time));
        self.due = true;
        Verdict::Waiting
    }

    /// An old connection of the peer's takes our SYN for one within its window, by chance, and challenges it for ever:
    /// another number ends that, for its next challenge will be one that deserves a reset (SY-6).
    fn note_bare_ack(&mut self, acks_our_syn: bool) {
        self.bare_acks += u8::from(acks_our_syn);
        if self.bare_acks == 2 {
            self.iss = self.iss + 65_537;
            (self.bare_acks, self.due, self.repeated) = (0, true, false);
        }
    }

    /// RFC 9293 section 3.10.7.4, as far as SYN-RECEIVED is concerned.
    fn in_syn_received(&mut self, now: Now<'_>, irs: Seq, segment: &Segment<'_>) -> Verdict {
        let has = |flag| segment.flags.has(flag);
        let acks_our_syn = has(Flags::ACK) && segment.ack == self.iss + 1;
        let position = Position::of(segment, irs + 1, u64::from(initial_window(now.config)));
        if has(Flags::RST) {
            return self.judge_reset(now, segment.seq.distance(irs + 1), position);
        }
        if has(Flags::SYN) {
            let same = segment.seq == irs;
            self.ecn.peer &= !same || is_setup(segment);
            return self.judge_syn(now, same, acks_our_syn);
        }
        if let Some(theirs) = self.stamp_of_peer(now.config) {
            let Some(stamp) = segment.options.timestamps else { return Verdict::Waiting };
            if later(theirs, stamp.value) {
                self.ack.owe_out_of_window(now); // PAWS (RFC 7323 section 5.3, R1).
                return Verdict::Waiting;
            }
        }
        match (position, has(Flags::ACK), acks_our_syn) {
            // SQ-3: a keepalive, or an octet that came before; its acknowledgment is news.
            (Position::JustBefore, true, true) => Verdict::Established,
            (Position::Outside | Position::JustBefore | Position::ClosedWindow, _, _) => {
                self.ack.owe_out_of_window(now);
                Verdict::Waiting
            }
            (Position::Acceptable, false, _) => Verdict::Waiting,
            (Position::Acceptable, true, false) => Verdict::Reset,
            (Position::Acceptable, true, true) => Verdict::Established,
        }
    }

    fn judge_reset(&mut self, now: Now<'_>, ahead: i32, position: Position) -> Verdict {
        match (ahead == 0, self.passive) {
            (true, true) => Verdict::Forgotten,
            (true, false) => Verdict::Failed(Ending::Refused { state: State::SynReceived }),
            (false, _) => {
                if position == Position::Acceptable && ahead > 0 {
                    self.ack.owe_challenge(now);
                }
                Verdict::Waiting
            }
        }
    }

    fn judge_syn(&mut self, now: Now<'_>, same: bool, acks_our_syn: bool) -> Verdict {
        if !same {
            self.ack.owe_challenge(now); // An attack or an old duplicate (SY-4).
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
        let bare = Header::bare(self.iss + 1, ack, initial_window(now.config));
        let timestamps = self.stamp(now);
        if core::mem::take(&mut self.due) {
            self.ack.take();
            let (ece, cwr) = self.setup(now.config);
            self.sent_syn(now);
            let options = self.offer(now.config, timestamps);
            return Some(Header { seq: self.iss, control: Control::Syn, ece, cwr, options, ..bare });
        }
        // Only the window of a SYN is not scaled (RFC 7323 section 2.2).
        let window = bare.window >> self.shifts(now.config).map_or(0, |(_, ours)| ours);
        let options = Options { timestamps, ..Options::default() };
        self.ack.take().then_some(Header { window, options, ..bare })
    }

    /// The peer's shift and ours, where both scale; a larger one counts as 14 (RFC 7323 section 2.3).
    fn shifts(&self, config: &Config) -> Option<(u8, u8)> {
        let theirs = self.theirs.window_shift.filter(|_| config.window_scaling)?;
        Some((theirs.min(14), shift_for(config)))
    }

    /// What our SYN offers; a SYN-ACK offers only what the SYN has offered.
    fn offer(&self, config: &Config, timestamps: Option<Timestamps>) -> Options {
        let (first, theirs) = (self.irs.is_none(), &self.theirs);
        let settings = self.settings();
        let timeout = if settings.exchange_user_timeout { settings.user_timeout.map(user_timeout_field) } else { None };
        Options {
            mss: Some(self.terms.ours),
            window_shift: (config.window_scaling && (first || theirs.window_shift.is_some()))
                .then(|| shift_for(config)),
            sack_permitted: config.selective_acks && (first || theirs.sack_permitted),
            timestamps,
            user_timeout: timeout,
            ..Options::default()
        }
    }

    /// ECE and CWR of the SYN or SYN-ACK that leaves now (RFC 3168 section 6.1.1). Only the first SYN asks: it may have
    /// been dropped for that (section 6.1.1.1). A SYN-ACK agrees where the peer's SYN has asked and ours, if there
    /// was one, did.
    fn setup(&mut self, config: &Config) -> (bool, bool) {
        let ecn = self.settings.as_ref().and_then(|settings| settings.ecn).unwrap_or(config.ecn);
        let (first, sent) = (self.irs.is_none(), &mut self.ecn);
        let setup = match ecn {
            Ecn::Off => false,
            Ecn::Accept | Ecn::Ask if !first => sent.peer && !sent.plain,
            Ecn::Accept => false,
            Ecn::Ask => self.tries == 0,
        };
        sent.setup |= setup;
        sent.plain |= !setup;
        (setup, setup && first)
    }

    /// The peer's timestamp, where both want timestamps.
    fn stamp_of_peer(&self, config: &Config) -> Option<u32> {
        self.theirs.timestamps.filter(|_| config.timestamps).map(|theirs| theirs.value)
    }

    /// Whether both want timestamps, as far as the peer's SYN is here.
    pub(crate) fn is_stamped(&self, config: &Config) -> bool {
        self.stamp_of_peer(config).is_some()
    }

    fn stamp(&self, now: Now<'_>) -> Option<Timestamps> {
        let value = Stamps::clock(self.terms.offset, now.time);
        match self.irs {
            None => now.config.timestamps.then_some(Timestamps { value, echo: 0 }),
            Some(_) => self.stamp_of_peer(now.config).map(|echo| Timestamps { value, echo }),
        }
    }

    /// The SYN or SYN-ACK leaves; its timer doubles each time (RFC 6298 section 5.5). Repeats that a peer asks for do
    /// not count as expiries.
    fn sent_syn(&mut self, now: Now<'_>) {
        self.repeated |= self.tries > 0;
        self.sent = now.time;
        if self.timer == Instant::NEVER {
            let wait = now.config.initial_rto.saturating_mul(1 << self.tries.min(16));
            self.timer = now.time + wait.min(now.config.max_rto);
            self.tries = self.tries.saturating_add(1);
        }
    }

    /// The reset that tells a peer in SYN-RECEIVED that we gave up.
    pub(crate) fn reset(&self, now: Now<'_>) -> Header {
        let ack = self.irs.map(|irs| irs + 1);
        let options = Options { timestamps: self.stamp(now), ..Options::default() };
        Header { control: Control::Rst, options, ..Header::bare(self.iss + 1, ack, 0) }
    }

    // ---- what becomes of it ------------------------------------------------------------------------------------

    /// What the connection begins with. Only after [`Verdict::Established`].
    pub(crate) fn opened(&self, now: Now<'_>) -> Opened {
        let irs = self.irs.unwrap_or_default();
        let stamps = self.stamp_of_peer(now.config);
        let mss = self.theirs.mss.unwrap_or(self.terms.default).max(MIN_MSS).min(self.terms.ours);
        Opened {
            iss: self.iss,
            irs,
            mss,
            announced: self.terms.ours,
            headers: self.terms.headers,
            agreed: Agreed {
                shifts: self.shifts(now.config),
                sack: self.theirs.sack_permitted && now.config.selective_acks,
                stamps: stamps.map(|theirs| Stamps::new(self.terms.offset, theirs, now.time)),
                user_timeout: self.theirs.user_timeout,
                ecn: self.ecn.agreed(),
            },
            tries: self.tries,
            sent_once: (!self.repeated).then_some(self.sent),
            settings: self.settings.clone(),
            ledger: self.ledger,
        }
    }

    /// How long it has been opening.
    pub(crate) fn age(&self, now: Instant) -> core::time::Duration {
        now.since(self.ledger.spent().began())
    }

    /// What a record in quarantine keeps, if our SYN or SYN-ACK has left.
    pub(crate) fn legacy(&self, now: Now<'_>) -> Option<Legacy> {
        let recv_next = self.irs.map_or_else(Seq::default, |irs| irs + 1);
        let stamps = self.stamp_of_peer(now.config).map(|theirs| (theirs, self.terms.offset));
        let legacy = Legacy { send_next: self.iss + 1, recv_next, window: 0, stamps };
        (self.tries > 0).then_some(legacy)
    }

    /// What an opening leaves behind that failed, with a reset or without.
    pub(crate) fn receipt(&mut self, now: Now<'_>, ending: Ending, reset_sent: bool) -> Receipt {
        self.ledger.note(|ledger| ledger.spent.end(now.time));
        Receipt {
            ending,
            closed_first: None,
            sent: 0,
            acknowledged: 0,
            received: 0,
            unread: 0,
            discarded: 0,
            unsent: 0,
            at_first_fin: None,
            fin_acknowledged: false,
            fin_received: false,
            read_closed: false,
            reset_sent,
            retransmissions: u32::from(self.tries.saturating_sub(1)),
            last_icmp: self.ledger.last_icmp(),
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

    /// The network reports trouble with our SYN. Hard trouble ends a connection we asked for (SHLD-26); anything else
    /// is remembered for the receipt (MUST-56, EO-7). `None` where `seq` is not ours: anybody can send that.
    pub(crate) fn handle_icmp(&mut self, seq: Seq, hard: bool, icmp: (u8, u8)) -> Option<Verdict> {
        if seq != self.iss || self.tries == 0 {
            return None;
        }
        self.ledger.note(|ledger| ledger.icmp = Some(icmp));
        let fatal = hard && self.state() == State::SynSent;
        let unreachable = Ending::Unreachable { icmp_type: icmp.0, code: icmp.1 };
        Some(if fatal { Verdict::Failed(unreachable) } else { Verdict::Waiting })
    }
}

impl Digest for Opening {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { iss, irs, passive, terms, theirs, ecn, tries, bare_acks, due, ack, sent, repeated, timer, .. } =
            self;
        let Self { pending, unwanted, zero_linger, settings, ledger: _, .. } = self;
        (iss, irs, passive, terms, theirs, tries, bare_acks, due, repeated).hash(state);
        (pending, unwanted, zero_linger, settings, ecn).hash(state);
        ack.digest(moment, state);
        moment.at(*timer, state);
        // It measures the first round trip, if it was sent only once.
        moment.at(if *repeated { Instant::NEVER } else { *sent }, state);
    }
}
