//! Closing with timestamps: what a segment's time decides, what it does not, and what a SYN's decides in TIME-WAIT.

mod script;

use std::ops::{Deref, DerefMut};

use adieu_core::wire::{Flags, Timestamps};
use adieu_core::{Config, Ending, Instant, Order, State};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{START, Script, Seg, config, graceful, ms, secs, seg, stamps};

/// What the peer's clock shows in its SYN and in all that leads to the state under test: TS.Recent.
const RECENT: u32 = 1_000_000;

/// A connection with timestamps, and what our clock is ahead of the script's.
struct Stamped {
    script: Script,
    offset: u32,
}

impl Deref for Stamped {
    type Target = Script;

    fn deref(&self) -> &Script {
        &self.script
    }
}

impl DerefMut for Stamped {
    fn deref_mut(&mut self) -> &mut Script {
        &mut self.script
    }
}

fn millis(at: Instant) -> u32 {
    u32::try_from(at.as_nanos() / 1_000_000).unwrap()
}

impl Stamped {
    /// ESTABLISHED; the third segment has come 10 ms after the second.
    fn new() -> Self {
        let mut script = Script::with(config(), 7_000_000, START);
        script.listen();
        script.send(seg().syn().options(&stamps(RECENT, 0)));
        let seen = script.take_one();
        script.iss = seen.raw.0;
        let value = seen.options.timestamps.expect("both want timestamps").value;
        let mut s = Self { offset: value.wrapping_sub(millis(script.now)), script };
        s.advance(ms(10));
        s.send_at(seg().seq(1).ack(1), RECENT);
        s.expect_nothing();
        assert!(s.accept());
        s
    }

    /// Our clock when the script's shows `at`.
    fn ours(&self, at: Instant) -> u32 {
        millis(at).wrapping_add(self.offset)
    }

    /// A segment whose time is `value` on the peer's clock, echoing the present of ours.
    fn at(&self, segment: Seg, value: u32) -> Seg {
        segment.options(&stamps(value, self.ours(self.now)))
    }

    fn send_at(&mut self, segment: Seg, value: u32) {
        let segment = self.at(segment, value);
        self.send(segment);
    }

    fn in_state(state: State) -> Self {
        let mut s = Self::new();
        let first = match state {
            State::CloseWait | State::LastAck => Some(seg().seq(1).ack(1).fin()),
            _ => None,
        };
        if let Some(first) = first {
            s.send_at(first, RECENT);
        }
        if !matches!(state, State::Established | State::CloseWait) {
            s.shut_down();
        }
        let then = match state {
            State::FinWait2 => vec![seg().seq(1).ack(2)],
            State::Closing => vec![seg().seq(1).ack(1).fin()],
            State::TimeWait => vec![seg().seq(1).ack(2), seg().seq(1).ack(2).fin()],
            _ => vec![],
        };
        for segment in then {
            s.send_at(segment, RECENT);
        }
        s.take();
        assert_eq!(s.state(), state);
        s
    }

    /// One reply, a bare ACK of where we are, that echoes `recent`; and nothing has changed.
    #[track_caller]
    fn expect_challenge(&mut self, state: State, recent: u32) {
        let seen = self.take_one();
        seen.assert_is(&seg().seq(snd_nxt(state)).ack(rcv_nxt(state)));
        assert_eq!(seen.options.timestamps.map(|stamp| stamp.echo), Some(recent), "{state}: TS.Recent");
        assert_eq!(self.state(), state);
    }
}

/// Times that are nothing, ancient, just old, the same, new, and half the circle away.
const TIMES: [Option<u32>; 7] =
    [None, Some(0), Some(1), Some(RECENT - 1), Some(RECENT), Some(RECENT + 1), Some(RECENT.wrapping_add(1 << 31))];

#[test]
fn ra_18_an_exact_reset_counts_whatever_its_time() {
    for state in SYNCHRONIZED {
        for (time, ack) in TIMES.into_iter().flat_map(|time| [(time, None), (time, Some(1))]) {
            let mut s = Stamped::in_state(state);
            let reset = seg().seq(rcv_nxt(state)).rst();
            let reset = ack.map_or(reset.clone(), |ack| reset.ack(ack));
            match time {
                Some(value) => s.send_at(reset, value),
                None => s.send(reset),
            }
            s.expect_nothing();
            assert_eq!(s.ending(), Some(Ending::ResetByPeer { state }), "{state} at {time:?}");
            s.script.finish();
        }
    }
}

