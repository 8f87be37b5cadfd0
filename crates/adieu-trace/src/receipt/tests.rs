//! Receipts of two stacks with 10 ms between them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use adieu_core::wire::{Packet, checksum};
use adieu_core::{Cause, Config, Duration, Ending, Instant, Receipt, Secrets, Stack, State};
use insta::assert_snapshot;

use super::{receipt_block, receipt_lines, receipts_side_by_side};
use crate::ink::Style;

const DELAY: Duration = Duration::from_millis(10);

/// The client says hello and closes, the server says bye and closes: their receipts.
pub(crate) fn goodbye() -> [Receipt; 2] {
    let [here, there]: [SocketAddr; 2] = [([10, 0, 0, 1], 49_152).into(), ([10, 0, 0, 2], 80).into()];
    let mut stacks = [here, there].map(|address| {
        let config = Config { addresses: vec![address.ip()], ..Config::default() };
        Stack::new(config, Secrets::from_bytes([7; 48]), checksum::sum)
    });
    let mut now = Instant::ZERO;
    let listener = stacks[1].listen(there).unwrap();
    let client = stacks[0].connect(now, Some(here), there).unwrap();
    settle(&mut stacks, &mut now, Duration::from_secs(1));
    let server = stacks[1].accept(listener).unwrap();
    assert_eq!(stacks[0].write(now, client, b"hello"), Ok(5));
    settle(&mut stacks, &mut now, Duration::from_secs(1));
    let mut buffer = [0; 16];
    assert_eq!(stacks[1].read(now, server, &mut buffer), Ok(5));
    stacks[0].shut_down(now, client);
    settle(&mut stacks, &mut now, Duration::from_secs(1));
    assert_eq!(stacks[1].read(now, server, &mut buffer), Ok(0));
    assert_eq!(stacks[1].write(now, server, b"bye"), Ok(3));
    stacks[1].close(now, server);
    settle(&mut stacks, &mut now, Duration::from_secs(1));
    assert_eq!(stacks[0].read(now, client, &mut buffer), Ok(3));
    stacks[0].release(now, client);
    settle(&mut stacks, &mut now, Duration::from_secs(300));
    stacks.map(|mut stack| stack.poll_receipt().expect("the connection has ended").1)
}

/// Runs both stacks for `time`.
fn settle(stacks: &mut [Stack; 2], now: &mut Instant, time: Duration) {
    let until = *now + time;
    let mut wire: VecDeque<(Instant, usize, Vec<u8>)> = VecDeque::new();
    loop {
        for end in [0, 1] {
            while let Some(packet) = stacks[end].poll_transmit(*now) {
                wire.push_back((*now + DELAY, 1 - end, packet.to_vec()));
            }
        }
        let arrival = wire.front().map_or(Instant::NEVER, |(at, ..)| *at);
        let next = stacks.iter().map(Stack::poll_timeout).fold(arrival, Instant::min);
        if next > until {
            *now = until;
            return;
        }
        *now = next.max(*now);
        while let Some((_, to, bytes)) = wire.pop_front_if(|(at, ..)| *at <= *now) {
            stacks[to].handle_packet(*now, Packet::new(&bytes));
        }
        stacks.iter_mut().for_each(|stack| stack.handle_timeout(*now));
    }
}

/// A receipt that has something to tell in every line.
pub(crate) fn bad() -> Receipt {
    let [client, _] = goodbye();
    let ending = Ending::Aborted { cause: Cause::CloseWithUnread, state: State::FinWait2 };
    Receipt { ending, sent: 1_048_576, acknowledged: 1_000_000, unread: 3, retransmissions: 1_234, ..client }
}

#[test]
fn lines_say_all() {
    let [client, server] = goodbye();
    let value = |receipt: &Receipt, wanted: &str| {
        let lines = receipt_lines(receipt);
        lines.into_iter().find(|(label, _)| label == wanted).map(|(_, value)| value).unwrap_or_default()
    };
    assert_eq!(value(&client, "name"), "graceful-local-first");
    assert_eq!(value(&server, "name"), "graceful-peer-first");
    assert_eq!([value(&client, "closed first"), value(&server, "closed first")], ["this end", "the peer"]);
    assert_eq!([value(&client, "sent"), value(&client, "received")], ["5 bytes", "3 bytes"]);
    assert_eq!([value(&client, "in SYN-SENT"), value(&server, "in SYN-RECEIVED")], ["20 ms", "20 ms"]);
    assert_eq!(value(&bad(), "undelivered"), "48,576 bytes");
    assert_eq!(value(&bad(), "retransmissions"), "1,234");
}

#[test]
fn a_block() {
    assert_snapshot!(receipt_block("client", &goodbye()[0], 80, Style::Plain));
}

#[test]
fn a_bad_block() {
    assert_snapshot!(receipt_block("client", &bad(), 60, Style::Plain));
}

#[test]
fn a_narrow_block() {
    assert_snapshot!(receipt_block("client", &bad(), 24, Style::Plain));
}

#[test]
fn side_by_side() {
    let [client, server] = goodbye();
    assert_snapshot!(receipts_side_by_side(("client", &client), ("server", &server), 80, Style::Plain));
}

#[test]
fn side_by_side_in_colour() {
    let drawn = receipts_side_by_side(("client", &bad()), ("server", &goodbye()[1]), 100, Style::Color);
    assert_snapshot!(drawn.replace('\u{1b}', "^"));
}

#[test]
fn no_line_is_too_long() {
    let receipts = [bad(), goodbye()[1]];
    for width in 0..160 {
        let block =
            receipt_block("a title that is rather long for so little a width", &receipts[0], width, Style::Plain);
        let both = receipts_side_by_side(("client", &receipts[0]), ("server", &receipts[1]), width, Style::Plain);
        for line in block.lines().chain(both.lines()) {
            assert!(line.chars().count() <= width.max(20) && !line.ends_with(' '), "{width}: {line:?}");
        }
        assert!(!block.contains('\u{1b}') && both.is_ascii() && both.ends_with('\n'));
    }
}
