//! The whole table (EN-2): every state and every event, what follows, what leaves, what the application then sees, and
//! how it ended. The snapshot is for readers; what must hold of it is asserted from the requirements, cell by cell.
//!
//! In the snapshot numbers are relative: ours count from our initial number, the peer's from its own. `A 4/5` is a bare
//! ACK with SEQ 4 and ACK 5; `F`, `S`, `R` are FIN, SYN and RST, and without `/` there is no ACK. `=0` is a number as
//! it is on the wire. Where the peer's FIN is here already, `data` is data after it, and `FIN` another one.

mod oracle;
mod script;

use std::fmt::Write;

use adieu_core::wire::Flags;
use adieu_core::{Cause, Duration, Ending, Limit, Order, Phase, ReadError, State, WriteError};
use oracle::events::{
    CALLS, Call, DAY, FINS_AND_ACKS, RESETS_AND_SYNS, TEXTS, WAITS, Wait, call, has_call, has_wait, wait,
};
use oracle::{Numbers, ROWS, Row, Shot, WAITED, allowed, keeps_time, time_left};
use script::places::Place;
use script::{Script, Seen, aborted, graceful, secs, seg, timed_out};

// ---- a cell --------------------------------------------------------------------------------------------------------

/// What can be read: all that is there, and what a read says then.
#[derive(Debug, Eq, PartialEq)]
struct Reads {
    data: Vec<u8>,
    then: Result<Vec<u8>, ReadError>,
}

impl Reads {
    /// `data`, and then the end of the stream.
    fn to_the_end(data: &[u8]) -> Self {
        Self { data: data.to_vec(), then: Ok(Vec::new()) }
    }
}

/// What follows from an event in a row.
struct Cell {
    state: State,
    sent: Vec<Seen>,
    /// `None` without a handle, as below.
    read: Option<Reads>,
    write: Option<Result<usize, WriteError>>,
    /// An ending that is news.
    ending: Option<Ending>,
    forgotten: bool,
    took: Duration,
    /// Of TIME-WAIT.
    left: Duration,
}

/// Lets `event` happen to a connection in `row`, looks at everything, and sees it to its end.
fn cell(row: Row, at: Place, unread: bool, event: impl FnOnce(&mut Script, &Numbers)) -> Cell {
    let (mut s, n) = (row.build(at, unread), row.numbers());
    assert_eq!(state(&s, row), n.state, "{row:?}");
    let (earlier, forgotten, began) = (s.receipts(), s.stack.stats().openings_forgotten, s.now);
    let ending_before = s.handle.and_then(|handle| s.stack.receipt(handle)).map(|receipt| receipt.ending);
    event(&mut s, &n);
    let news = s.receipts();
    assert!(earlier.len() + news.len() <= 1 + row.lived_before(), "EN-1 in {row:?}: {earlier:?} {news:?}");
    for receipt in &news {
        // The record of an orphan does not know any more what had come when we closed.
        let record = row == Row::FinWait2Orphan
            || matches!(receipt.ending, Ending::TimedOut { phase: Phase::FinWait2Orphan, .. });
        let known = receipt.closed_first.is_some() && !record;
        assert_eq!(receipt.at_first_fin.is_some(), known, "EN-5: {receipt:?} in {row:?}");
    }
    let cell = Cell {
        state: state(&s, row),
        sent: s.take(),
        read: reads(&s),
        write: writes(&s),
        ending: news.first().map(|receipt| receipt.ending),
        forgotten: s.stack.stats().openings_forgotten > forgotten,
        took: s.now.since(began),
        left: time_left(&s),
    };
    if let (Some(before), Some(handle)) = (ending_before, s.handle) {
        // EN-1: immutable, and the handle's connection stays dead whatever becomes of the flow.
        assert_eq!(s.stack.receipt(handle).map(|receipt| receipt.ending), Some(before), "{row:?}");
        assert!(matches!(s.state(), State::Closed | State::TimeWait), "{row:?}");
    }
    if let (Some(ending), Some(_)) = (cell.ending, s.handle) {
        assert_eq!(s.ending(), Some(ending), "{row:?}");
    }
    let so_far = earlier.len() + news.len();
    let lives = s.handle.is_some() || so_far > row.lived_before();
    judge_records(row, &s, &cell);
    see_off(row, s, so_far, usize::from(lives || n.orphan));
    cell
}