/// RA-18: a reset elsewhere is no more than it is without a time, and its time is not kept.
#[test]
fn ra_18_the_time_of_a_reset_saves_none_and_is_not_kept() {
    for (state, time) in SYNCHRONIZED.into_iter().flat_map(|state| TIMES.map(|time| (state, time))) {
        let mut s = Stamped::in_state(state);
        let sent = [seg().seq(rcv_nxt(state) + 5).rst(), seg().seq(rcv_nxt(state) + 70_000).rst()];
        for (reset, challenged) in sent.into_iter().zip([true, false]) {
            match time {
                Some(value) => s.send_at(reset, value),
                None => s.send(reset),
            }
            if challenged {
                s.expect_challenge(state, RECENT);
            }
            s.expect_nothing();
            assert_eq!(s.state(), state);
        }
        // What is as new as TS.Recent still passes, so that did not move on.
        s.advance(ms(1));
        s.send_at(seg().seq(rcv_nxt(state)).ack(snd_nxt(state)).rst(), RECENT);
        assert_eq!(s.ending(), Some(Ending::ResetByPeer { state }));
        s.script.finish();
    }
    for time in TIMES {
        let mut s = Stamped::in_state(State::TimeWait);
        let reset = seg().seq(2).rst();
        let reset = time.map_or(reset.clone(), |value| s.at(reset, value));
        s.send(reset);
        s.expect_nothing();
        assert_eq!(s.state(), State::TimeWait, "{time:?}");
        s.script.finish();
    }
}

/// SY-7: not silence (a peer that has rebooted without timestamps would never be found out), and not two answers.
#[test]
fn sy_7_a_syn_without_time_or_with_an_old_one_gets_one_challenge() {
    for state in SYNCHRONIZED {
        for time in [None, Some(0), Some(RECENT - 1)] {
            for place in [-1, 0, 100, 70_000, -70_000] {
                let mut s = Stamped::in_state(state);
                let syn = seg().seq(rcv_nxt(state) + place).syn();
                match time {
                    Some(value) => s.send_at(syn, value),
                    None => s.send(syn),
                }
                s.expect_challenge(state, RECENT);
                s.script.finish();
            }
        }
    }
}

/// SY-7 in full: the challenge makes the peer that has rebooted send the reset that frees us.
#[test]
fn sy_7_a_peer_that_has_rebooted_without_timestamps_is_found_out() {
    let mut s = Stamped::new();
    s.send(seg().seq(500_000).syn());
    s.expect_challenge(State::Established, RECENT);
    s.send(seg().seq(1).rst());
    assert_eq!(s.ending(), Some(Ending::ResetByPeer { state: State::Established }));
    s.script.finish();
}

#[test]
fn fs_9_a_fin_and_its_repeats_tell_the_time_they_leave() {
    for state in [State::FinWait1, State::LastAck, State::Closing] {
        let mut s = Stamped::new();
        if state == State::LastAck {
            s.send_at(seg().seq(1).ack(1).fin(), RECENT + 5);
            s.take();
        }
        s.shut_down();
        let mut seen = vec![(s.take_one(), s.ours(s.now))];
        if state == State::Closing {
            s.send_at(seg().seq(1).ack(1).fin(), RECENT + 5);
            s.take();
        }
        while seen.len() < 5 {
            s.next_timer().unwrap();
            let now = s.ours(s.now);
            seen.extend(s.take().into_iter().map(|seen| (seen, now)));
        }
        assert_eq!(s.state(), state);
        for (n, (fin, clock)) in seen.into_iter().enumerate() {
            let first = n == 0 && state == State::Closing;
            let (ack, echo) = if state == State::FinWait1 || first { (1, RECENT) } else { (2, RECENT + 5) };
            fin.assert_is(&seg().seq(1).ack(ack).fin());
            assert_eq!(fin.options.timestamps, Some(Timestamps { value: clock, echo }), "{state}, number {n}");
        }
        s.script.finish();
    }
}

