//! An address, or the device, goes: everything of it ends with that cause, and a reset leaves only where one can (3.35;
//! ET-6).

mod script;

use std::net::{IpAddr, SocketAddr};

use adieu_core::{Cause, Config, ConnectError, Ending, Leftover, Receipt, Released, State};
use script::states::{SYNCHRONIZED, rcv_nxt, snd_nxt};
use script::{OUR_PORT, PEER, Script, US, aborted, bytes, config, ms, secs, seg};

const OTHER: [u8; 4] = [10, 0, 0, 9];

fn us() -> IpAddr {
    US.into()
}

/// Nothing of it is left but the handle and the listener, whose place it was.
#[track_caller]
fn is_bare(s: &Script) {
    let left = s.stack.leftover();
    let expected =
        Leftover { connections: left.connections, handles: 1, listeners: left.listeners, ..Leftover::default() };
    assert_eq!(left, expected);
}

fn released(s: &mut Script) -> Vec<Released> {
    std::iter::from_fn(|| s.stack.poll_released()).map(|(_, how)| how).collect()
}

/// ET-6: the cause, the state, the counts, and whether a reset was sent.
#[test]
fn x_3_35_et_6_a_removed_address_resets_in_every_state_while_packets_can_leave() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        s.stack.remove_address(s.now, us(), true);
        s.poll();
        s.expect_only(seg().seq(snd_nxt(state)).ack(rcv_nxt(state)).rst().win(0));
        let receipt = s.only_receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::AddressRemoved, state), true), "{state}");
        assert_eq!(s.receipt(), receipt);
        is_bare(&s);
        assert_eq!(released(&mut s), [Released::Immediately]);
        assert_eq!(s.stack.endings().by_name("aborted-address-removed"), 1);
        s.send(seg().seq(rcv_nxt(state)).ack(2));
        s.expect_nothing(); // It is not ours: not even a reset.
        s.finish();
    }
}

#[test]
fn x_3_35_et_6_without_a_way_out_it_ends_in_silence() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        s.stack.remove_address(s.now, us(), false);
        s.poll();
        s.expect_nothing();
        let receipt = s.only_receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::AddressRemoved, state), false), "{state}");
        is_bare(&s);
        s.advance(secs(600));
        s.expect_nothing();
        s.finish();
    }
}

/// ET-6: bytes under way and unread are counted.
#[test]
fn x_3_35_et_6_the_receipt_counts_every_byte() {
    for reachable in [true, false] {
        let mut s = Script::established_passive();
        s.send(seg().seq(1).ack(1).data(b"unread").win(1460));
        s.write(&bytes(2500));
        s.take();
        s.stack.remove_address(s.now, us(), reachable);
        s.poll();
        assert_eq!(s.take().len(), usize::from(reachable));
        let Receipt { sent, acknowledged, unsent, received, unread, reset_sent, .. } = s.only_receipt();
        assert_eq!((sent, acknowledged, unsent, received, unread), (2500, 0, 1040, 6, 6));
        assert_eq!(reset_sent, reachable);
        s.finish();
    }
}

#[test]
fn x_3_35_openings_end_too_and_a_bare_syn_calls_for_no_reset() {
    for reachable in [true, false] {
        let mut s = Script::syn_sent(config());
        s.stack.remove_address(s.now, us(), reachable);
        s.poll();
        s.expect_nothing();
        let receipt = s.receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::AddressRemoved, State::SynSent), false));
        is_bare(&s);
        s.finish();

        let mut s = Script::syn_received_active();
        s.stack.remove_address(s.now, us(), reachable);
        s.poll();
        assert_eq!(s.take().len(), usize::from(reachable));
        let ending = aborted(Cause::AddressRemoved, State::SynReceived);
        assert_eq!((s.receipt().ending, s.receipt().reset_sent), (ending, reachable));
        is_bare(&s);
        s.finish();
    }
    // Of a listener's, too; the listener stays.
    let mut s = Script::syn_received(config());
    s.stack.remove_address(s.now, us(), true);
    s.poll();
    s.expect_only(seg().seq(1).ack(1).rst().win(0));
    assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() });
    s.stack.reconfigure(|config| config.addresses.push(us()));
    s.send(seg().syn());
    s.learn_iss();
}

/// One that nobody has accepted yet is not handed out any more.
#[test]
fn x_3_35_what_waits_to_be_accepted_ends_too() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1));
    s.stack.device_gone(s.now);
    s.poll();
    s.expect_nothing();
    assert!(!s.accept());
    assert_eq!(s.only_receipt().ending, aborted(Cause::InterfaceRemoved, State::Established));
    assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() });
}

#[test]
fn x_3_35_orphans_in_fin_wait_2_are_reset_where_they_can_be() {
    for reachable in [true, false] {
        let mut s = Script::in_state(State::FinWait2);
        s.release();
        assert_eq!(s.stack.leftover().abandoned, 1);
        s.stack.remove_address(s.now, us(), reachable);
        s.poll();
        if reachable {
            s.expect_only(seg().seq(2).ack(1).rst().win(0));
        }
        s.expect_nothing();
        let receipt = s.only_receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::AddressRemoved, State::FinWait2), reachable));
        assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() });
        s.finish();
    }
}