/// The state of the flow; a listener that still listens has no flow of its own.
fn state(s: &Script, row: Row) -> State {
    match s.flow_state() {
        State::Closed if row == Row::Listen && s.listener.is_some() => State::Listen,
        state => state,
    }
}

/// EN-1, EN-7, 1.16: in the end there is exactly one ending for what the application had, and one for a half-open child
/// that its listener takes along (CL-13); and nothing is left.
fn see_off(row: Row, mut s: Script, so_far: usize, must: usize) {
    if s.handle.is_some() {
        s.release();
    }
    let half_open = s.listener.is_some() && s.flow_state() == State::SynReceived;
    if s.listener.is_some() {
        s.unlisten();
    }
    s.advance(secs(3 * 3600));
    s.take();
    let child = aborted(Cause::ListenerClosed, State::SynReceived);
    let (children, others): (Vec<_>, Vec<_>) = s.receipts().into_iter().partition(|receipt| receipt.ending == child);
    assert_eq!(children.len(), usize::from(half_open), "CL-13");
    // Who was never accepted may end, too.
    let (all, before) = (so_far + others.len(), row.lived_before());
    assert!((before + must..=before + 1).contains(&all), "EN-1: {all} endings in {row:?}");
    assert_eq!(usize::try_from(s.stack.stats().ended), Ok(all + children.len()));
    assert_eq!(s.stack.leftover(), adieu_core::Leftover::default(), "something is left");
}

/// AB-5, EO-2: what the peer may not know is kept aside; what waited before waits again (TW-9); and an orphan in
/// FIN-WAIT-2 is a record (OR-4).
fn judge_records(row: Row, s: &Script, cell: &Cell) {
    let unheard = match cell.ending {
        Some(Ending::Aborted { .. } | Ending::Cancelled { .. }) => !row.numbers().reopened,
        Some(Ending::TimedOut { phase, .. }) => phase != Phase::Connect,
        Some(_) => false,
        None => row.numbers().quarantined && cell.took.is_zero(),
    };
    let left = s.stack.leftover();
    assert_eq!(left.quarantined > 0, unheard, "AB-5 in {row:?}: {left:?}");
    let hidden = cell.state == State::SynReceived && matches!(row, Row::TimeWait | Row::SynReceivedReopened);
    assert_eq!(left.time_waits > 0, hidden || cell.state == State::TimeWait, "TW-1, TW-9 in {row:?}: {left:?}");
    let alone = s.handle.is_none() && row != Row::FinWait2Draining;
    assert_eq!(left.abandoned > 0, alone && cell.state == State::FinWait2, "OR-4 in {row:?}: {left:?}");
}

/// A copy of the script with a handle, if there is any to be had.
fn with_handle(s: &Script) -> Option<Script> {
    let mut s = s.clone();
    (s.handle.is_some() || s.accept()).then_some(s)
}

/// All that can be read, and what a read says then: for ever (AP-2, AP-4).
fn reads(s: &Script) -> Option<Reads> {
    let mut s = with_handle(s)?;
    let mut all = Vec::new();
    let last = loop {
        match s.read(100) {
            Ok(some) if !some.is_empty() => all.extend(some),
            last => break last,
        }
    };
    for _ in 0..3 {
        assert_eq!(s.read(100), last, "AP-4: a read changes its mind");
    }
    Some(Reads { data: all, then: last })
}

fn writes(s: &Script) -> Option<Result<usize, WriteError>> {
    let mut s = with_handle(s)?;
    let first = s.try_write();
    assert_eq!(s.try_write(), first, "AP-3, AP-4: a write changes its mind");
    Some(first)
}

// ---- the table as text ---------------------------------------------------------------------------------------------

fn ending(ending: Ending) -> String {
    if ending.is_graceful() { ending.name().to_owned() } else { format!("{} in {}", ending.name(), ending.state()) }
}

