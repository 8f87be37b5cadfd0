//! SYNs in synchronized states and in SYN-RECEIVED (1.2.6), and odd flags (FR-9, FR-10).

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Ending, State};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{Script, config, ms, secs, seg};

/// SY-1
#[test]
fn sy_1_a_syn_draws_a_challenge_wherever_it_lies() {
    for state in SYNCHRONIZED {
        for seq in [0, 1, 2, 3, 60_000, 70_000, -100_000] {
            for ack in [None, Some(1), Some(2)] {
                let mut s = Script::in_state(state);
                let syn = seg().seq(seq).syn();
                s.send(ack.map_or(syn.clone(), |ack| syn.ack(ack)));
                s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)));
                assert_eq!((s.state(), s.ending()), (state, None), "{state} {seq} {ack:?}");
                s.finish();
            }
        }
    }
}

/// SY-2, SY-3: the peer has rebooted; its reset of our challenge ends the old connection, its next SYN opens a new one.
#[test]
fn sy_2_sy_3_a_rebooted_peer_gets_through_after_one_syn_timeout() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        let syn = seg().seq(1_000_000).syn();
        s.send(syn.clone());
        let challenge = s.take_one();
        s.send(seg().seq(challenge.ack.unwrap()).rst());
        s.expect_nothing();
        assert_eq!(s.ending(), Some(Ending::ResetByPeer { state }));
        s.advance(secs(1));
        s.send(syn);
        let seen = s.take_one();
        assert_eq!((seen.flags, seen.ack), (Flags::SYN.with(Flags::ACK), Some(1_000_001)));
        s.finish();
    }
}

/// SY-4
#[test]
fn sy_4_a_syn_in_syn_received() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(5).syn());
    s.expect_only(seg().seq(1).ack(1));
    assert_eq!(s.flow_state(), State::SynReceived);
    s.advance(ms(500));
    s.send(seg().seq(0).syn());
    s.expect_only(seg().syn().ack(1));
    s.send(seg().seq(1).ack(1));
    assert!(s.accept());
    s.finish();
}

/// SY-4, 3.39: challenges in SYN-RECEIVED are counted like all others.
#[test]
fn sy_4_challenges_in_syn_received_have_a_budget() {
    for segment in [seg().seq(5).syn(), seg().seq(5).rst(), seg().seq(-100).ack(1)] {
        let mut s = Script::syn_received(config());
        for _ in 0..100 {
            s.send(segment.clone());
        }
        let replies = s.take().len();
        assert!((1..=10).contains(&replies), "{replies} replies in one instant to {segment:?}");
        s.finish();
    }
}

/// FR-9
#[test]
fn fr_9_a_syn_with_fin_and_data_opens_and_no_more() {
    let mut s = Script::new();
    s.listen();
    s.send(seg().syn().fin().data(b"early"));
    s.learn_iss();
    s.send(seg().seq(1).ack(1));
    assert!(s.accept());
    assert_eq!(s.state(), State::Established);
    assert!(s.read(10).is_err());
    s.send(seg().seq(1).ack(1).fin().data(b"early"));
    s.expect_only(seg().seq(1).ack(7));
    assert_eq!(s.read_all(), (b"early".to_vec(), true));
    s.finish();
}

/// FI-2
#[test]
fn fi_2_fin_to_a_listener() {
    let mut s = Script::new();
    s.listen();
    s.send(seg().seq(4).fin());
    s.expect_nothing();
    s.send(seg().seq(4).fin().ack(7));
    s.expect_only(seg().seq(7).rst());
    s.finish();
}

/// FI-1
#[test]
fn fi_1_fin_to_nobody() {
    let mut s = Script::new();
    s.send(seg().seq(4).fin().ack(7));
    s.expect_only(seg().seq(7).rst());
    s.send(seg().seq(4).fin());
    let seen = s.take_one();
    assert_eq!((seen.raw.0.0, seen.ack, seen.flags), (0, Some(5), Flags::RST.with(Flags::ACK)));
    s.finish();
}

/// FI-3
#[test]
fn fi_3_fin_in_syn_sent() {
    let mut s = Script::syn_sent(config());
    s.send(seg().seq(4).fin());
    s.expect_nothing();
    assert_eq!(s.state(), State::SynSent);
    s.send(seg().syn().ack(1).fin().data(b"all"));
    let seen = s.take_one();
    let state = s.state();
    if state == State::CloseWait {
        assert_eq!(seen.ack, Some(5));
        assert_eq!(s.read_all(), (b"all".to_vec(), true));
    } else {
        assert_eq!((state, seen.ack), (State::Established, Some(1)));
    }
    s.finish();
}

/// FI-4, with room and without.
#[test]
fn fi_4_the_third_ack_brings_data_and_fin() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).fin().data(b"all"));
    s.expect_only(seg().seq(1).ack(5));
    assert!(s.accept());
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_all(), (b"all".to_vec(), true));
    s.finish();

    let mut s = Script::syn_received(adieu_core::Config { accept_backlog: 0, ..config() });
    s.send(seg().seq(1).ack(1).fin().data(b"all"));
    s.expect_nothing();
    assert_eq!(s.flow_state(), State::SynReceived);
    s.finish();
}

/// FR-10: every combination of flags in every state, at numbers in the window, at its edges and outside.
#[test]
fn fr_10_all_flags_in_all_states() {
    for state in SYNCHRONIZED.into_iter().chain([State::TimeWait]) {
        for bits in 0..=u8::MAX {
            let flags = Flags::from_bits(bits);
            for seq in [-1, 0, 1, 2, 3, 65_000, 70_000] {
                let mut s = Script::in_state(state);
                let segment = seg().seq(seq).data(b"x").flag(flags);
                s.send(if flags.has(Flags::ACK) { segment.ack(1) } else { segment });
                let replies = s.take();
                assert!(replies.len() <= 1, "{state} {flags} {seq}: {replies:?}");
                assert!(replies.iter().all(|seen| !seen.flags.has(Flags::RST)), "{state} {flags} {seq}: {replies:?}");
                let reopens = state == State::TimeWait && flags.has(Flags::SYN);
                if !flags.has(Flags::ACK) && !flags.has(Flags::RST) && !reopens {
                    assert_eq!(s.state(), state, "{flags} {seq}");
                }
                s.poll();
            }
        }
    }
}
