//! What the heap sees of a close, counted by an allocator that counts for this thread. Only what the stack does is
//! measured; the harness builds its packets before and looks at them afterwards.

mod script;

use adieu_core::wire::Packet;
use adieu_core::{Leftover, State};
use allocation_counter::{AllocationInfo, measure};
use script::{MSS, PEER_PORT, START, Script, Seg, bytes, config, ms, secs, seg};

/// What the allocator did while a packet was handled.
fn handling(s: &mut Script, segment: &Seg) -> AllocationInfo {
    let packet = segment.packet(&s.flow, s.iss, s.irs);
    let (now, stack) = (s.now, &mut s.stack);
    measure(|| stack.handle_packet(now, Packet::new(&packet)))
}

/// Bytes of the heap that `f` has taken for good; negative where it gave back.
fn kept(f: impl FnMut()) -> i64 {
    measure(f).bytes_current
}

// ---- TW-15 ----------------------------------------------------------------------------------------------------------

/// Transitions to TIME-WAIT that allocated, of `count` on one stack with `count` connections in FIN-WAIT-2: the number
/// of each, and how many allocations there were.
fn transitions_that_allocate(count: u16) -> Vec<(u16, u64)> {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    let mut numbers = Vec::new();
    for n in 0..count {
        s.flow.remote_port = PEER_PORT + n;
        s.send(seg().syn());
        s.learn_iss();
        s = s.into_established().into_state(State::FinWait2);
        numbers.push(s.iss);
        s.events();
    }
    let mut found = Vec::new();
    for n in 0..count {
        (s.flow.remote_port, s.iss) = (PEER_PORT + n, numbers[usize::from(n)]);
        let step = handling(&mut s, &seg().seq(1).ack(2).fin());
        assert_eq!(s.flow_state(), State::TimeWait);
        found.extend((step.count_total > 0).then_some((n, step.count_total)));
        s.poll();
        s.take();
        s.events();
        s.receipts();
    }
    assert_eq!(s.stack.leftover().time_waits, usize::from(count));
    found
}

/// TW-15: the step in which FIN-WAIT-2 becomes TIME-WAIT. Measured is [`adieu_core::Stack::handle_packet`], which makes
/// the record, the receipt and the events; not the ACK's packet, which leaves later.
#[test]
fn tw_15_entering_time_wait_allocates_nothing() {
    let found = transitions_that_allocate(300);
    assert!(found.is_empty(), "number of the transition, and its allocations: {found:?}");
}

// ---- OR-5 -----------------------------------------------------------------------------------------------------------

/// OR-5: a close with 50 000 bytes unread, in order and not, gives them back in the same call, though the handle stays.
#[test]
fn or_5_read_close_frees_the_receive_buffer_at_once() {
    for state in [State::Established, State::FinWait1, State::FinWait2, State::TimeWait] {
        for out_of_order in [false, true] {
            if out_of_order && state == State::TimeWait {
                continue; // Its FIN stands behind everything.
            }
            let mut s = Script::established_passive();
            if state == State::FinWait1 {
                s.shut_down();
            } else if state != State::Established {
                s.shut_down();
                s.send(seg().seq(1).ack(2));
            }
            let ack = if matches!(state, State::FinWait2 | State::TimeWait) { 2 } else { 1 };
            let data = vec![7; MSS];
            let mut taken = 0;
            for n in 0..35 {
                let seq = 1 + i32::try_from(n * MSS).unwrap() + i32::from(out_of_order);
                taken += handling(&mut s, &seg().seq(seq).ack(ack).data(&data)).bytes_current;
                s.poll();
            }
            if state == State::TimeWait {
                s.send(seg().seq(1 + i32::try_from(35 * MSS).unwrap()).ack(2).fin());
            }
            assert_eq!(s.state(), state);
            assert_eq!(s.stack.leftover().bytes, 35 * MSS as u64);
            assert!(taken >= 50_000, "{taken}");
            s.take();
            let (now, handle, stack) = (s.now, s.id(), &mut s.stack);
            let freed = -kept(|| stack.close(now, handle));
            assert!(freed >= 50_000, "{state}, out of order {out_of_order}: {freed} of {taken}");
            assert_eq!(s.stack.leftover().bytes, 0);
            s.poll();
            s.take();
            s.finish();
        }
    }
}