/// Segments that repeat are one with a number.
fn wire(row: Row, sent: &[Seen]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for seen in sent {
        let kinds = [(Flags::SYN, 'S'), (Flags::FIN, 'F'), (Flags::RST, 'R')];
        let mut text: String = kinds.iter().filter(|(flag, _)| seen.flags.has(*flag)).map(|(_, kind)| *kind).collect();
        if text.is_empty() && seen.data.is_empty() {
            text.push('A');
        }
        if !seen.data.is_empty() {
            _ = write!(text, "\"{}\"", String::from_utf8_lossy(&seen.data));
        }
        // Only who has no connection sends a reset from zero (RS-1).
        let nobody = matches!(row.state(), State::Closed | State::Listen);
        let from_zero = nobody && seen.flags == Flags::RST.with(Flags::ACK);
        _ = if from_zero { write!(text, " =0") } else { write!(text, " {}", seen.seq) };
        if let Some(ack) = seen.ack {
            _ = write!(text, "/{ack}");
        }
        parts.push(text);
    }
    let mut folded: Vec<String> = Vec::new();
    while !parts.is_empty() {
        // What repeats soonest: one segment, or two that take turns.
        let times = |period: usize| {
            let (first, rest) = parts.split_at(period.min(parts.len()));
            1 + rest.chunks(period).take_while(|chunk| *chunk == first).count()
        };
        let (period, times) = if times(1) > 1 || times(2) == 1 { (1, times(1)) } else { (2, times(2)) };
        let one = parts[..period].join(", ");
        folded.push(match (period, times) {
            (_, 1) => one,
            (1, _) => format!("{one} x{times}"),
            _ => format!("({one}) x{times}"),
        });
        parts.drain(..period * times);
    }
    folded.join(", ")
}

impl Cell {
    fn line(&self, row: Row, event: &str) -> String {
        let read = self.read.as_ref().map(|Reads { data, then }| {
            let data = if data.is_empty() { String::new() } else { format!("\"{}\" ", String::from_utf8_lossy(data)) };
            let then = match then {
                Ok(_) => "EOF".to_owned(),
                Err(ReadError::Blocked) => "waits".to_owned(),
                Err(ReadError::Ended(_)) => "error".to_owned(),
            };
            data + &then
        });
        let write = self.write.map(|write| match write {
            Ok(_) => "ok",
            Err(WriteError::Blocked) => "waits",
            Err(WriteError::ShutDown) => "shut",
            Err(WriteError::Ended(_)) => "error",
        });
        let (read, write) = (read.unwrap_or_else(|| "-".to_owned()), write.unwrap_or("-"));
        let mut end =
            self.ending.map(|it| ending(it) + if self.left.is_zero() { "" } else { ", " }).unwrap_or_default();
        if self.forgotten {
            end += "forgotten";
        }
        let (state, sent) = (self.state.name(), wire(row, &self.sent));
        if self.left > Duration::ZERO {
            let before = if self.forgotten { ", " } else { "" };
            _ = write!(end, "{before}{} s left", self.left.as_secs());
        }
        if self.took > Duration::ZERO {
            let before = if end.is_empty() { "" } else { ", " };
            _ = write!(end, "{before}{:.1} s", self.took.as_secs_f64());
        }
        let line = format!("  {event:<36} {state:<12} | {sent:<22} | {read:<11} | {write:<5} | {end}");
        line.trim_end().trim_end_matches(['|', ' ']).to_owned()
    }
}

/// Every cell at one place of the sequence space.
fn table(at: Place) -> String {
    let mut text = String::new();
    for row in ROWS {
        _ = writeln!(text, "{}", row.name());
        for (name, event) in CALLS.into_iter().filter(|(_, event)| has_call(row, *event)) {
            let cell = cell(row, at, event.leaves_unread(), |s, n| call(s, n, event));
            judge_call(row, event, &cell);
            _ = writeln!(text, "{}", cell.line(row, name));
        }
        for (name, make) in FINS_AND_ACKS.into_iter().chain(RESETS_AND_SYNS).chain(TEXTS) {
            let cell = cell(row, at, false, |s, n| s.send(make(n).seg()));
            let (n, shot) = (row.numbers(), make(&row.numbers()));
            judge_segment(row, name, &n, &shot, &cell);
            _ = writeln!(text, "{}", cell.line(row, name));
        }
        for (name, event) in WAITS.into_iter().filter(|(_, event)| has_wait(row, *event)) {
            let cell = cell(row, at, false, |s, n| wait(s, n, event));
            judge_wait(row, event, &cell);
            _ = writeln!(text, "{}", cell.line(row, name));
        }
    }
    text
}

