//! Nothing is left over (1.16): many connections, closed in every way, and then exactly what there was at the start.

mod script;

use std::net::SocketAddr;

use adieu_core::wire::Flags;
use adieu_core::{Config, Leftover, State};
use script::{PEER, Script, US, bytes, config, ms, secs, seg};

struct Random(u32);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 10) % n
    }
}

/// RL-9, the release test of 1.16: exactly what there was at the start.
#[test]
fn rl_9_many_connections_leave_nothing() {
    let mut random = Random(3);
    let mut s = Script::with(Config { time_wait: secs(30), ..config() }, 99, script::START);
    s.listen();
    let at_start = s.stack.leftover();
    for round in 0..400u16 {
        s.flow.remote_port = 2000 + round;
        s.flow.local_port = script::OUR_PORT;
        let passive = random.below(2) == 0;
        if passive {
            s.send(seg().syn());
        } else {
            s.flow.local_port = 9000;
            let (local, remote) = (SocketAddr::from((US, 9000)), SocketAddr::from((PEER, 2000 + round)));
            s.handle = Some(s.stack.connect(s.now, Some(local), remote).unwrap());
            s.poll();
        }
        s.learn_iss();
        live(&mut s, &mut random, passive);
        if s.handle.is_some() {
            s.release();
        }
        s.advance(ms(random.below(300).into()));
        s.take();
    }
    s.advance(secs(3600));
    s.take();
    assert_eq!(s.stack.leftover(), at_start);
    s.receipts();
    s.finish();
}

/// A short life of one connection, left at a random place.
fn live(s: &mut Script, random: &mut Random, passive: bool) {
    for step in 0..random.below(8) {
        let what = random.below(12);
        if s.handle.is_none() && !s.accept() && !passive {
            return;
        }
        let (seq, ack) = (i32::try_from(step).unwrap(), i32::try_from(random.below(4)).unwrap());
        match (what, s.handle.is_some()) {
            (0, _) if passive => s.send(seg().seq(1).ack(1)),
            (0, _) => s.send(seg().syn().ack(1)),
            (1, true) => _ = s.stack.write(s.now, s.id(), &bytes(3000)),
            (2, true) => s.shut_down(),
            (3, true) => s.close(),
            (4, true) if random.below(4) == 0 => s.abort(),
            (5, _) => s.send(seg().seq(seq).ack(ack).fin()),
            (6, _) => s.send(seg().seq(seq).ack(ack).data(b"data")),
            (7, true) => _ = s.read(100),
            (8, _) => s.send(seg().seq(seq).rst()),
            (9, _) => s.advance(ms(400)),
            (10, true) if random.below(4) == 0 => s.release(),
            _ => s.send(seg().seq(1).ack(1).win(0)),
        }
    }
}

/// RL-1, RL-2, RL-8: the send buffer stays at write-close and is gone with the acknowledgment of our FIN; what is
/// unread stays until the handle goes.
#[test]
fn rl_1_2_8_buffers_go_at_their_moment() {
    let mut s = Script::established_passive();
    s.write(&bytes(5000));
    s.shut_down();
    assert_eq!(s.stack.leftover().bytes, 5000);
    s.send(seg().seq(1).ack(5002));
    assert_eq!((s.state(), s.stack.leftover().bytes), (State::FinWait2, 0));
    s.send(seg().seq(1).ack(5002).data(b"unread").fin());
    assert_eq!((s.state(), s.stack.leftover().bytes), (State::TimeWait, 6));
    s.release();
    assert_eq!(s.stack.leftover().bytes, 0);
    s.take();
    s.finish();
}

/// RL-7: at once, by every way out, though a handle is still held.
#[test]
fn rl_7_an_ending_gives_flow_and_timers_back_at_once() {
    type Way = fn(&mut Script);
    // Where a reset of ours ended it, the tuple is kept aside (AB-5).
    let ways: [(Way, usize); 4] = [
        (|s| s.abort(), 1),
        (|s| s.send(seg().seq(1).rst()), 0),
        (
            |s| {
                s.send(seg().seq(1).ack(1).fin());
                s.shut_down();
                s.send(seg().seq(2).ack(5003));
            },
            0,
        ),
        (
            |s| {
                while s.ending().is_none() {
                    s.next_timer().unwrap();
                }
            },
            1,
        ),
    ];
    for (way, quarantined) in ways {
        let mut s = Script::established_passive();
        s.write(&bytes(5001));
        way(&mut s);
        assert!(s.ending().is_some());
        s.take();
        let flows = quarantined;
        let expected = Leftover { connections: 1, listeners: 1, handles: 1, quarantined, flows, ..Leftover::default() };
        assert_eq!(s.stack.leftover(), expected);
        s.finish();
    }
}

/// RL-7: a reset that waits for the device does not survive the connection twice.
#[test]
fn rl_7_the_reset_leaves_once_and_frees_the_tuple() {
    let mut s = Script::established_passive();
    s.stack.abort(s.now, s.id());
    s.inject(&seg().seq(1).ack(1).data(b"late"));
    s.poll();
    let sent = s.take();
    assert!(!sent.is_empty() && sent.iter().all(|seen| seen.flags.has(Flags::RST)), "{sent:?}");
    s.send(seg().seq(50_000).syn());
    assert!(s.take_one().flags.has(Flags::SYN), "a new connection can come at once");
    s.finish();
}

/// RL-10: an ephemeral port is given back; none left is an error, and for another remote end there still is one.
#[test]
fn rl_10_ports_come_back() {
    let mut s = Script::with(Config { ephemeral_ports: (5000, 5003), ..config() }, 1, script::START);
    let remote = SocketAddr::from((PEER, 80));
    for _ in 0..10 {
        let handles: Vec<_> = (0..4).map(|_| s.stack.connect(s.now, None, remote).unwrap()).collect();
        assert!(matches!(s.stack.connect(s.now, None, remote), Err(adieu_core::ConnectError::NoPort(_))));
        assert!(s.stack.connect(s.now, None, SocketAddr::from((PEER, 81))).is_ok_and(|other| {
            s.stack.release(s.now, other);
            true
        }));
        handles.into_iter().for_each(|handle| s.stack.release(s.now, handle));
    }
    s.receipts();
    assert_eq!(s.stack.leftover(), Leftover::default());
}