/// FS-9: an echo is a measurement only where it acknowledges something new.
#[test]
fn fs_9_only_an_ack_that_advances_measures() {
    let mut s = Stamped::new();
    let before = s.info().rtt;
    assert_eq!(before, ms(10), "the handshake's");
    s.shut_down();
    let sent = s.ours(s.now);
    s.take();
    s.advance(ms(90));
    for _ in 0..3 {
        s.send(seg().seq(1).ack(1).options(&stamps(RECENT + 1, sent)));
        s.send(seg().seq(1).ack(1).data(b"x").options(&stamps(RECENT + 1, sent)));
        assert_eq!(s.info().rtt, before, "nothing new is acknowledged");
    }
    s.send(seg().seq(2).ack(2).options(&stamps(RECENT + 2, sent)));
    assert_eq!(s.state(), State::FinWait2);
    // 7/8 of 10 ms and 1/8 of 90 ms.
    assert_eq!(s.info().rtt, ms(20));
    s.script.finish();
}

/// FS-9: with timestamps the echo says which of the FINs was answered.
#[test]
fn fs_9_the_echo_of_a_repeat_measures_the_repeat() {
    for first in [false, true] {
        let mut s = Stamped::new();
        s.shut_down();
        let mut sent = s.ours(s.now);
        s.take();
        let waited = s.next_timer().unwrap();
        assert_eq!(s.take().len(), 1, "the FIN again");
        if !first {
            sent = s.ours(s.now);
        }
        s.advance(ms(10));
        s.send(seg().seq(1).ack(2).options(&stamps(RECENT, sent)));
        assert_eq!(s.state(), State::FinWait2);
        let sample = if first { waited + ms(10) } else { ms(10) };
        assert_eq!(s.info().rtt, (ms(10) * 7 + sample) / 8, "{first}");
        s.script.finish();
    }
}

/// FS-9: an echo with a selective acknowledgment of a FIN that was sent twice advances nothing, and measures nothing.
#[test]
fn fs_9_a_fin_that_was_only_sacked_gives_no_echo_to_measure() {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    s.send(seg().syn().options(&[vec![4, 2, 1, 1], stamps(RECENT, 0)].concat()));
    s.learn_iss();
    s.advance(ms(10));
    s.send(seg().seq(1).ack(1).options(&stamps(RECENT, 0)));
    assert!(s.accept());
    s.write(&[7; 100]);
    s.shut_down();
    let mut sent: Vec<_> = s.take();
    while sent.iter().filter(|seen| seen.flags.has(Flags::FIN)).count() < 2 {
        s.next_timer().unwrap();
        sent.extend(s.take());
    }
    let (echo, before) = (sent[0].options.timestamps.unwrap().value, s.info().rtt);
    assert_eq!((before, s.state()), (ms(10), State::FinWait1));
    let block = [s.iss + 101, s.iss + 102].map(|seq| seq.0.to_be_bytes()).concat();
    s.send(seg().seq(1).ack(1).options(&[vec![1, 1, 5, 10], block, stamps(RECENT, echo)].concat()));
    assert_eq!((s.info().sacked, s.info().rtt), (1, before));
    s.take();
    s.finish();
}

/// FS-9, RFC 6298 section 3 (Karn): without timestamps nobody knows which of the FINs was answered.
#[test]
fn fs_9_without_timestamps_a_fin_sent_twice_is_no_measurement() {
    for again in [false, true] {
        let mut s = Script::syn_received(config());
        s.advance(ms(10));
        s.send(seg().seq(1).ack(1));
        assert!(s.accept());
        assert_eq!(s.info().rtt, ms(10));
        s.shut_down();
        s.take();
        if again {
            s.next_timer().unwrap();
            s.expect_only(seg().seq(1).ack(1).fin());
        }
        s.advance(ms(18));
        s.send(seg().seq(1).ack(2));
        assert_eq!(s.state(), State::FinWait2);
        assert_eq!(s.info().rtt, if again { ms(10) } else { ms(11) });
        s.finish();
    }
}

/// FR-12: whatever it carries, and wherever it lies: PAWS comes before the sequence number, and before the ACK field.
#[test]
fn fr_12_what_is_older_than_the_last_is_acknowledged_and_dropped() {
    for state in SYNCHRONIZED {
        let (next, sent) = (rcv_nxt(state), snd_nxt(state));
        let old = [
            seg().seq(next).ack(sent).fin(),
            seg().seq(next).ack(sent).data(b"old"),
            seg().seq(next).ack(sent).data(b"old").fin(),
            seg().seq(next).ack(sent),
            seg().seq(next - 1).ack(sent).fin(),
            seg().seq(next - 1).ack(sent),
        ];
        for (segment, age) in old.into_iter().flat_map(|old| [1, 1000, 1 << 30].map(|age| (old.clone(), age))) {
            let mut s = Stamped::in_state(state);
            s.advance(ms(1));
            let (timer, acked) = (s.stack.poll_timeout(), s.info().bytes_acked);
            s.send_at(segment.clone(), RECENT.wrapping_sub(age));
            s.expect_challenge(state, RECENT);
            assert_eq!((s.stack.unread(s.id()), s.info().bytes_acked), (0, acked), "{state}: {segment:?}");
            assert!(s.ending().is_none() && !s.stack.is_finished(s.id()) || state == State::FinWait2, "{segment:?}");
            assert_eq!(s.stack.poll_timeout(), timer, "{state}: {segment:?}");
            s.script.finish();
        }
    }
}

