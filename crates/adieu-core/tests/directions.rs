//! What became of each direction, and of addresses and ports, in words (section 1.15); and the record of an orphan.

mod script;

use adieu_core::{Config, RecvSide, Released, SendSide, State, Unwanted};
use script::{PEER_PORT, Script, bytes, config, secs, seg, stamps};

/// ET-1: open, closing with what is left to do, complete, aborted with what the peer's TCP is known to have.
#[test]
fn et_1_what_became_of_our_direction() {
    let mut s = Script::established_passive();
    let side = |s: &Script| s.stack.sides(s.id()).unwrap().0;
    assert_eq!(side(&s), SendSide::Open);
    s.send(seg().seq(1).ack(1).win(1460));
    s.write(&bytes(1500));
    assert_eq!(side(&s), SendSide::Open, "writing closes nothing");
    s.shut_down();
    assert_eq!(side(&s), SendSide::Closing { unsent: 40, unacknowledged: 1460 });
    s.take();
    s.send(seg().seq(1).ack(401).win(5000));
    s.take();
    assert_eq!(side(&s), SendSide::Closing { unsent: 0, unacknowledged: 1100 });
    let mut aborted = s.clone();
    aborted.abort();
    assert_eq!(side(&aborted), SendSide::Aborted { accepted: 1500, acknowledged: 400 });
    let receipt = aborted.only_receipt();
    assert_eq!(receipt.send_side(), SendSide::Aborted { accepted: 1500, acknowledged: 400 });
    aborted.take();
    aborted.finish();
    s.send(seg().seq(1).ack(1502));
    assert_eq!(side(&s), SendSide::Complete { acknowledged: 1500 });
    s.send(seg().seq(1).ack(1502).rst());
    assert_eq!(side(&s), SendSide::Complete { acknowledged: 1500 }, "INV-7: complete is final");
    assert_eq!(s.only_receipt().send_side(), SendSide::Complete { acknowledged: 1500 });
    s.finish();
}

/// ET-2: open, complete with all of it, closed by us with what was thrown away, aborted with what came.
#[test]
fn et_2_what_became_of_the_peers_direction() {
    let side = |s: &Script| s.stack.sides(s.id()).unwrap().1;
    let mut open = Script::established_passive();
    assert_eq!(side(&open), RecvSide::Open);
    open.send(seg().seq(1).ack(1).data(b"abc"));
    assert_eq!(side(&open), RecvSide::Open);

    let mut s = open.clone();
    s.send(seg().seq(4).ack(1).data(b"de").fin());
    assert_eq!(side(&s), RecvSide::Complete { received: 5 });
    s.send(seg().seq(7).rst());
    assert_eq!(side(&s), RecvSide::Complete { received: 5 }, "INV-7: complete is final");
    assert_eq!(s.only_receipt().recv_side(), RecvSide::Complete { received: 5 });
    s.take();
    s.finish();

    let mut s = open.clone();
    s.stack.shut_down_read(s.now, s.id(), Unwanted::Discard);
    s.send(seg().seq(4).ack(1).data(b"de"));
    assert_eq!(side(&s), RecvSide::ClosedLocally { discarded: 5 });
    s.send(seg().seq(6).rst());
    assert_eq!(s.only_receipt().recv_side(), RecvSide::ClosedLocally { discarded: 5 });
    s.take();
    s.finish();

    let mut s = open;
    s.send(seg().seq(4).rst());
    assert_eq!(side(&s), RecvSide::Aborted { received: 3 });
    assert_eq!(s.only_receipt().recv_side(), RecvSide::Aborted { received: 3 });
    s.take();
    s.finish();
}

fn words(s: &mut Script) -> Vec<Released> {
    std::iter::from_fn(|| s.stack.poll_released()).map(|(_, how)| how).collect()
}

