//! What the requirements say, worked out once more and apart from the code: for a connection in a row of the table, and
//! a segment that comes, the next state, the ending, and what may be answered. Nothing here asks the stack.
#![allow(dead_code, reason = "every test file uses its own part")]

pub(crate) mod events;
pub(crate) mod rows;

use adieu_core::wire::Flags;
use adieu_core::{Cause, Duration, Ending, Order, State};

use crate::script::{Script, Seen, Seg, aborted, graceful, seg};
pub(crate) use rows::{Numbers, ROWS, Row, WAITED};

/// What comes, in parts that can be judged.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) seq: i32,
    /// Stands in the header whether or not the flag is set.
    pub(crate) ack: i32,
    pub(crate) flags: Flags,
    pub(crate) data: Vec<u8>,
    pub(crate) window: u16,
}

impl Shot {
    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }

    pub(crate) fn seg(&self) -> Seg {
        let acked = seg().seq(self.seq).ack(self.ack).win(self.window).data(&self.data);
        acked.only_flags(self.flags)
    }

    fn text(&self) -> i64 {
        i64::try_from(self.data.len()).unwrap()
    }

    /// Of text and FIN; a SYN is judged before lengths count.
    fn len(&self) -> i64 {
        self.text() + i64::from(self.has(Flags::FIN))
    }

    /// All that counts in SEG.LEN (RS-1).
    fn end(&self) -> i32 {
        let len = self.len() + i64::from(self.has(Flags::SYN));
        self.seq.wrapping_add(i32::try_from(len).unwrap())
    }
}

/// What may be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    Silence,
    /// One bare ACK with exactly SND.NXT and RCV.NXT.
    Ack,
    /// That, or nothing: it may be limited, delayed, or left to the reader of the RFC.
    MayAck,
    /// Our FIN, with an ACK.
    Fin,
    /// The same after a duplicate ACK, which must be a segment of its own (FR-1).
    AckThenFin,
    /// SYN and ACK.
    SynAck,
    /// SYN and ACK with a number beyond all old ones (TW-10).
    FreshSynAck,
    /// `<SEQ=seq><RST>`, with this ACK where there is one.
    Reset {
        seq: i32,
        ack: Option<i32>,
    },
    /// `<SEQ=0><ACK=...><RST,ACK>`, the 0 being what is on the wire.
    ResetFromZero {
        ack: i32,
    },
}

/// What the requirements say to one segment in one row.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) state: State,
    /// An ending that is news.
    pub(crate) ending: Option<Ending>,
    pub(crate) reply: Reply,
    /// RCV.NXT afterwards.
    pub(crate) rcv: i32,
    /// A half-open connection of a listener is forgotten.
    pub(crate) forgotten: bool,
    /// TIME-WAIT begins anew (TW-3).
    pub(crate) restart: bool,
}

/// How far the next initial number lies beyond the old ones, at least (TW-10).
const ISS_GAP: i32 = 65_537;

impl Expected {
    fn same(n: &Numbers, reply: Reply) -> Self {
        Self { state: n.state, ending: None, reply, rcv: n.rcv, forgotten: false, restart: false }
    }

    fn ended(n: &Numbers, ending: Ending, reply: Reply) -> Self {
        Self { state: State::Closed, ending: Some(ending), ..Self::same(n, reply) }
    }

    fn at(self, rcv: i32) -> Self {
        Self { rcv, ..self }
    }

