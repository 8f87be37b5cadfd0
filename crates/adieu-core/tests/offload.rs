//! Super-segments, partial checksums and shared buffers: what a device that can do more is given.

mod script;

use adieu_core::wire::checksum::{fold, sum};
use adieu_core::wire::{Arrived, Packet};
use adieu_core::{Config, HandleId, Leaving, Outgoing, Secrets, Stack, State};
use bytes::Bytes;
use script::{MSS, PEER, PEER_PORT, START, Script, bytes, config, seg};

fn offloading() -> Config {
    Config { super_segment: 65_535, send_buffer: 1 << 20, ..config() }
}

/// A connection whose congestion window is open so far that only the peer's window bounds what is sent at once.
fn with_open_window() -> Script {
    let mut s = Script::established_with(offloading());
    s.send(seg().seq(1).ack(1).win(65_535));
    s.take();
    for _ in 0..8 {
        s.write(&bytes(60_000));
        loop {
            s.poll();
            let ends = s.take().into_iter().map(|seen| seen.seq + i32::try_from(seen.data.len()).unwrap());
            let Some(end) = ends.max() else { break };
            s.send(seg().seq(1).ack(end).win(65_535));
        }
    }
    s
}

fn drain(stack: &mut Stack, s: &Script) -> Vec<Outgoing> {
    std::iter::from_fn(|| stack.poll_transmit(s.now)).collect()
}

fn handle(s: &Script) -> HandleId {
    s.handle.expect("established")
}

#[test]
fn a_super_segment_is_a_whole_number_of_segments_and_the_fin_rides_on_the_last() {
    let mut s = with_open_window();
    let chunk = Bytes::from(bytes(40_000));
    let mut stack = s.stack.clone();
    stack.write_chunk(s.now, handle(&s), chunk.clone()).unwrap();
    stack.shut_down(s.now, handle(&s));
    let packets = drain(&mut stack, &s);
    let [packet] = &packets[..] else { panic!("{} packets", packets.len()) };
    assert_eq!(usize::from(packet.segment_size), MSS);
    assert_eq!(packet.len(), 40 + 40_000);
    // One piece, and the very bytes that were written: nothing was copied.
    assert_eq!(packet.body.len(), 1);
    assert_eq!(packet.body[0].as_ptr(), chunk.as_ptr());
    assert_eq!(packet.head[33] & 1, 1, "FIN");
    // More than fits the window: whole segments only.
    s.stack.write_chunk(s.now, handle(&s), Bytes::from(bytes(100_000))).unwrap();
    let first = s.stack.poll_transmit(s.now).unwrap();
    assert_eq!((first.len() - 40) % MSS, 0);
    assert!(first.len() > 60_000);
}

#[test]
fn a_partial_checksum_is_the_pseudo_headers_sum() {
    let config = Config { partial_checksums: true, ..config() };
    let mut stack = Stack::new(config, Secrets::from_bytes([1; 48]), sum);
    stack.connect(START, None, (PEER, PEER_PORT).into()).unwrap();
    let packet = stack.poll_transmit(START).unwrap();
    assert_eq!(packet.checksum, Leaving::Partial);
    let bytes = packet.to_vec();
    let pseudo = u64::from(sum(&bytes[12..20])) + 6 + (bytes.len() as u64 - 20);
    assert_eq!(u16::from_be_bytes([bytes[36], bytes[37]]), fold(pseudo));
}

/// A super-segment from the device is one segment to TCP; its buffer is shared, not copied, where it is large.
#[test]
fn a_merged_segment_is_taken_whole_and_shared() {
    let mut s = Script::established_with(Config { receive_buffer: 65_535, ..config() });
    let packet = seg().seq(1).ack(1).data(&bytes(40_000)).packet(&s.flow, s.iss, s.irs);
    let owner = Bytes::from(packet);
    s.stack.handle_packet(s.now, Packet::shared(&owner).merged(1460).with_checksum(Arrived::Verified));
    let chunk = s.stack.read_chunk(s.now, handle(&s), usize::MAX).unwrap().unwrap();
    assert_eq!((chunk.len(), chunk.as_ptr()), (40_000, owner[40..].as_ptr()));
    assert_eq!(s.state(), State::Established);
}

/// What is said to be verified is not looked at again, and what is partial must not be: NEEDS_CSUM.
#[test]
fn m3_only_unknown_checksums_are_verified() {
    for (arrived, taken) in [(Arrived::Unknown, 0), (Arrived::Partial, 3), (Arrived::Verified, 3)] {
        let mut s = Script::established_passive();
        let mut packet = seg().seq(1).ack(1).data(b"abc").packet(&s.flow, s.iss, s.irs);
        packet[36] ^= 0x55;
        s.stack.handle_packet(s.now, Packet::new(&packet).with_checksum(arrived));
        assert_eq!(s.read_all().0.len(), taken, "{arrived:?}");
    }
}

/// What a device without offload is given is, byte for byte, what a stack without super-segments would have sent.
#[test]
fn a_split_super_segment_is_the_segments_it_stands_for() {
    for len in [1, MSS, MSS + 1, 3 * MSS, 20_000] {
        let mut whole = with_open_window();
        let mut plain = whole.stack.clone();
        plain.reconfigure(|config| config.super_segment = 0);
        let data = Bytes::from(bytes(len));
        for stack in [&mut whole.stack, &mut plain] {
            stack.write_chunk(whole.now, whole.handle.unwrap(), data.clone()).unwrap();
            stack.shut_down(whole.now, whole.handle.unwrap());
        }
        let mut stack = whole.stack.clone();
        let packets = drain(&mut stack, &whole);
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].is_super(), len > MSS);
        let split: Vec<Vec<u8>> = packets.into_iter().flat_map(|p| p.split(sum)).map(|p| p.to_vec()).collect();
        let plain: Vec<Vec<u8>> = drain(&mut plain, &whole).iter().map(Outgoing::to_vec).collect();
        assert_eq!(split, plain, "{len} bytes");
    }
}
