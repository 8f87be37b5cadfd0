//! Every combination of flags in every state (FR-10): left of, before, at, in and beyond the window, with and without
//! data, with every kind of acknowledgment field. Nothing panics; what is answered and what changes is what the
//! requirements say ([`oracle`]), and no synchronized state ever resets anybody but for data after close.

mod oracle;
mod script;

use adieu_core::State;
use adieu_core::wire::Flags;
use adieu_core::wire::ip::{TCP, pseudo_header};
use oracle::{Expected, Numbers, ROWS, Reply, Row, Shot, allowed, keeps_time, time_left};
use script::Script;
use script::places::Place;

/// Where the segment begins, from RCV.NXT: left of the window, one before it, at it, twice in it, right of it. What
/// begins left of it may reach into it with its data.
const SEQS: [i32; 6] = [-9, -1, 0, 1, 60_000, 70_000];

/// What stands in the acknowledgment field.
fn acks(n: &Numbers) -> [i32; 5] {
    // Right, in all its meanings: nothing new, all data, all that was sent; then beyond that; then what is too old.
    [n.una, n.end.min(n.nxt), n.nxt, n.nxt + 1, -70_000]
}

/// The low half of the 13th octet of the header: three reserved bits, and the ninth flag (NS, or AE), which is reserved
/// to us. Whatever stands there changes nothing.
fn with_reserved(script: &Script, packet: &mut [u8], bits: u8) {
    let at = if script.flow.local_address.is_ipv4() { 20 } else { 40 };
    let tcp = &mut packet[at..];
    tcp[12] = tcp[12] & 0xf0 | bits;
    tcp[16..18].fill(0);
    let (from, to) = (script.flow.remote_address, script.flow.local_address);
    let mut sum = pseudo_header(from, to, TCP, tcp.len(), adieu_core::wire::checksum::sum);
    sum.bytes(tcp);
    tcp[16..18].copy_from_slice(&sum.finish().to_be_bytes());
}

/// One segment to a fresh copy of `fresh`, and all that must hold.
fn one(row: Row, n: &Numbers, fresh: &Script, shot: &Shot, reserved: u8) {
    let mut s = fresh.clone();
    let before = s.stack.stats();
    let mut packet = shot.seg().packet(&s.flow, s.iss, s.irs);
    with_reserved(&s, &mut packet, reserved);
    s.send_raw(&packet);
    let (sent, receipts, after) = (s.take(), s.receipts(), s.stack.stats());
    let says = || format!("{shot:?} with {reserved:#x} in {row:?}: {sent:?}");
    assert_eq!((after.malformed, after.bad_checksum), (before.malformed, before.bad_checksum), "{}", says());
    let resets = sent.iter().filter(|seen| seen.flags.has(Flags::RST)).count();
    let endings: Vec<_> = receipts.iter().map(|receipt| receipt.ending).collect();
    let forgotten = after.openings_forgotten > before.openings_forgotten;
    let left = time_left(&s);
    let holds = |wanted: &Expected| {
        let news: Vec<_> = wanted.ending.into_iter().collect();
        let same = (state(&s, row), &endings, forgotten) == (wanted.state, &news, wanted.forgotten);
        same && wanted.allows(n, &sent) && keeps_time(row, wanted, left)
    };
    let wanted = allowed(row, n, shot);
    assert!(holds(&wanted), "{}, {endings:?}, {}, {left:?} left; wanted {wanted:?}", says(), state(&s, row));
    // INV-14, RS-4, said apart from the oracle: RST answers nothing here but data that nobody wants; and no RST is
    // answered with one (RA-17).
    let unwanted = n.refuses && !shot.data.is_empty();
    let never = shot.has(Flags::RST) || !unwanted && (row.is_synchronized() || row == Row::TimeWait);
    assert!(resets == 0 || !never, "{}", says());
    unchanged(&s, fresh, &wanted.reply, wanted.state == n.state && wanted.rcv == n.rcv, &says);
}

/// Where nothing was taken and no state changed, nothing that can be read or counted has changed either.
fn unchanged(s: &Script, fresh: &Script, reply: &Reply, same: bool, says: &dyn Fn() -> String) {
    if !same || matches!(reply, Reply::FreshSynAck) {
        return;
    }
    let visible = |s: &Script| {
        let left = s.stack.leftover();
        let handle = s.handle.map(|handle| (s.stack.unread(handle), s.stack.receipt(handle), s.stack.state(handle)));
        let records = (left.time_waits, left.quarantined, left.abandoned);
        (handle, left.openings, left.connections, records, left.listeners, left.handles)
    };
    assert_eq!(visible(s), visible(fresh), "{}", says());
}

fn state(s: &Script, row: Row) -> State {
    match s.flow_state() {
        State::Closed if row == Row::Listen => State::Listen,
        state => state,
    }
}

/// Every combination in a row; the four bits that are reserved run through all their values along the way.
fn all(row: Row, at: Place) {
    let (mut fresh, n) = (row.build(at, false), row.numbers());
    fresh.receipts();
    let mut count = 0u32;
    for bits in 0..=u8::MAX {
        let flags = Flags::from_bits(bits);
        for offset in SEQS {
            // Without the flag the field says nothing, whatever stands in it.
            let acks = if flags.has(Flags::ACK) { acks(&n).to_vec() } else { vec![n.nxt, -70_000] };
            for ack in acks {
                for data in [&b""[..], b"x", b"01234567"] {
                    let seq = n.rcv + offset;
                    let shot = Shot { seq, ack, flags, data: data.to_vec(), window: n.window };
                    one(row, &n, &fresh, &shot, u8::try_from(count % 16).unwrap());
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 128 * 6 * (5 + 2) * 3);
}

/// FR-10, INV-14, INV-16, RS-1, RS-3, RS-4, RA-17, FB-7: over IPv4, far from the wrap.
#[test]
fn fr_10_every_combination_of_flags_in_every_state() {
    for row in ROWS {
        all(row, Place::PLAIN);
    }
}

/// FR-10, FB-6: over IPv6, with both initial numbers at the wrap.
#[test]
fn fr_10_fb_6_every_combination_of_flags_over_ipv6_at_the_wrap() {
    for row in ROWS {
        all(row, Place { v6: true, iss: u32::MAX - 2, irs: u32::MAX - 3 });
    }
}
