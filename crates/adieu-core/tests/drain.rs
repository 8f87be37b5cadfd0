//! The exit of a program, and closing with a linger time of 0.

mod script;

use adieu_core::{Cause, Ending, Leftover, Order, State};
use script::states::SYNCHRONIZED;
use script::{Script, aborted, graceful, secs, seg};

#[test]
fn or_6_close_all_says_goodbye_and_abort_all_ends_what_remains() {
    let mut s = Script::established_passive();
    s.write(b"last");
    s.take();
    s.stack.close_all(s.now);
    s.poll();
    s.expect_only(seg().seq(5).ack(1).fin());
    assert_eq!(s.state(), State::FinWait1);
    assert!(!s.stack.is_drained());
    s.send(seg().seq(1).ack(6).fin());
    s.expect_only(seg().seq(6).ack(2));
    assert!(s.stack.is_drained());
    assert_eq!(s.ending(), Some(graceful(Order::LocalFirst)));
}

#[test]
fn or_6_what_does_not_end_is_reset_with_the_cause() {
    let mut s = Script::established_passive();
    s.stack.close_all(s.now);
    s.poll();
    s.expect_only(seg().seq(1).ack(1).fin());
    s.stack.abort_all(s.now);
    s.poll();
    s.expect_only(seg().seq(2).ack(1).rst().win(0));
    assert_eq!(s.ending(), Some(aborted(Cause::StackShutdown, State::FinWait1)));
    assert!(s.stack.is_drained());
}

#[test]
fn or_6_an_attempt_is_cancelled_and_listeners_are_gone() {
    let mut s = Script::new();
    s.connect();
    s.poll();
    s.take();
    s.stack.close_all(s.now);
    assert_eq!(s.ending(), Some(Ending::Cancelled { state: State::SynSent }));
    assert!(s.stack.is_drained());
    s.release();
    s.advance(secs(1)); // EO-2
    assert_eq!(s.stack.leftover(), Leftover::default());
}

#[test]
fn lm_4_close_with_a_linger_time_of_0_is_a_reset_in_every_state_with_one_to_send() {
    for state in SYNCHRONIZED
        .into_iter()
        .filter(|state| matches!(state, State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait))
    {
        let mut s = Script::in_state(state);
        s.stack.set_zero_linger(s.now, s.id(), true);
        s.take();
        s.close();
        s.poll();
        let reset = s.take_one();
        assert!(reset.flags.has(adieu_core::wire::Flags::RST), "{state}: {reset:?}");
        assert_eq!(s.ending(), Some(aborted(Cause::LingerZero, state)));
    }
}

#[test]
fn ud_9_unread_data_goes_before_linger() {
    let mut s = Script::established_passive();
    s.stack.set_zero_linger(s.now, s.id(), true);
    s.send(seg().seq(1).ack(1).data(b"unread"));
    s.take();
    s.close();
    assert_eq!(s.ending(), Some(aborted(Cause::CloseWithUnread, State::Established)));
    s.advance(secs(1));
}