#[test]
fn x_3_35_records_in_time_wait_and_in_quarantine_go_with_their_address() {
    let mut s = Script::in_state(State::TimeWait);
    s.release();
    s.stack.remove_address(s.now, us(), true);
    assert_eq!(s.flow_state(), State::Closed);
    assert_eq!(released(&mut s), [Released::Immediately]);
    s.finish();

    let mut s = Script::established_active();
    s.abort();
    s.take();
    assert_eq!(s.stack.leftover().quarantined, 1);
    s.stack.remove_address(s.now, us(), true);
    is_bare(&s);
    s.finish();
}

/// A reset that was owed when the address went still leaves; nothing is kept aside after it.
#[test]
fn x_3_35_an_abort_just_before_leaves_nothing_behind() {
    for reachable in [true, false] {
        let mut s = Script::established_passive();
        s.stack.abort(s.now, s.id());
        s.stack.remove_address(s.now, us(), reachable);
        s.poll();
        assert_eq!(s.take().len(), usize::from(reachable));
        let receipt = s.only_receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::AbortCall, State::Established), reachable));
        is_bare(&s);
        s.finish();
    }
}

#[test]
fn x_3_35_another_address_goes_on() {
    let mut s = Script::established_with(Config { addresses: vec![US.into(), OTHER.into()], ..config() });
    let remote = SocketAddr::from((PEER, 9));
    let other = s.stack.connect(s.now, Some((OTHER, 5000).into()), remote).unwrap();
    assert!(s.stack.poll_transmit(s.now).is_some(), "its SYN");
    s.stack.remove_address(s.now, OTHER.into(), true);
    s.poll();
    assert_eq!(s.stack.receipt(other).unwrap().ending, aborted(Cause::AddressRemoved, State::SynSent));
    let refused = s.stack.connect(s.now, Some((OTHER, 5000).into()), remote);
    assert_eq!(refused, Err(ConnectError::NoAddress(remote)));
    s.stack.release(s.now, other);
    s.write(b"still here");
    s.expect_only(seg().seq(1).ack(1).data(b"still here"));
    s.receipts();
    s.send(seg().seq(1).ack(11));
    s.close();
    s.send(seg().seq(1).ack(12).fin());
    s.take();
    s.finish();
}

#[test]
fn x_3_35_without_the_device_everything_ends_and_nothing_is_sent() {
    for state in SYNCHRONIZED {
        let mut s = Script::in_state(state);
        s.stack.device_gone(s.now);
        s.poll();
        s.expect_nothing();
        let receipt = s.only_receipt();
        assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::InterfaceRemoved, state), false), "{state}");
        is_bare(&s);
        s.finish();
    }
    let mut s = Script::in_state(State::TimeWait);
    s.inject(&seg().seq(1).ack(2).fin());
    s.stack.device_gone(s.now);
    s.poll();
    s.expect_nothing();
    is_bare(&s);
    s.finish();
}

/// What was owed to strangers does not leave, either.
#[test]
fn x_3_35_no_reply_outlives_the_device() {
    let mut s = Script::new();
    s.inject(&seg().seq(1).ack(1));
    assert_eq!(s.stack.leftover().replies, 1);
    s.stack.device_gone(s.now);
    s.poll();
    s.expect_nothing();
    s.finish();
}

/// A device that comes back finds the listeners, and a stack that works.
#[test]
fn x_3_35_the_stack_goes_on_with_another_device() {
    let mut s = Script::in_state(State::Established);
    s.stack.device_gone(s.now);
    s.receipts();
    s.release();
    s.advance(ms(10));
    s.send(seg().syn());
    s.learn_iss();
    let mut s = s.into_established();
    s.abort();
    s.take();
    s.finish();
}

/// Counters: every connection that was made has ended, by name and state.
#[test]
fn x_3_35_et_6_en_7_the_counts_add_up() {
    let mut s = Script::new();
    let mut handles = Vec::new();
    for port in 1..=20u16 {
        let local = SocketAddr::from((US, OUR_PORT + port));
        handles.push(s.stack.connect(s.now, Some(local), (PEER, 4000).into()).unwrap());
    }
    s.poll();
    s.stack.device_gone(s.now);
    let stats = s.stack.stats();
    assert_eq!((stats.made, stats.ended, s.stack.endings().total()), (20, 20, 20));
    let counts: Vec<_> = s.stack.endings().iter().collect();
    assert_eq!(counts, [("aborted-interface-removed", State::SynSent, 20)]);
    assert_eq!(stats.released.iter().sum::<u64>(), 20);
    for handle in handles {
        let ending = s.stack.receipt(handle).unwrap().ending;
        assert_eq!(ending, Ending::Aborted { cause: Cause::InterfaceRemoved, state: State::SynSent });
        s.stack.release(s.now, handle);
    }
    assert_eq!(s.receipts().len(), 20);
    s.finish();
}

/// OR-6: the exit of a program resets orphans in FIN-WAIT-2 as well, and says so.
#[test]
fn or_6_orphans_in_fin_wait_2_are_part_of_everything() {
    let mut s = Script::in_state(State::FinWait2);
    s.release();
    s.stack.close_all(s.now);
    assert!(!s.stack.is_drained(), "its receipt is still to come");
    s.stack.abort_all(s.now);
    s.poll();
    s.expect_only(seg().seq(2).ack(1).rst().win(0));
    let receipt = s.only_receipt();
    assert_eq!((receipt.ending, receipt.reset_sent), (aborted(Cause::StackShutdown, State::FinWait2), true));
    assert!(s.stack.is_drained());
}