/// FR-12, 3.39: such answers are paced like all that lie outside the window.
#[test]
fn fr_12_the_answers_are_paced() {
    let mut s = Stamped::new();
    for _ in 0..100 {
        s.send_at(seg().seq(1).ack(1).fin(), RECENT - 1);
        s.advance(ms(10));
    }
    assert_eq!((s.take().len(), s.state()), (2, State::Established));
    s.script.finish();
}

/// FR-12: the same FIN with a time that is not older is taken, also with just the same.
#[test]
fn fr_12_the_same_time_is_not_older() {
    for (value, time) in [(RECENT, "same"), (RECENT + 1, "newer"), (RECENT + (1 << 31) - 1, "just newer")] {
        let mut s = Stamped::in_state(State::FinWait2);
        s.send_at(seg().seq(1).ack(2).fin(), value);
        assert_eq!(s.state(), State::TimeWait, "{time}");
        s.script.finish();
    }
}

/// FR-12: in TIME-WAIT an old FIN is answered and restarts nothing (TW-3).
#[test]
fn fr_12_an_old_fin_restarts_no_wait() {
    for (value, restarts) in [(RECENT - 1, false), (RECENT, true)] {
        let mut s = Stamped::in_state(State::TimeWait);
        s.advance(secs(30));
        s.send_at(seg().seq(1).ack(2).fin(), value);
        s.expect_only(seg().seq(2).ack(2));
        s.advance(secs(30));
        assert_eq!(s.flow_state() == State::TimeWait, restarts, "{value}");
        s.script.finish();
    }
}

/// FR-12, RFC 7323 section 5.5: after more than 24 days without a segment the peer's clock may have gone round.
#[test]
fn fr_12_the_last_time_is_void_after_24_days() {
    let days = secs(24 * 24 * 3600);
    for state in [State::Established, State::FinWait2, State::CloseWait] {
        let segment = match state {
            State::CloseWait => seg().seq(2).ack(1),
            _ => seg().seq(1).ack(snd_nxt(state)).fin(),
        };
        for (idle, taken) in [(days - secs(1), false), (days + secs(1), true)] {
            let mut s = Stamped::in_state(state);
            s.advance(idle);
            s.send_at(segment.clone(), RECENT - 1);
            let echo = s.take().first().map(|seen| seen.options.timestamps.unwrap().echo);
            if state == State::CloseWait {
                // A bare ACK shows it by silence, and by what is echoed next.
                s.write(b"x");
                let recent = if taken { RECENT - 1 } else { RECENT };
                assert_eq!((echo.is_none(), s.take_one().options.timestamps.unwrap().echo), (taken, recent));
            } else {
                assert_eq!(
                    (s.state() != state, echo),
                    (taken, Some(if taken { RECENT - 1 } else { RECENT })),
                    "{state}"
                );
            }
            s.script.finish();
        }
    }
}

/// FR-13: silent, without effect, without a restart of any timer; and counted.
#[test]
fn fr_13_without_the_time_that_was_agreed_on_it_is_dropped_and_counted() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        let (next, sent) = (rcv_nxt(state), snd_nxt(state));
        let (next, sent) = if state == State::TimeWait { (2, 2) } else { (next, sent) };
        let bare = [
            seg().seq(next).ack(sent).fin(),
            seg().seq(next).ack(sent).data(b"data"),
            seg().seq(next).ack(sent),
            seg().seq(next - 1).ack(sent).fin(),
            seg().seq(next + 70_000).ack(sent),
            seg().seq(next).ack(sent + 100),
        ];
        let mut s = Stamped::in_state(state);
        s.advance(ms(1));
        let timer = s.stack.poll_timeout();
        for (n, segment) in (1..).zip(bare) {
            s.send(segment.clone());
            s.expect_nothing();
            assert_eq!((s.state(), s.stack.poll_timeout()), (state, timer), "{state}: {segment:?}");
            assert_eq!((s.stack.unread(s.id()), s.stack.stats().unstamped), (0, n), "{state}: {segment:?}");
        }
        // What has its time is not counted, nor is a reset without one.
        s.send_at(seg().seq(next).ack(sent), RECENT);
        s.send(seg().seq(next + 1).rst());
        assert_eq!(s.stack.stats().unstamped, 6, "{state}");
        s.script.finish();
    }
}