    /// Whether `sent` is what may be answered.
    pub(crate) fn allows(&self, n: &Numbers, sent: &[Seen]) -> bool {
        let bare = |seen: &Seen, seq: i32, ack: Option<i32>, flags: Flags| {
            (seen.seq, seen.ack, seen.flags, seen.data.is_empty()) == (seq, ack, flags, true)
        };
        match (&self.reply, sent) {
            (Reply::Silence | Reply::MayAck, []) => true,
            (Reply::Ack | Reply::MayAck, [one]) => bare(one, n.nxt, Some(self.rcv), Flags::ACK),
            (Reply::AckThenFin, [one, two]) => {
                let fin = Flags::FIN.with(Flags::ACK);
                bare(one, n.nxt, Some(self.rcv), Flags::ACK) && bare(two, n.nxt, Some(self.rcv), fin)
            }
            (Reply::Fin, [one]) => bare(one, n.nxt, Some(self.rcv), Flags::FIN.with(Flags::ACK)),
            (Reply::SynAck, [one]) => bare(one, 0, Some(self.rcv), syn_ack(one)),
            (Reply::FreshSynAck, [one]) => {
                bare(one, one.seq, Some(self.rcv), syn_ack(one)) && one.seq >= n.nxt + ISS_GAP
            }
            (Reply::Reset { seq, ack }, [one]) => {
                let flags = if ack.is_some() { Flags::RST.with(Flags::ACK) } else { Flags::RST };
                bare(one, *seq, *ack, flags) && one.window == 0
            }
            (Reply::ResetFromZero { ack }, [one]) => {
                let (zero, flags) = (one.raw.0.0 == 0, Flags::RST.with(Flags::ACK));
                zero && bare(one, one.seq, Some(*ack), flags) && one.window == 0
            }
            _ => false,
        }
    }
}

/// What must follow from a segment in a row.
pub(crate) fn allowed(row: Row, n: &Numbers, shot: &Shot) -> Expected {
    match row {
        Row::AfterAbort | Row::AfterCancel => quarantined(n, shot),
        // What has ended is to segments as if it had never been, but a listener may be there.
        Row::AfterReset => {
            let listening = expected(&Numbers { state: State::Listen, ..n.clone() }, shot);
            let state = if listening.state == State::Listen { State::Closed } else { listening.state };
            Expected { state, ..listening }
        }
        _ => expected(n, shot),
    }
}

/// AB-5, EO-2, TW-10: whatever comes is answered as where there is no connection, but for a SYN if somebody listens.
fn quarantined(n: &Numbers, shot: &Shot) -> Expected {
    let opens = shot.has(Flags::SYN) && !shot.has(Flags::ACK) && !shot.has(Flags::RST) && n.listener;
    if !opens {
        return closed(n, shot);
    }
    Expected { state: State::SynReceived, rcv: shot.seq + 1, ..Expected::same(n, Reply::FreshSynAck) }
}

/// SYN and ACK; whether ECE stands beside them is no matter of opening (B-ECN says when).
fn syn_ack(seen: &Seen) -> Flags {
    let agreed = if seen.flags.has(Flags::ECE) { Flags::ECE } else { Flags::NONE };
    Flags::SYN.with(Flags::ACK).with(agreed)
}

/// RFC 9293 section 3.10.7 with RFC 5961, as the requirements have it.
fn expected(n: &Numbers, shot: &Shot) -> Expected {
    match n.state {
        State::Closed => closed(n, shot),
        State::Listen => listening(n, shot),
        State::SynSent => syn_sent(n, shot),
        State::SynReceived => syn_received(n, shot),
        State::TimeWait => time_wait(n, shot),
        State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait | State::Closing | State::LastAck => {
            synchronized(n, shot)
        }
    }
}

/// RS-1, FI-1, RA-1
fn closed(n: &Numbers, shot: &Shot) -> Expected {
    Expected::same(
        n,
        match (shot.has(Flags::RST), shot.has(Flags::ACK)) {
            (true, _) => Reply::Silence,
            (false, true) => Reply::Reset { seq: shot.ack, ack: None },
            (false, false) => Reply::ResetFromZero { ack: shot.end() },
        },
    )
}

/// FI-2, FR-9, RA-1, RS-3
fn listening(n: &Numbers, shot: &Shot) -> Expected {
    if shot.has(Flags::RST) {
        return Expected::same(n, Reply::Silence);
    }
    if shot.has(Flags::ACK) {
        return Expected::same(n, Reply::Reset { seq: shot.ack, ack: None });
    }
    if !shot.has(Flags::SYN) {
        return Expected::same(n, Reply::Silence);
    }
    Expected { state: State::SynReceived, rcv: shot.seq + 1, ..Expected::same(n, Reply::SynAck) }
}

