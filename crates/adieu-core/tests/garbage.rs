//! Anything may come: random bytes, random segments of the right flow, real segments bent. Nothing panics, nothing
//! changes a connection that it must not change, and nothing draws more than one reply.

mod script;

use adieu_core::wire::{Flags, Packet};
use adieu_core::{Config, State};
use proptest::prelude::*;
use script::segment::ip_packet;
use script::states::{rcv_nxt, snd_nxt};
use script::{Script, Seg, config, ms, secs, seg};

const WINDOW: i64 = 65_535;

const STATES: [State; 7] = [
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

/// What is injected, in parts, so that a rule can judge it without asking the code under test.
#[derive(Clone, Debug)]
struct Shot {
    seq: i32,
    ack: i32,
    bits: u8,
    data: Vec<u8>,
    window: u16,
    options: Vec<u8>,
    broken: bool,
}

impl Shot {
    fn has(&self, flag: Flags) -> bool {
        Flags::from_bits(self.bits).has(flag)
    }

    fn seg(&self) -> Seg {
        let built = seg().seq(self.seq).flag(Flags::from_bits(self.bits)).data(&self.data).win(self.window);
        let built = built.options(&self.options);
        let built = if self.has(Flags::ACK) { built.ack(self.ack) } else { built };
        if self.broken { built.broken() } else { built }
    }

    fn len(&self) -> i64 {
        self.seg().len()
    }
}

fn shot() -> impl Strategy<Value = Shot> {
    let number = || prop_oneof![4 => -3..6i32, 1 => 65_530..65_545i32, 1 => -65_540..-65_530i32, 1 => any::<i32>()];
    let options = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec![2, 4, 0, 1]),
        1 => Just(vec![1, 1, 1, 0]),
        1 => Just(vec![3, 3, 14, 4, 2, 8, 10, 0]),
        1 => prop::collection::vec(any::<u8>(), 0..10).prop_map(|words| words.iter().flat_map(|w| [*w; 4]).collect()),
    ];
    let bits = prop_oneof![3 => any::<u8>(), 2 => Just(0x10u8), 1 => Just(0x11u8), 1 => Just(0x04u8)];
    let data = prop_oneof![2 => Just(Vec::new()), 2 => prop::collection::vec(any::<u8>(), 1..6)];
    let window = prop_oneof![any::<u16>(), Just(0), Just(65_535)];
    (number(), number(), bits, data, window, options, prop::bool::weighted(0.05)).prop_map(
        |(seq, ack, bits, data, window, options, broken)| Shot { seq, ack, bits, data, window, options, broken },
    )
}

/// From the rules of RFC 9293 section 3.10.7.4, RFC 5961 and RFC 1337 alone: this segment must change nothing that
/// the application or a receipt can see. `false` says nothing.
fn must_not_change(state: State, shot: &Shot) -> bool {
    let (expected, sent) = (i64::from(rcv_nxt(state)), i64::from(snd_nxt(state)));
    let (seq, ack, len) = (i64::from(shot.seq), i64::from(shot.ack), shot.len());
    let offset = seq - expected;
    let inside = |at: i64| (0..WINDOW).contains(&at);
    if shot.broken {
        return true;
    }
    if shot.has(Flags::RST) {
        // Only the exact number, and one less where it is the FIN's (RA-7). Never in TIME-WAIT.
        let at_fin = offset == -1 && matches!(state, State::CloseWait | State::Closing | State::LastAck);
        return state == State::TimeWait || !(offset == 0 || at_fin);
    }
    if shot.has(Flags::SYN) {
        // A challenge at the most, but TIME-WAIT may be reopened.
        return state != State::TimeWait || offset < 0 || shot.has(Flags::ACK);
    }
    if !shot.has(Flags::ACK) || state == State::TimeWait {
        return true;
    }
    let acceptable = if len == 0 { inside(offset) } else { inside(offset) || inside(offset + len - 1) };
    let sq_3 = offset + len == 0 && len > 0 || offset == -1 && len == 0;
    let ack_is_news = ack == sent && sent == 2;
    let ack_in_range = ack <= sent && ack >= 0;
    !ack_in_range || !(acceptable || sq_3) || (sq_3 && !ack_is_news) || (len == 0 && !ack_is_news)
}

/// What the application and the receipts can see.
fn visible(s: &mut Script) -> (State, State, Option<adieu_core::Ending>, Vec<u8>, usize, usize) {
    let mut probe = s.stack.clone();
    let mut out = [0; 100];
    let n = probe.read(s.now, s.id(), &mut out).unwrap_or(0);
    let left = s.stack.leftover();
    (s.state(), s.flow_state(), s.ending(), out[..n].to_vec(), left.connections + left.openings, left.time_waits)
}

