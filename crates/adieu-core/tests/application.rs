//! What the application sees (1.14, 1.15).

mod script;

use adieu_core::{Closer, Ending, Events, Order, ReadError, State, WriteError};
use script::{Script, config, graceful, ms, secs, seg};

/// AP-1, AP-2
#[test]
fn ap_1_2_data_then_end_of_stream_for_ever() {
    let mut s = Script::established_passive();
    assert_eq!(s.read(9), Err(ReadError::Blocked));
    s.send(seg().seq(1).ack(1).fin().data(b"abc"));
    s.take();
    assert_eq!(s.read(2), Ok(b"ab".to_vec()));
    assert_eq!(s.read(2), Ok(b"c".to_vec()));
    for _ in 0..3 {
        assert_eq!(s.read(2), Ok(Vec::new()));
    }
    s.write(b"still writing");
    s.take();
    s.shut_down();
    s.send(seg().seq(5).ack(15));
    assert_eq!(s.ending(), Some(graceful(Order::PeerFirst)));
    assert_eq!(s.read(2), Ok(Vec::new()));
    s.take();
    s.finish();
}

/// AP-3: before any network check.
#[test]
fn ap_3_writes_after_shutdown_fail_the_same_way_for_ever() {
    let mut s = Script::established_passive();
    s.shut_down();
    assert_eq!(s.try_write(), Err(WriteError::ShutDown));
    s.send(seg().seq(1).ack(1).data(b"read me"));
    assert_eq!(s.read_all().0, b"read me");
    s.take();
    s.send(seg().seq(8).rst());
    assert_eq!(s.ending(), Some(Ending::ResetByPeer { state: State::FinWait1 }));
    assert_eq!(s.try_write(), Err(WriteError::ShutDown));
    s.finish();
}

/// AP-5
#[test]
fn ap_5_a_reset_after_the_fin_leaves_the_stream_complete() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).fin().data(b"all"));
    s.take();
    s.send(seg().seq(5).rst());
    let reset = Ending::ResetByPeer { state: State::CloseWait };
    assert_eq!(s.ending(), Some(reset));
    assert_eq!(s.try_write(), Err(WriteError::Ended(reset)));
    assert_eq!(s.read_all(), (b"all".to_vec(), true));
    assert_eq!(s.read(1), Ok(Vec::new()));
    s.finish();
}

/// AP-13, INV-6, M12: the ending is there with the event, and never changes.
#[test]
fn en_1_one_ending_that_never_changes() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).rst());
    let events = s.stack.poll_notified().unwrap().1;
    assert!(events.has(Events::ENDED));
    let first = s.receipt();
    s.advance(secs(5));
    s.abort();
    s.close();
    s.send(seg().seq(1).ack(1).fin());
    s.advance(secs(500));
    assert_eq!(s.receipt(), first);
    assert_eq!(s.only_receipt(), first);
    s.take();
    s.finish();
}

/// EN-3, EN-4, EN-5: who closed first, and how long in each state.
#[test]
fn en_5_the_receipt_tells_the_story() {
    let mut s = Script::syn_sent(config());
    s.advance(ms(100));
    s.send(seg().syn().ack(1));
    s.advance(ms(200));
    s.write(b"four");
    s.send(seg().seq(1).ack(5).data(b"three"));
    s.shut_down();
    s.advance(ms(50));
    s.send(seg().seq(6).ack(6));
    s.advance(secs(7));
    assert_eq!(s.read_all().0, b"three");
    s.send(seg().seq(6).ack(6).fin());
    let receipt = s.only_receipt();
    let stays: Vec<_> = receipt.spent.iter().map(|(state, stay)| (state, stay.as_millis())).collect();
    let expected = [(State::SynSent, 100), (State::Established, 200), (State::FinWait1, 50), (State::FinWait2, 7000)];
    assert_eq!(stays[..4], expected);
    assert!(stays[4..].iter().all(|(_, stay)| *stay == 0), "{stays:?}");
    assert_eq!((receipt.ending, receipt.closed_first), (graceful(Order::LocalFirst), Some(Closer::Us)));
    assert_eq!((receipt.sent, receipt.acknowledged, receipt.received, receipt.unread), (4, 4, 5, 0));
    assert_eq!((receipt.spent.total(), receipt.retransmissions), (ms(7350), 0));
    s.take();
    s.finish();
}