/// RA-2, RA-3, RS-3, FI-3
fn syn_sent(n: &Numbers, shot: &Shot) -> Expected {
    let acks = shot.has(Flags::ACK) && shot.ack == 1;
    let (rst, wrong) = (shot.has(Flags::RST), shot.has(Flags::ACK) && !acks);
    if wrong {
        let reply = if rst { Reply::Silence } else { Reply::Reset { seq: shot.ack, ack: None } };
        return Expected::same(n, reply);
    }
    if rst {
        let refused = Ending::Refused { state: State::SynSent };
        let same = Expected::same(n, Reply::Silence);
        return if acks { Expected::ended(n, refused, Reply::Silence) } else { same };
    }
    if !shot.has(Flags::SYN) {
        return Expected::same(n, Reply::Silence);
    }
    if !acks {
        return Expected { state: State::SynReceived, rcv: shot.seq + 1, ..Expected::same(n, Reply::SynAck) };
    }
    let fin = shot.has(Flags::FIN);
    let state = if fin { State::CloseWait } else { State::Established };
    Expected { state, rcv: shot.end(), ..Expected::same(n, Reply::Ack) }
}

/// Where a segment lies against the window (SQ-1, SQ-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lies {
    In,
    JustBefore,
    Outside,
}

fn lies(n: &Numbers, shot: &Shot) -> Lies {
    let (start, len) = (i64::from(shot.seq.wrapping_sub(n.rcv)), shot.len());
    let inside = |at: i64| (0..n.ours).contains(&at);
    // FR-3, FB-5: a FIN with nothing new before it needs no room.
    let bare_fin = shot.has(Flags::FIN) && start <= 0 && start + len == 1;
    let empty = len == 0 && (inside(start) || start == 0);
    if empty || len > 0 && (inside(start) || inside(start + len - 1) || bare_fin) {
        Lies::In
    } else if start + len == 0 && len > 0 || start == -1 && len == 0 {
        Lies::JustBefore
    } else {
        Lies::Outside
    }
}

/// RFC 5961 section 3.2 (RA-4 to RA-7): what a reset is to a connection whose RCV.NXT is known. `None`: it counts.
fn reset(n: &Numbers, shot: &Shot) -> Option<Expected> {
    let distance = i64::from(shot.seq.wrapping_sub(n.rcv));
    if distance == 0 || distance == -1 && n.peer_fin {
        return None;
    }
    let inside = (1..n.ours).contains(&distance);
    Some(Expected::same(n, if inside { Reply::Ack } else { Reply::Silence }))
}

/// RA-9, RA-10, SY-4, SC-5, RS-3, FI-4
fn syn_received(n: &Numbers, shot: &Shot) -> Expected {
    if shot.has(Flags::RST) {
        return reset(n, shot).unwrap_or_else(|| match n.passive {
            true => {
                // TW-9: the SYN was an old duplicate.
                let state = if n.reopened { State::TimeWait } else { State::Closed };
                Expected { state, forgotten: true, ..Expected::same(n, Reply::Silence) }
            }
            false => Expected::ended(n, Ending::Refused { state: State::SynReceived }, Reply::Silence),
        });
    }
    let acks = shot.has(Flags::ACK) && shot.ack == 1;
    if shot.has(Flags::SYN) {
        let crossing = shot.seq == 0 && acks && !n.passive;
        if crossing && n.closing {
            return established_and_closed(n, shot);
        }
        if crossing {
            // Its own text and FIN count (FI-3 lets one leave both for later).
            let fin = shot.has(Flags::FIN);
            let state = if fin { State::CloseWait } else { State::Established };
            return Expected { state, rcv: shot.end(), ..Expected::same(n, Reply::Ack) };
        }
        return Expected::same(n, if shot.seq == 0 { Reply::SynAck } else { Reply::Ack });
    }
    match (lies(n, shot), shot.has(Flags::ACK)) {
        (Lies::In, false) => Expected::same(n, Reply::Silence),
        (Lies::In, true) if !acks => Expected::same(n, Reply::Reset { seq: shot.ack, ack: None }),
        (Lies::In, true) if n.closing => established_and_closed(n, shot),
        (Lies::In, true) => take_text(n, shot, State::Established, State::CloseWait),
        // SQ-3: its ACK field counts, its text and FIN do not.
        (Lies::JustBefore, true) if acks => match n.closing {
            true => Expected { state: State::FinWait1, ..Expected::same(n, Reply::Fin) },
            false => Expected { state: State::Established, ..Expected::same(n, Reply::Ack) },
        },
        (Lies::JustBefore | Lies::Outside, true) => Expected::same(n, Reply::Ack),
        // FB-7 and the first step of section 3.10.7.4 do not agree.
        (Lies::JustBefore | Lies::Outside, false) => Expected::same(n, Reply::MayAck),
    }
}