/// FR-13: the handshake's last segment, too.
#[test]
fn fr_13_the_third_segment_needs_its_time() {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    s.send(seg().syn().options(&stamps(RECENT, 0)));
    s.learn_iss();
    s.send(seg().seq(1).ack(1).fin());
    s.expect_nothing();
    assert_eq!((s.flow_state(), s.stack.stats().unstamped), (State::SynReceived, 1));
    s.finish();
}

/// A line of the table of RFC 6191 section 2: whether the old connection had timestamps, the time in the SYN, where it
/// begins beyond the number of the peer's FIN, and whether it may reopen.
type Line = (bool, Option<u32>, i32, bool);

const TABLE: [Line; 17] = [
    (true, Some(RECENT + 1), -100_000, true),
    (true, Some(RECENT + 1), 0, true),
    (true, Some(RECENT + (1 << 31) - 1), 0, true),
    (true, Some(RECENT), 1, true),
    (true, Some(RECENT), 100_000, true),
    (true, Some(RECENT), 0, false),
    (true, Some(RECENT), -100_000, false),
    (true, Some(RECENT - 1), 100_000, false),
    (true, Some(RECENT.wrapping_add((1 << 31) + 1)), 100_000, false),
    (true, None, 1, true),
    (true, None, 0, false),
    (true, None, -1, false),
    (false, Some(0), -100_000, true),
    (false, Some(RECENT), 100_000, true),
    (false, None, 1, true),
    (false, None, 0, false),
    (false, None, -100_000, false),
];

/// SY-5, TW-8: in TIME-WAIT a SYN reopens, or is challenged and restarts nothing; it is never reset.
#[test]
fn sy_5_a_syn_in_time_wait_is_judged_by_the_table() {
    for (stamped, time, beyond, accepted) in TABLE {
        let line = format!("{stamped} {time:?} {beyond}");
        let mut s = if stamped { Stamped::in_state(State::TimeWait).script } else { Script::in_state(State::TimeWait) };
        assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)));
        s.advance(secs(40));
        // The peer's FIN is at 1.
        let syn = seg().seq(1 + beyond).syn();
        s.send(time.map_or(syn.clone(), |value| syn.options(&stamps(value, 0))));
        if accepted {
            let seen = s.take_one();
            seen.assert_is(&seg().seq(seen.seq).ack(2 + beyond).syn());
            assert!(seen.seq >= 2 + 65_537, "{line}: beyond the old connection's numbers (TW-10)");
            // The old record is hidden, for it may come back (TW-9).
            assert_eq!((s.flow_state(), s.stack.leftover().flows), (State::SynReceived, 1), "{line}");
        } else {
            s.expect_only(seg().seq(2).ack(2));
            assert_eq!(s.flow_state(), State::TimeWait, "{line}");
            s.advance(secs(20));
            assert_eq!(s.flow_state(), State::Closed, "{line}: not restarted");
        }
        assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)), "{line}: the old ending stands");
        s.finish();
    }
}

/// SY-5: neither a SYN with ACK nor one for nobody reopens.
#[test]
fn sy_5_no_syn_ack_and_nobody_who_listens() {
    let mut s = Script::in_state(State::TimeWait);
    s.advance(secs(1));
    s.send(seg().seq(100_000).ack(2).syn());
    s.expect_only(seg().seq(2).ack(2));
    s.unlisten();
    s.advance(secs(1));
    s.send(seg().seq(100_000).syn());
    s.expect_only(seg().seq(2).ack(2));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.finish();
    // Where timestamps are switched off now, the SYN's count for nothing.
    let mut s = Stamped::in_state(State::TimeWait);
    s.stack.reconfigure(|config: &mut Config| config.timestamps = false);
    s.advance(secs(1));
    s.send_at(seg().seq(1).syn(), RECENT + 1);
    s.expect_only(seg().seq(2).ack(2));
    s.send_at(seg().seq(2).syn(), RECENT + 1);
    assert_eq!(s.flow_state(), State::SynReceived);
    s.take();
    s.script.finish();
}