fn one_shot(state: State, shot: &Shot) {
    let mut s = Script::in_state(state);
    s.advance(ms(120));
    s.take();
    let before = visible(&mut s);
    s.send(shot.seg());
    let replies = s.take();
    assert!(replies.len() <= 1, "{state}: {replies:?}");
    if shot.has(Flags::RST) || shot.broken {
        let challenged = replies.iter().all(|seen| seen.flags == Flags::ACK);
        assert!(challenged && (!shot.broken || replies.is_empty()), "{state}: {replies:?}");
    }
    // INV-14: a synchronized state resets nobody for a segment it does not like.
    assert!(replies.iter().all(|seen| !seen.flags.has(Flags::RST)), "{state}: {replies:?}");
    if must_not_change(state, shot) {
        assert_eq!(visible(&mut s), before, "{shot:?} in {state}");
    }
    s.receipts();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inv_16_one_segment_in_any_state(state in prop::sample::select(&STATES[..]), shot in shot()) {
        one_shot(state, &shot);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Many of them, with calls of the application and time in between: bounded memory, bounded replies, no panic, and
    /// nothing left over.
    #[test]
    fn inv_16_20_21_many_segments(
        shots in prop::collection::vec((shot(), 0..12u8), 1..60),
        active in any::<bool>(),
        small in any::<bool>(),
    ) {
        let receive_buffer = if small { 100 } else { 65_535 };
        let config = Config { receive_buffer, syn_backlog: 4, ..config() };
        let mut s = if active { Script::syn_sent(config) } else { Script::syn_received(config) };
        if active {
            s.listen();
        }
        for (shot, what) in shots {
            s.inject(&shot.seg());
            let mut new_data = 0;
            s.poll();
            let replies = s.take();
            for seen in &replies {
                new_data += usize::from(!seen.data.is_empty() || seen.flags.has(Flags::FIN));
            }
            // A farewell beyond the peer's window is said twice, once in a connection's life (AB-6).
            new_data += usize::from(replies.iter().filter(|seen| seen.flags.has(Flags::RST)).count() == 2);
            prop_assert!(replies.len() <= 1 + new_data, "{:?}: {:?}", shot, replies);
            act(&mut s, what);
            s.take();
            let left = s.stack.leftover();
            prop_assert!(left.bytes <= 4 * 65_535 + 262_144 && left.openings <= 5, "{:?}", left);
            let records = left.time_waits + left.quarantined + left.abandoned;
            prop_assert!(left.flows <= left.openings + left.connections + records);
        }
        s.receipts();
        if let Some(handle) = s.handle.take() {
            s.stack.release(s.now, handle);
        }
        s.advance(secs(4000));
        s.take();
        s.receipts();
        s.finish();
    }

    /// Real segments with bytes bent: without a valid checksum they are nothing at all.
    #[test]
    fn inv_16_a_bent_segment_is_nothing(
        state in prop::sample::select(&STATES[..]),
        bends in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut s = Script::in_state(state);
        s.advance(ms(120));
        s.take();
        let before = visible(&mut s);
        let mut packet = seg().seq(1).ack(1).fin().data(b"data").packet(&s.flow, s.iss, s.irs);
        for (at, with) in &bends {
            let at = at.index(packet.len());
            packet[at] ^= with;
        }
        if let Some(cut) = cut {
            packet.truncate(cut.index(packet.len()));
        }
        let seen_before = s.stack.stats();
        s.stack.handle_packet(s.now, Packet::new(&packet));
        s.poll();
        let stats = s.stack.stats();
        let dropped = |stats: adieu_core::Stats| stats.malformed + stats.bad_checksum + stats.not_ours;
        if dropped(stats) > dropped(seen_before) {
            prop_assert_eq!(visible(&mut s), before);
            s.expect_nothing();
        }
    }

    /// Random bytes behind a valid IPv4 header, and none at all.
    #[test]
    fn inv_16_random_bytes(body in prop::collection::vec(any::<u8>(), 0..80), raw in any::<bool>()) {
        let mut s = Script::in_state(State::Established);
        let before = visible(&mut s);
        let packet = if raw { body } else { ip_packet(&s.flow, &body) };
        s.stack.handle_packet(s.now, Packet::new(&packet));
        s.poll();
        prop_assert_eq!(visible(&mut s), before);
    }
}

fn act(s: &mut Script, what: u8) {
    if s.handle.is_none() {
        s.accept();
        return;
    }
    let (now, id) = (s.now, s.id());
    match what {
        0 => _ = s.stack.write(now, id, &[1; 3000]),
        1 => _ = s.read(50),
        2 => s.shut_down(),
        3 => s.advance(ms(300)),
        4 => s.advance(secs(30)),
        5 if s.ending().is_some() => s.release(),
        6 => s.close(),
        7 => s.abort(),
        _ => {}
    }
    s.poll();
}