/// CL-4: FIN-WAIT-1 at once, before what the segment brings behind its ACK; text is for nobody (UD-1, UD-4).
fn established_and_closed(n: &Numbers, shot: &Shot) -> Expected {
    let new_text = shot.text() > 0 && shot.end().wrapping_sub(n.rcv) > i32::from(shot.has(Flags::FIN));
    if new_text {
        let rcv = take_text(n, shot, State::Established, State::CloseWait).rcv;
        let state = if rcv == shot.end() && shot.has(Flags::FIN) { State::Closing } else { State::FinWait1 };
        let why = aborted(Cause::CloseWithUnread, state);
        return Expected::ended(n, why, Reply::Reset { seq: n.nxt, ack: Some(rcv) }).at(rcv);
    }
    let after = take_text(n, shot, State::FinWait1, State::Closing);
    let gap = shot.has(Flags::FIN) && after.rcv == n.rcv;
    Expected { reply: if gap { Reply::AckThenFin } else { Reply::Fin }, ..after }
}

/// Text and FIN of an acceptable segment where the peer's FIN is still to come.
fn take_text(n: &Numbers, shot: &Shot, open: State, closed: State) -> Expected {
    let start = shot.seq.wrapping_sub(n.rcv);
    let in_order = start <= 0 && shot.end().wrapping_sub(n.rcv) > 0;
    let fin = in_order && shot.has(Flags::FIN);
    let rcv = if in_order { shot.end() } else { n.rcv };
    let reply = match shot.len() {
        0 => Reply::Silence,
        // The acknowledgment of data in order may wait (B-DACK); of a FIN (FR-6), of what is out of order, not.
        _ if in_order && !fin => Reply::MayAck,
        _ => Reply::Ack,
    };
    Expected { state: if fin { closed } else { open }, ..Expected::same(n, reply).at(rcv) }
}

/// ESTABLISHED to LAST-ACK: RA-4 to RA-12, SY-1, SQ-1 to SQ-3, FB-7, FA-1 to FA-8, FI-5 to FI-9, FR-1, FR-5, UD-4.
fn synchronized(n: &Numbers, shot: &Shot) -> Expected {
    if shot.has(Flags::RST) {
        let why = Ending::ResetByPeer { state: n.state };
        return reset(n, shot).unwrap_or_else(|| Expected::ended(n, why, Reply::Silence));
    }
    if shot.has(Flags::SYN) {
        return Expected::same(n, Reply::Ack);
    }
    let lies = lies(n, shot);
    if !shot.has(Flags::ACK) {
        // FB-7 and the first step of section 3.10.7.4 do not agree about what lies outside.
        return Expected::same(n, if lies == Lies::In { Reply::Silence } else { Reply::MayAck });
    }
    if lies == Lies::Outside || shot.ack > n.nxt || shot.ack < n.oldest_ack() {
        return Expected::same(n, Reply::Ack);
    }
    let fin_acked = n.state == State::FinWait2 || n.fin.is_some_and(|fin| shot.ack == fin + 1);
    let state = match (n.state, fin_acked) {
        (State::FinWait1, true) => State::FinWait2,
        // FA-8 answers a repeated FIN, FA-4 leaves nobody to do so.
        (State::LastAck, true) => {
            let reply = if lies == Lies::JustBefore { Reply::MayAck } else { Reply::Silence };
            return Expected::ended(n, graceful(Order::PeerFirst), reply);
        }
        (State::Closing, true) => {
            let reply = if lies == Lies::JustBefore || shot.len() > 0 { Reply::Ack } else { Reply::Silence };
            let ended = Expected::ended(n, graceful(Order::Simultaneous), reply);
            return Expected { state: State::TimeWait, ..ended };
        }
        (state, _) => state,
    };
    let n = &Numbers { state, ..n.clone() };
    if lies == Lies::JustBefore {
        return Expected::same(n, Reply::Ack);
    }
    if n.peer_fin {
        return Expected::same(n, if shot.len() > 0 { Reply::Ack } else { Reply::Silence });
    }
    let new_text = i64::from(shot.seq.wrapping_sub(n.rcv)) + shot.text() > 0 && shot.text() > 0;
    if n.refuses && new_text {
        let why = aborted(Cause::DataAfterClose, state);
        return Expected::ended(n, why, Reply::Reset { seq: n.nxt, ack: Some(n.rcv) });
    }
    let after_fin = match state {
        State::Established => State::CloseWait,
        State::FinWait1 => State::Closing,
        _ => State::TimeWait,
    };
    let after = take_text(n, shot, state, after_fin);
    let over = after.state == State::TimeWait;
    Expected { ending: over.then_some(graceful(Order::LocalFirst)), ..after }
}