/// INV-3: no way of ending without the peer's FIN looks like an end of stream.
#[test]
fn inv_3_no_false_end_of_stream() {
    type Act = fn(&mut Script);
    let acts: [Act; 4] = [
        |s| s.send(seg().seq(4).rst()),
        |s| s.abort(),
        |s| {
            s.write(b"lost");
            s.advance(secs(4000));
        },
        |s| {
            s.shut_down();
            s.send(seg().seq(4).ack(2));
            s.send(seg().seq(4).rst());
        },
    ];
    for act in acts {
        let mut s = Script::established_passive();
        s.send(seg().seq(1).ack(1).data(b"abc"));
        // The FIN is out of order, and never completed.
        s.send(seg().seq(9).ack(1).fin());
        act(&mut s);
        assert!(s.ending().is_some());
        while let Ok(data) = s.read(100) {
            assert_eq!(data, b"abc");
        }
        for _ in 0..3 {
            assert_eq!(s.read(100), Err(ReadError::Ended(s.ending().unwrap())));
        }
        s.take();
        s.finish();
    }
}

/// AP-4 of a child that was reset before it was accepted (EO-4): its data is delivered, then the error.
#[test]
fn eo_4_a_child_that_was_reset_delivers_what_it_brought() {
    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1).data(b"last words"));
    s.send(seg().seq(11).rst());
    s.take();
    assert!(s.accept());
    assert_eq!(s.read(100), Ok(b"last words".to_vec()));
    assert!(matches!(s.read(100), Err(ReadError::Ended(Ending::ResetByPeer { .. }))));
    s.finish();

    let mut s = Script::syn_received(config());
    s.send(seg().seq(1).ack(1));
    s.send(seg().seq(1).rst());
    assert!(!s.accept());
    assert_eq!(s.stack.leftover().connections, 0);
    s.finish();
}

/// HC-4, AP-12: events come once, and the last one is the ending.
#[test]
fn hc_4_events_come_without_a_pending_read() {
    let mut s = Script::established_passive();
    s.send(seg().seq(1).ack(1).data(b"x"));
    s.send(seg().seq(2).ack(1).fin());
    let (handle, events) = s.stack.poll_notified().unwrap();
    assert_eq!(handle, s.id());
    assert!(events.has(Events::READABLE) && events.has(Events::PEER_FINISHED), "{events:?}");
    assert!(s.stack.poll_notified().is_none());
    s.shut_down();
    s.send(seg().seq(3).ack(2));
    let events = s.stack.poll_notified().unwrap().1;
    assert!(events.has(Events::FINISHED) && events.has(Events::ENDED), "{events:?}");
    s.take();
    s.finish();
}

/// AP-14: room comes back with the acknowledgment, and is announced.
#[test]
fn ap_14_a_full_buffer_blocks_and_an_ack_wakes() {
    let mut s = Script::established_with(adieu_core::Config { send_buffer: 1000, ..config() });
    assert_eq!(s.stack.write(s.now, s.id(), &[1; 5000]), Ok(1000));
    s.poll();
    assert_eq!((s.try_write(), s.stack.room(s.id())), (Err(WriteError::Blocked), 0));
    while s.stack.poll_notified().is_some() {}
    s.send(seg().seq(1).ack(501));
    assert!(s.stack.poll_notified().unwrap().1.has(Events::WRITABLE));
    assert_eq!(s.stack.room(s.id()), 500);
    s.take();
    s.finish();
}
