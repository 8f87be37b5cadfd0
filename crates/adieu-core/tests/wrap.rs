//! Sequence numbers at the wrap (FB-6): every way to close, with either FIN at every place around 2^32.

mod script;

use adieu_core::{Instant, Order, State};
use script::{Script, config, graceful, ms, secs, seg};

/// An instant at which the stack's initial number for the script's flow is `wanted`: it moves by one every 4 us.
fn instant_for(wanted: u32) -> Instant {
    let s = Script::with(config(), 1, Instant::ZERO).into_syn_sent();
    Instant::from_micros(4 * u64::from(wanted.wrapping_sub(s.iss.0)))
}

/// With initial numbers around the wrap: FIN.S and FIN.R come to lie on each of 2^32 - 3 to 2.
fn around_the_wrap(test: impl Fn(u32, u32)) {
    for ours in 0..7u32 {
        for theirs in 0..7u32 {
            test(ours.wrapping_sub(5), theirs.wrapping_sub(5));
        }
    }
}

fn established(iss: u32, irs: u32) -> Script {
    let s = Script::with(config(), irs, instant_for(iss)).into_syn_received();
    assert_eq!(s.iss.0, iss);
    s.into_established()
}

#[test]
fn fb_6_local_first() {
    around_the_wrap(|iss, irs| {
        let mut s = established(iss, irs);
        s.write(b"ab");
        s.expect_only(seg().seq(1).ack(1).data(b"ab"));
        s.shut_down();
        s.expect_only(seg().seq(3).ack(1).fin());
        s.send(seg().seq(1).ack(3));
        assert_eq!(s.state(), State::FinWait1);
        s.send(seg().seq(1).ack(4));
        assert_eq!(s.state(), State::FinWait2);
        s.send(seg().seq(2).ack(4).fin().data(b"z"));
        s.expect_only(seg().seq(4).ack(1));
        s.send(seg().seq(1).ack(4).data(b"y"));
        s.expect_only(seg().seq(4).ack(4));
        assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)));
        s.advance(secs(1));
        s.send(seg().seq(2).ack(4).fin().data(b"z"));
        s.expect_only(seg().seq(4).ack(4));
        s.send(seg().seq(3).syn());
        s.expect_nothing();
        s.send(seg().seq(4).syn());
        assert_eq!(s.take_one().ack, Some(5));
        assert_eq!(s.read_all(), (b"yz".to_vec(), true));
        s.finish();
    });
}

#[test]
fn fb_6_peer_first() {
    around_the_wrap(|iss, irs| {
        let mut s = established(iss, irs);
        s.send(seg().seq(1).ack(1).fin().data(b"yz"));
        s.expect_only(seg().seq(1).ack(4));
        s.write(b"ab");
        s.take();
        s.shut_down();
        s.expect_only(seg().seq(3).ack(4).fin());
        s.send(seg().seq(4).ack(3));
        assert_eq!(s.state(), State::LastAck);
        s.next_timer();
        s.expect_only(seg().seq(3).ack(4).fin());
        s.send(seg().seq(4).ack(5));
        s.expect_only(seg().seq(4).ack(4));
        assert_eq!(s.state(), State::LastAck, "an ACK beyond the FIN (FA-6)");
        s.send(seg().seq(4).ack(4));
        assert_eq!(s.ending(), Some(graceful(Order::PeerFirst)));
        s.finish();
    });
}

#[test]
fn fb_6_simultaneous() {
    around_the_wrap(|iss, irs| {
        let mut s = established(iss, irs).into_state(State::Closing);
        s.send(seg().seq(1).ack(1).fin());
        s.take();
        assert_eq!(s.state(), State::Closing);
        s.send(seg().seq(1).ack(2).fin());
        s.take();
        assert_eq!(s.ending(), Some(graceful(Order::Simultaneous)));
        s.finish();
    });
}

#[test]
fn fb_6_resets_and_windows() {
    around_the_wrap(|iss, irs| {
        let mut s = established(iss, irs);
        s.send(seg().seq(0).rst());
        s.send(seg().seq(65_536).rst());
        s.expect_nothing();
        s.send(seg().seq(2).rst());
        s.expect_only(seg().seq(1).ack(1));
        s.send(seg().seq(1).rst());
        assert_eq!(s.ending(), Some(adieu_core::Ending::ResetByPeer { state: State::Established }));
        s.finish();
    });
}

/// FA-7, FA-6 with numbers that wrap in between, and the ISS clock itself.
#[test]
fn fb_6_a_stream_across_the_wrap() {
    let mut s = established(u32::MAX - 2000, u32::MAX - 3000);
    for round in 0..6 {
        s.write(&[7; 1000]);
        s.expect_only(seg().seq(1 + 1000 * round).ack(1 + 1000 * round).data(&[7; 1000]));
        s.advance(ms(1));
        s.send(seg().seq(1 + 1000 * round).ack(1001 + 1000 * round).data(&[8; 1000]));
        s.expect_only(seg().seq(1001 + 1000 * round).ack(1001 + 1000 * round));
        assert_eq!(s.read_all().0, [8; 1000]);
    }
    assert_eq!(s.stack.leftover().bytes, 0);
    s.finish();
}

/// TW-10 at the wrap: the next initial number lies beyond the old ones in serial order.
#[test]
fn tw_10_the_next_initial_number_at_the_wrap() {
    for below in [0, 1, 2, 3, 60_000, 65_537, 65_540, 70_000] {
        let mut s = established(0u32.wrapping_sub(below), 77).into_state(State::TimeWait);
        s.send(seg().seq(5).syn());
        assert!(s.take_one().seq >= 2 + 65_537);
        s.finish();
    }
}