/// RA-13, TW-3 to TW-5, TW-8, TW-11, FR-5, FA-6, FB-7
fn time_wait(n: &Numbers, shot: &Shot) -> Expected {
    let has = |flag| shot.has(flag);
    if has(Flags::RST) {
        return Expected::same(n, Reply::Silence);
    }
    if has(Flags::SYN) {
        let beyond = shot.seq.wrapping_sub(n.rcv) >= 0;
        if beyond && !has(Flags::ACK) && n.listener {
            let fresh = Expected::same(n, Reply::FreshSynAck);
            return Expected { state: State::SynReceived, rcv: shot.seq + 1, ..fresh };
        }
        return Expected::same(n, Reply::Ack);
    }
    let lies = lies(n, shot);
    let reply = match has(Flags::ACK) {
        false if lies == Lies::In => Reply::Silence,
        false => Reply::MayAck,
        true if shot.ack > n.nxt => Reply::Ack,
        true if lies == Lies::In && shot.len() == 0 && shot.seq == n.rcv && shot.ack >= n.oldest_ack() => {
            Reply::Silence // TW-5: two ends that wait must fall silent.
        }
        true if lies == Lies::In && shot.len() == 0 => Reply::MayAck,
        true => Reply::Ack,
    };
    let fin_again = has(Flags::FIN) && shot.end() == n.rcv && has(Flags::ACK);
    // TW-3 asks for an acceptable ACK. This is stricter: whoever repeats its FIN while we wait has acknowledged ours,
    // for that is how one comes to wait; so what acknowledges less is an old duplicate.
    let restart = fin_again && shot.ack == n.nxt;
    Expected { restart, ..Expected::same(n, reply) }
}

/// How long TIME-WAIT still lasts, where that is the state.
pub(crate) fn time_left(s: &Script) -> Duration {
    if s.flow_state() != State::TimeWait {
        return Duration::ZERO;
    }
    let mut s = s.clone();
    let began = s.now;
    while s.flow_state() == State::TimeWait {
        s.next_timer();
    }
    s.now.since(began)
}

/// TW-2, TW-3: 2 MSL from entry or from the last repetition of the peer's FIN, and from nothing else.
pub(crate) fn keeps_time(row: Row, after: &Expected, left: Duration) -> bool {
    match (row, after.state) {
        (Row::TimeWait, State::TimeWait) => left == if after.restart { TIME_WAIT } else { TIME_WAIT - WAITED },
        // TW-9: at least as long as it would have lasted.
        (Row::SynReceivedReopened, State::TimeWait) => (TIME_WAIT - WAITED..=TIME_WAIT).contains(&left),
        (_, State::TimeWait) => left == TIME_WAIT,
        _ => left == Duration::ZERO,
    }
}

/// 2 MSL of the configuration.
pub(crate) const TIME_WAIT: Duration = Duration::from_secs(60);