/// ET-10: the last word about addresses and ports, one for each way that they become free.
#[test]
fn et_10_when_addresses_and_ports_are_free() {
    // The peer closed first: at once. We did: after TIME-WAIT. We reset: after quarantine.
    let mut s = Script::established_passive().into_state(State::LastAck);
    s.take();
    s.send(seg().seq(2).ack(2));
    assert_eq!(words(&mut s), [Released::Immediately]);
    s.finish();

    let mut s = Script::established_passive().into_state(State::TimeWait);
    s.take();
    s.advance(secs(59));
    assert_eq!(words(&mut s), []);
    s.advance(secs(1));
    assert_eq!(words(&mut s), [Released::TimeWaitExpired]);
    s.finish();

    let mut s = Script::established_passive();
    s.abort();
    s.take();
    s.advance(secs(59));
    assert_eq!(words(&mut s), []);
    s.advance(secs(1));
    assert_eq!(words(&mut s), [Released::QuarantineExpired]);
    s.finish();

    // A new connection of the peer's takes over once it is established, not before.
    let mut s = Script::established_passive().into_state(State::TimeWait);
    s.take();
    s.send(seg().seq(100_000).syn());
    let ours = s.take_one().seq;
    assert_eq!(words(&mut s), []);
    s.send(seg().seq(100_001).ack(ours + 1));
    assert_eq!(words(&mut s), [Released::ReusedByPeer]);
    s.take();
    let new = s.stack.accept(s.listener.unwrap()).unwrap();
    s.stack.release(s.now, new);
    s.receipts();
    s.take();
    s.advance(secs(3600));
    s.receipts();

    // A record gives way.
    let one = Config { time_wait_budget: 1, ..config() };
    let mut s = Script::established_with(one).into_state(State::TimeWait);
    s.take();
    s.stack.release(s.now, s.handle.take().unwrap());
    s.receipts();
    s.flow.remote_port = PEER_PORT + 1;
    s.send(seg().syn());
    s.learn_iss();
    s = s.into_established().into_state(State::TimeWait);
    assert_eq!(words(&mut s), [Released::Evicted]);
    s.take();
    s.finish();
}

/// ET-10, TW-13: a connection of ours takes a record's place.
#[test]
fn et_10_reused_by_us() {
    let mut s = Script::with(config(), 7_000_000, script::START);
    s.connect();
    s.poll();
    s.learn_iss();
    s.take();
    let stamp = |value| stamps(value, 0);
    s.send(seg().syn().ack(1).options(&stamp(100)));
    s.shut_down();
    s.send(seg().seq(1).ack(2).fin().options(&stamp(101)));
    assert_eq!(s.flow_state(), State::TimeWait);
    s.take();
    s.advance(secs(2));
    s.stack.release(s.now, s.handle.take().unwrap());
    s.receipts();
    let again = s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote()).unwrap();
    s.poll();
    let syn = s.take_one();
    assert_eq!(words(&mut s), []);
    s.send(seg().seq(5_000_000).syn().ack(syn.seq + 1).options(&stamp(5000)));
    assert_eq!((s.stack.state(again), words(&mut s)), (State::Established, vec![Released::ReusedByUs]));
    s.stack.abort(s.now, again);
    s.stack.release(s.now, again);
    s.poll();
    s.take();
    s.receipts();
    s.advance(secs(120));
    assert_eq!(s.stack.leftover().flows, 0);
}

/// RL-5, OR-4: in FIN-WAIT-2 without an owner the control block goes, its buffers and its entry among the timers with
/// it; what is left ends on time.
#[test]
fn rl_5_an_orphan_in_fin_wait_2_is_a_record() {
    let mut s = Script::established_passive();
    s.write(b"last words");
    s.release();
    s.take();
    assert_eq!((s.stack.leftover().connections, s.stack.leftover().abandoned), (1, 0));
    s.send(seg().seq(1).ack(12));
    let left = s.stack.leftover();
    assert_eq!((left.connections, left.abandoned, left.bytes, left.timers, left.flows), (0, 1, 0, 0, 1));
    assert_eq!(s.flow_state(), State::FinWait2);
    assert_eq!(s.stack.poll_timeout(), s.now + s.stack.config().fin_wait_2);
    s.advance(secs(60));
    assert_eq!((s.flow_state(), s.stack.leftover().abandoned), (State::Closed, 0));
    assert_eq!(s.only_receipt().ending.name(), "timed-out-fin-wait-2");
    s.finish();
}