/// OR-5: the acknowledgment of data and FIN gives back all that was kept to be sent again, in the same step.
#[test]
fn or_5_the_ack_of_our_fin_frees_the_send_buffer_at_once() {
    for state in [State::FinWait1, State::Closing, State::LastAck] {
        let mut s = Script::established_passive();
        let next = if state == State::FinWait1 { 1 } else { 2 };
        if state == State::LastAck {
            s.send(seg().seq(1).ack(1).fin());
        }
        let data = bytes(10 * MSS);
        let (now, handle, stack) = (s.now, s.id(), &mut s.stack);
        let taken = kept(|| assert_eq!(stack.write(now, handle, &data), Ok(10 * MSS)));
        assert!(taken >= 14_000, "{taken}");
        s.shut_down();
        if state == State::Closing {
            s.send(seg().seq(1).ack(1).fin());
        }
        s.take();
        assert_eq!((s.state(), s.stack.leftover().bytes), (state, 10 * MSS as u64));
        let end = 1 + i32::try_from(10 * MSS).unwrap();
        let freed = -handling(&mut s, &seg().seq(next).ack(end + 1)).bytes_current;
        // The record and the receipt may take a little of it.
        assert!(freed >= 14_000 - 6000, "{state}: {freed} of {taken}");
        assert_eq!(s.stack.leftover().bytes, 0);
        s.poll();
        s.take();
        s.finish();
    }
}

// ---- RL-2, RL-9 -----------------------------------------------------------------------------------------------------

/// A transfer with a loss, and its end: data, selective acknowledgments, a resend, the FIN, its acknowledgment.
fn transfer(s: &mut Script) {
    let (end, mss) = (1 + 8 * i32::try_from(MSS).unwrap(), i32::try_from(MSS).unwrap());
    s.write(&bytes(8 * MSS));
    s.shut_down();
    for n in 2..5 {
        let (from, to) = (s.iss + u32::try_from(1 + mss).unwrap(), s.iss + u32::try_from(1 + n * mss).unwrap());
        let mut block = vec![1, 1, 5, 10];
        block.extend(from.0.to_be_bytes());
        block.extend(to.0.to_be_bytes());
        s.send(seg().seq(1).ack(1).options(&block));
    }
    s.advance(ms(50));
    s.take();
    s.send(seg().seq(1).ack(end + 1));
    assert_eq!(s.state(), State::FinWait2);
    s.take();
}

/// RL-2: after the acknowledgment of our FIN the heap holds as much as it did before anything was written.
#[test]
fn rl_2_nothing_that_was_for_sending_is_left_on_the_heap() {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    let mut held = Vec::new();
    for n in 0..4 {
        s.flow.remote_port = PEER_PORT + n;
        s.send(seg().syn().options(&[2, 4, 5, 0xb4, 4, 2, 1, 1]));
        s.learn_iss();
        s = s.into_established();
        held.push(kept(|| transfer(&mut s)));
        s.events();
    }
    // The first one has made room in the stack's queues; a place in them is kept for each that will end (TW-15).
    assert!(held[1..].iter().all(|kept| (0..=64).contains(kept)), "{held:?}");
    s.advance(secs(1));
}

/// RL-9: many connections, one after the other; then the heap holds what it held when each had been there once. (Empty
/// tables keep a little memory for the next entry.)
#[test]
fn rl_9_the_heap_comes_back_to_where_it_was() {
    let mut s = Script::with(config(), 7_000_000, START);
    s.listen();
    let round = |s: &mut Script, n: u16| {
        s.flow.remote_port = PEER_PORT + n % 100;
        s.send(seg().seq(0).syn().options(&[2, 4, 5, 0xb4, 4, 2, 1, 1]));
        s.learn_iss();
        s.send(seg().seq(1).ack(1));
        assert!(s.accept());
        transfer(s);
        s.send(seg().seq(1).ack(2 + 8 * i32::try_from(MSS).unwrap()).fin());
        s.events();
        s.receipts();
        s.release();
        s.take();
        s.advance(secs(61));
        while s.stack.poll_released().is_some() {}
    };
    (0..100).for_each(|n| round(&mut s, n));
    let kept = kept(|| (0..500).for_each(|n| round(&mut s, n)));
    assert_eq!(kept, 0);
    assert_eq!(s.stack.leftover(), Leftover { listeners: 1, ..Leftover::default() });
}