// ---- what the requirements say -----------------------------------------------------------------------------------

/// AP-1 to AP-7, EN-3, EN-4, INV-14: what holds for every event.
fn judge(row: Row, what: &str, cell: &Cell) {
    let n = row.numbers();
    let fin_here = n.peer_fin
        || matches!(cell.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
        || cell.ending.is_some_and(|ending| ending.is_graceful());
    let dead = match row {
        Row::AfterReset => Some(Ending::ResetByPeer { state: State::Established }),
        Row::AfterAbort => Some(aborted(Cause::AbortCall, State::Established)),
        Row::AfterCancel => Some(Ending::Cancelled { state: State::SynSent }),
        _ => cell.ending.filter(|ending| !ending.is_graceful()),
    };
    let discarded = matches!(dead, Some(Ending::Aborted { .. }));
    if let Some(Reads { data, then: last }) = &cell.read {
        match dead {
            Some(ending) if discarded => assert_eq!((data.len(), last), (0, &Err(ReadError::Ended(ending))), "AP-7"),
            Some(_) if fin_here => assert_eq!(last, &Ok(Vec::new()), "AP-5: {what} in {row:?}"),
            Some(ending) => assert_eq!(last, &Err(ReadError::Ended(ending)), "AP-4, AP-6: {what} in {row:?}"),
            None if fin_here => assert_eq!(last, &Ok(Vec::new()), "AP-2: {what} in {row:?}"),
            None => assert!(!matches!(last, Err(ReadError::Ended(_))), "{what} in {row:?}"),
        }
    }
    if matches!(row, Row::EstablishedRefusing | Row::FinWait2Draining) && cell.ending.is_none() {
        assert!(cell.read.iter().all(|read| *read == Reads::to_the_end(b"")), "AP-11: {what} in {row:?}");
    }
    if let Some(write) = cell.write {
        let shut = n.fin.is_some() || row == Row::FinWait1Queued || n.closing;
        match (shut, dead) {
            // By AP-3 it would stay `ShutDown`; what has failed says how (a handle keeps no more of an attempt).
            (true, Some(ending)) if n.closing && cell.state == State::Closed => {
                let allowed = [Err(WriteError::Ended(ending)), Err(WriteError::ShutDown)];
                assert!(allowed.contains(&write), "AP-3: {what} in {row:?}: {write:?}");
            }
            (true, _) => assert_eq!(write, Err(WriteError::ShutDown), "AP-3: {what} in {row:?}"),
            (false, Some(ending)) => {
                let allowed = [Err(WriteError::Ended(ending)), Err(WriteError::ShutDown)];
                assert!(allowed.contains(&write), "AP-4: {what} in {row:?}: {write:?}");
            }
            (false, None) => assert!(!matches!(write, Err(WriteError::Ended(_))), "{what} in {row:?}"),
        }
    }
    if let Some(Ending::Graceful { order }) = cell.ending {
        let from = match order {
            Order::LocalFirst => matches!(row.state(), State::FinWait1 | State::FinWait2),
            Order::PeerFirst => row == Row::LastAck,
            Order::Simultaneous => row == Row::Closing,
        };
        assert!(from, "EN-4: {order:?} by {what} in {row:?}");
    }
    // Nothing revives what has ended; only TIME-WAIT's tuple can begin a new life (TW-8).
    let alive = !matches!(cell.state, State::Closed | State::TimeWait);
    assert!(!(alive && cell.ending.is_some()), "{what} in {row:?}");
    assert!(!(row == Row::Closed && cell.state != State::Closed), "{what} in {row:?}");
}

/// EN-2, EN-3 and the rules of [`oracle`] for every kind of segment.
fn judge_segment(row: Row, what: &str, n: &Numbers, shot: &Shot, cell: &Cell) {
    judge(row, what, cell);
    let after = allowed(row, n, shot);
    let same = (cell.state, cell.ending, cell.forgotten) == (after.state, after.ending, after.forgotten);
    let holds = same && after.allows(n, &cell.sent) && keeps_time(row, &after, cell.left);
    let seen = (cell.state, cell.ending, cell.forgotten, wire(row, &cell.sent), cell.left);
    assert!(holds, "{what} in {row:?}: wanted {after:?}, seen {seen:?}");
}

/// CL-1 to CL-8, CL-11, CL-13, AB-1 to AB-4, UD-1 to UD-3, LM-1 to LM-7: the next state and the ending.
fn after_call(row: Row, call: Call) -> (State, Option<Ending>) {
    let state = row.state();
    let gone = |cause| (State::Closed, Some(aborted(cause, state)));
    let cancelled = (State::Closed, Some(Ending::Cancelled { state }));
    let closed = match state {
        State::Established => State::FinWait1,
        State::CloseWait => State::LastAck,
        other => other,
    };
    match (call, state) {
        (Call::Unlisten, State::Listen) => (State::Closed, None),
        (Call::Unlisten, State::SynReceived) => {
            let next = if row.numbers().reopened { State::TimeWait } else { State::Closed };
            (next, Some(aborted(Cause::ListenerClosed, state)))
        }
        (Call::Write | Call::Read | Call::Unlisten, _) | (_, State::Closed | State::TimeWait) => (state, None),
        (Call::RefuseReadingUnread, _) if after_write_closed(row) => gone(Cause::CloseWithUnread),
        (Call::BothUnread, _) => gone(Cause::CloseWithUnread),
        (call, _) if call.is_of_reader() => (state, None),
        (_, State::SynSent) => cancelled,
        (Call::Abort | Call::AbortUnread, _) => gone(Cause::AbortCall),
        (Call::ShutDown, _) => (closed, None),
        // UD-9: what is unread comes before linger.
        (Call::Release, _) if row == Row::EstablishedFull => gone(Cause::HandleDroppedWithUnread),
        (Call::Close | Call::CloseZeroLinger | Call::CloseGap, _) if row == Row::EstablishedFull => {
            gone(Cause::CloseWithUnread)
        }
        (Call::CloseZeroLinger, _) if row == Row::FinWait2Draining => (state, None),
        (Call::CloseZeroLinger, _) => gone(Cause::LingerZero),
        (Call::CloseUnread, _) => gone(Cause::CloseWithUnread),
        (Call::ReleaseUnread, _) => gone(Cause::HandleDroppedWithUnread),
        (Call::CloseGap, State::Established | State::FinWait1 | State::FinWait2) => gone(Cause::CloseWithUnread),
        _ => (closed, None),
    }
}

/// HC-5: the application has closed its own direction, too.
fn after_write_closed(row: Row) -> bool {
    matches!(row.state(), State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck)
}

fn judge_call(row: Row, call: Call, cell: &Cell) {
    let n = row.numbers();
    judge_call_view(row, call, cell);
    assert_eq!((cell.state, cell.ending), after_call(row, call), "{call:?} in {row:?}");
    if row == Row::TimeWait {
        assert_eq!(cell.left, oracle::TIME_WAIT - WAITED, "AB-4, LM-7: no call shortens or prolongs TIME-WAIT");
    }
    if call == Call::AbortUnread && row == Row::TimeWait {
        // A departure that stays (ARCHITECTURE.md): by AB-4 what is unread goes with the call, not with the handle.
        assert_eq!(cell.read, Some(Reads::to_the_end(b"xyz")));
    }
    if call.leaves_unread() && (call.is_of_reader() || call == Call::BothUnread) && row == Row::TimeWait {
        // The same for shutdown(Read), which HC-5 has drop what is unread.
        assert_eq!(cell.read, Some(Reads::to_the_end(b"xyz")));
    }
    assert!(!cell.forgotten, "CL-13: {call:?} in {row:?}");
    let reset = matches!(cell.ending, Some(Ending::Aborted { .. }));
    let fin = cell.state != row.state() && matches!(cell.state, State::FinWait1 | State::LastAck);
    let discards = matches!(call, Call::DiscardReading | Call::DiscardReadingUnread);
    match cell.sent.as_slice() {
        // A small write waits for the one that is under way (Nagle).
        [] => assert!(!reset && !fin, "{call:?} in {row:?}"),
        [one] if reset => one.assert_is(&seg().seq(n.nxt).ack(n.rcv).rst().win(0)),
        // The window opens (SHLD-14): a segment that HC-5 does not mean.
        [one] if call == Call::Read || row == Row::EstablishedFull && discards => {
            one.assert_is(&seg().seq(n.nxt).ack(n.rcv));
        }
        [one] if fin => one.assert_is(&seg().seq(n.nxt).ack(n.rcv).fin()),
        more => panic!("{call:?} in {row:?}: {}", wire(row, more)),
    }
}

/// AP-3, AP-11: what the caller of a close then sees.
fn judge_call_view(row: Row, call: Call, cell: &Cell) {
    let closes = call.closes();
    let lives = cell.ending.is_none() && !matches!(row.state(), State::Closed | State::TimeWait);
    if lives && cell.read.is_some() && (closes || call.is_of_reader()) {
        assert_eq!(cell.read, Some(Reads::to_the_end(b"")), "AP-11: {call:?} in {row:?}");
    }
    if !(lives && (closes || call == Call::ShutDown) && cell.write.is_some()) {
        return judge(row, &format!("{call:?}"), cell);
    }
    assert_eq!(cell.write, Some(Err(WriteError::ShutDown)), "AP-3: {call:?} in {row:?}");
}

/// TO-1 to TO-12, ZW-4 to ZW-6, OR-1, OR-2, CL-4: the state and the ending that time leads to.
fn after_wait(row: Row, wait: Wait) -> (State, Option<Ending>) {
    let state = row.state();
    let orphaned = match state {
        State::Established => State::FinWait1,
        State::CloseWait => State::LastAck,
        other => other,
    };
    let out = |phase, state| (State::Closed, Some(timed_out(phase, state)));
    let fin_in_flight = row.is_synchronized() && row.numbers().fin.is_some() && state != State::FinWait2;
    match (wait, state) {
        (_, State::TimeWait) => (State::Closed, None),
        (_, State::Closed | State::Listen) => (state, None),
        _ if wait == Wait::Drain || row == Row::FinWait2Draining => {
            (State::Closed, Some(aborted(Cause::PolicyLimit(Limit::DrainTime), orphaned)))
        }
        (Wait::OrphanSilence, State::SynSent) => (State::Closed, Some(Ending::Cancelled { state })),
        (_, State::SynReceived) if row.is_passive() => (State::Closed, None),
        // A user timeout is of data (RFC 5482); patience with a SYN is R2's (TO-1).
        (_, State::SynSent | State::SynReceived) => out(Phase::Connect, state),
        (Wait::Silence, State::FinWait2) if row == Row::FinWait2Orphan => out(Phase::FinWait2Orphan, state),
        (Wait::OrphanSilence | Wait::OrphanProbes, State::FinWait2) => out(Phase::FinWait2Orphan, state),
        (Wait::Keepalive, State::FinWait2) => out(Phase::Keepalive, state),
        (_, State::FinWait2) => (state, None),
        (Wait::OrphanProbes, _) => out(Phase::ZeroWindow, orphaned),
        (Wait::OrphanSilence, State::FinWait1) if row == Row::FinWait1Queued => out(Phase::ZeroWindow, state),
        (Wait::OrphanSilence, _) => out(Phase::Retransmission, orphaned),
        (Wait::Probes, _) => (state, None),
        (Wait::Idle, State::Established | State::CloseWait) => (state, None),
        (Wait::Idle, State::FinWait1) => (State::FinWait2, None),
        (Wait::Idle, State::Closing) => (State::Closed, Some(graceful(Order::Simultaneous))),
        (Wait::Idle, _) => (State::Closed, Some(graceful(Order::PeerFirst))),
        (Wait::Keepalive, _) if !fin_in_flight && row != Row::FinWait1Queued => out(Phase::Keepalive, state),
        (Wait::Silence | Wait::Keepalive, _) => out(Phase::Retransmission, state),
        (Wait::UserTimeout | Wait::Drain, _) => out(Phase::UserTimeout, state),
    }
}

fn judge_wait(row: Row, wait: Wait, cell: &Cell) {
    assert_eq!((cell.state, cell.ending), after_wait(row, wait), "{wait:?} in {row:?}");
    if wait != Wait::Idle {
        judge(row, &format!("{wait:?}"), cell);
    }
    assert_eq!(cell.forgotten, row.is_passive(), "TO-2: {wait:?} in {row:?}");
    let resets = cell.sent.iter().filter(|seen| seen.flags.has(Flags::RST)).count();
    let last = cell.sent.last().is_some_and(|seen| seen.flags.has(Flags::RST));
    let took = cell.took.as_secs();
    let (least, most) = match (cell.ending, wait) {
        (Some(Ending::TimedOut { phase: Phase::Connect, .. }), _) => (180, 300),
        (Some(Ending::TimedOut { phase: Phase::FinWait2Orphan, .. }), _) => (60, 60),
        (Some(Ending::TimedOut { phase: Phase::UserTimeout, .. }), _) => (30, 31),
        (Some(Ending::TimedOut { phase: Phase::Keepalive, .. }), _) => (90, 100),
        (Some(Ending::TimedOut { .. }), Wait::OrphanSilence | Wait::OrphanProbes) => (100, 200),
        (Some(Ending::TimedOut { .. }), _) => (100, DAY),
        (Some(Ending::Aborted { .. }), _) => (2, 2),
        // The whole of quarantine (AB-5), and an initial RTO (EO-2).
        (_, Wait::Silence) if row == Row::AfterAbort => (60, 60),
        (_, Wait::Silence) if row == Row::AfterCancel => (1, 1),
        (_, _) if row == Row::TimeWait => (60 - WAITED.as_secs(), 60 - WAITED.as_secs()),
        (_, _) => (0, DAY + 60),
    };
    assert!((least..=most).contains(&took), "{wait:?} in {row:?}: {took} s");
    // TO-1, TO-2, TO-9, TO-10: silently; TO-5, TO-6, TO-12, ZW-5: with one reset, and a second one for a peer that has
    // taken a probe beyond its window (AB-6).
    let silent = matches!(
        cell.ending,
        None | Some(Ending::TimedOut { phase: Phase::Connect | Phase::FinWait2Orphan, .. })
            | Some(Ending::Graceful { .. } | Ending::Cancelled { .. })
    );
    let shrunk = matches!(wait, Wait::OrphanProbes | Wait::Probes) || row == Row::FinWait1Queued;
    let allowed = if silent { 0..=0 } else { 1..=1 + usize::from(shrunk) };
    assert!(allowed.contains(&resets) && last == (resets > 0), "{wait:?} in {row:?}: {}", wire(row, &cell.sent));
}

// ---- the tests ---------------------------------------------------------------------------------------------------

/// EN-2, EN-1, EN-3, EN-4, EN-5; CL-1 to CL-8, CL-10, CL-11, CL-13; AB-1 to AB-5; FI-1 to FI-10, FI-12; FA-1 to FA-8;
/// RA-1 to RA-7, RA-9 to RA-14, RA-17; SY-1, SY-4; TO-1, TO-2, TO-5, TO-6, TO-8 to TO-12; ZW-4 to ZW-6; OR-1, OR-2,
/// OR-4; EO-2; HC-5; UD-1 to UD-8; AP-1 to AP-7, AP-11; RS-1, RS-3 to RS-5; SQ-3; FB-7, FR-5, FR-9; TW-3 to TW-5,
/// TW-8 to TW-10.
#[test]
fn en_2_every_event_in_every_state() {
    insta::assert_snapshot!(table(Place::PLAIN));
}

/// FB-6, EN-2: the same table over IPv6, and with both initial numbers at the wrap.
#[test]
fn fb_6_the_table_is_the_same_everywhere() {
    let plain = table(Place::PLAIN);
    for n in 0..5 {
        for v6 in [false, true] {
            let at = Place { v6, iss: u32::MAX - n, irs: u32::MAX - 4 + n };
            let here = table(at);
            let differs = plain.lines().zip(here.lines()).find(|(one, other)| one != other);
            assert_eq!(differs, None, "at {at:?}");
            assert_eq!(plain, here, "at {at:?}");
        }
    }
}
