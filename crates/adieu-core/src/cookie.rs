//! SYN cookies: an opening that is kept nowhere but in the numbers the peer sends back (RFC 4987 section 3.6).
//!
//! A cookie is an initial sequence number like all others, as it was when its slot of 64 s began, plus a number below
//! what the clock of these adds in a slot. So a cookie lies at most a slot away from the number the connection would
//! have had anyway, and later connections between the same ports go on having later numbers. What is added is a keyed
//! hash, plus a step for each class of the peer's MSS:
//!
//! ```text
//!   F(flow) + ticks at the slot's beginning + hash(flow, peer's number, epoch, slot) mod 2,000,000 + class x 2,000,000
//! ```
//!
//! Nothing but the slot's own eight numbers is taken for a cookie: 16 of 2^32 with the slot before. Who has learnt F,
//! because the same addresses and ports were once his, still has only one chance in a million with every guess.

use crate::secrets::Secrets;
use crate::seq::Seq;
use crate::stack::Flow;
use crate::time::{Duration, Instant};

/// How long a cookie has the same slot. It counts in this one and the next: for 64 s at least, 128 s at most.
const SLOT: Duration = Duration::from_secs(64);
/// A cookie is surely void after so long.
pub(crate) const LIFETIME: Duration = Duration::from_secs(128);
/// What the clock of initial sequence numbers adds in a slot, at 4 us a tick.
const TICKS: u32 = 16_000_000;
/// The MSS of each class: the least we send by, the two that RFC 9293 takes where nothing is announced (IPv4 and IPv6),
/// tunnels, Ethernet (IPv6 and IPv4), jumbo frames. Rounded down, as no peer must get more than it asked for.
const MSS: [u16; 8] = [48, 536, 1220, 1360, 1400, 1440, 1460, 8940];
const CLASSES: u32 = 8;
/// So far apart are the numbers of the classes: an acknowledgment of what the connection has said since is none.
const APART: u32 = TICKS / CLASSES;

/// The number to answer a SYN with, instead of keeping anything. `epoch` names the listener: no two that ever listen at
/// one place have the same, so that what a closed one has sent opens nothing (EO-1).
pub(crate) fn iss(secrets: &Secrets, flow: &Flow, peer_isn: Seq, epoch: u32, mss: u16, now: Instant) -> Seq {
    let slot = slot_at(now);
    let class = MSS.iter().skip(1).filter(|most| **most <= mss).count();
    first_of(secrets, flow, peer_isn, epoch, slot) + u32::try_from(class).unwrap_or(0) * APART
}

/// What the peer may be sent by, if `iss` is a cookie that this slot or the one before has given for just this.
pub(crate) fn check(secrets: &Secrets, flow: &Flow, peer_isn: Seq, iss: Seq, epoch: u32, now: Instant) -> Option<u16> {
    let present = slot_at(now);
    [Some(present), present.checked_sub(1)].into_iter().flatten().find_map(|slot| {
        let beyond = iss.0.wrapping_sub(first_of(secrets, flow, peer_isn, epoch, slot).0);
        let class = usize::try_from(beyond / APART).ok().filter(|_| beyond.is_multiple_of(APART))?;
        MSS.get(class).copied()
    })
}

fn slot_at(now: Instant) -> u64 {
    now.since(Instant::ZERO).as_secs() / SLOT.as_secs()
}

/// The cookie of class 0.
fn first_of(secrets: &Secrets, flow: &Flow, peer_isn: Seq, epoch: u32, slot: u64) -> Seq {
    let [low, high] = [slot as u32, (slot >> 32) as u32];
    let bound = [peer_isn.0, epoch, low, high].map(u32::to_ne_bytes);
    let hash = secrets.cookie_hash(flow, bound.as_flattened()) % u64::from(APART);
    let beginning = secrets.initial_seq(flow, Instant::from_secs(slot.saturating_mul(SLOT.as_secs())));
    beginning + hash as u32
}

/// Low bits of a timestamp that carry the options of a SYN: four for the window shift, one for SACK.
const HIDDEN: u32 = 0b1_1111;
/// The shift of a peer that does not scale.
const NO_SHIFT: u32 = 0b1111;
const SACK: u32 = 0b1_0000;
/// RFC 7323 section 2.3.
const MAX_SHIFT: u8 = 14;

/// A TSval that carries the options of a SYN to our later self: `tsval`, or up to 31 less. Never more: what the
/// connection sends next must not look older to the peer than this (RFC 7323 section 5). Only for a SYN that had a
/// timestamp itself; without one there is no window scaling and no SACK.
pub(crate) fn hide(tsval: u32, shift: Option<u8>, sack: bool) -> u32 {
    let shift = shift.map_or(NO_SHIFT, |shift| u32::from(shift.min(MAX_SHIFT)));
    let options = shift | if sack { SACK } else { 0 };
    tsval.wrapping_sub(tsval.wrapping_sub(options) & HIDDEN)
}

/// The window shift and SACK that [`hide`] has put into the timestamp which the peer echoes.
pub(crate) fn reveal(tsecr: u32) -> (Option<u8>, bool) {
    let shift = u8::try_from(tsecr & NO_SHIFT).ok().filter(|shift| *shift <= MAX_SHIFT);
    (shift, tsecr & SACK != 0)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use core::net::Ipv6Addr;

    use super::*;

    const PEER_ISN: Seq = Seq(0xdead_beef);
    const EPOCH: u32 = 7;

    fn secrets() -> Secrets {
        Secrets::from_bytes(core::array::from_fn(|at| u8::try_from(at).unwrap_or(0)))
    }

    fn v4() -> Flow {
        Flow::v4([10, 0, 0, 1], 80, [10, 0, 0, 2], 4000)
    }

    fn v6() -> Flow {
        let address = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into();
        Flow { local_address: address(1), remote_address: address(2), ..v4() }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    /// SplitMix64: guesses that are the same in every run.
    fn guesses(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |n: u64| {
            let mut word = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ word >> 31
        })
    }

    #[test]
    fn x_cookie_the_mss_comes_back_rounded_down() {
        let secrets = secrets();
        for (asked, given) in [(0, 48), (48, 48), (535, 48), (536, 536), (1219, 536), (1220, 1220), (1380, 1360)]
            .into_iter()
            .chain([(1432, 1400), (1440, 1440), (1452, 1440), (1460, 1460), (8939, 1460), (8940, 8940), (65535, 8940)])
        {
            for flow in [v4(), v6()] {
                let cookie = iss(&secrets, &flow, PEER_ISN, EPOCH, asked, at(1000));
                assert_eq!(check(&secrets, &flow, PEER_ISN, cookie, EPOCH, at(1000)), Some(given), "{asked}");
            }
        }
    }

    #[test]
    fn x_cookie_it_counts_in_its_slot_and_the_next_and_never_before_or_after() {
        let secrets = secrets();
        for (given, from, until) in [(0, 0, 127), (63, 0, 127), (64, 64, 191), (127, 64, 191), (6400, 6400, 6527)] {
            let cookie = iss(&secrets, &v4(), PEER_ISN, EPOCH, 1460, at(given));
            let counts = |secs| check(&secrets, &v4(), PEER_ISN, cookie, EPOCH, at(secs)) == Some(1460);
            assert!(counts(from) && counts(given) && counts(given + 64) && counts(until), "given at {given} s");
            assert!(!counts(until + 1) && !counts(until + 32 * 64), "given at {given} s");
            assert!(from == 0 || !counts(from - 1), "given at {given} s");
        }
    }

    #[test]
    fn x_cookie_another_flow_or_another_number_of_the_peer_opens_nothing() {
        let secrets = secrets();
        let cookie = iss(&secrets, &v4(), PEER_ISN, EPOCH, 1460, at(1000));
        let opens = |secrets: &Secrets, flow: &Flow, peer_isn| {
            check(secrets, flow, peer_isn, cookie, EPOCH, at(1000)).is_some()
        };
        assert!(opens(&secrets, &v4(), PEER_ISN));
        let others = [
            Flow { local_port: 81, ..v4() },
            Flow { remote_port: 4001, ..v4() },
            Flow { local_address: [10, 0, 0, 3].into(), ..v4() },
            Flow { remote_address: [10, 0, 0, 3].into(), ..v4() },
            v6(),
        ];
        assert!(others.iter().all(|flow| !opens(&secrets, flow, PEER_ISN)));
        assert!((0..32).all(|bit| !opens(&secrets, &v4(), Seq(PEER_ISN.0 ^ 1 << bit))));
        assert!(!opens(&secrets, &v4(), PEER_ISN + 1) && !opens(&secrets, &v4(), PEER_ISN - 1));
        assert!(!opens(&Secrets::from_bytes([2; 48]), &v4(), PEER_ISN));
    }

    #[test]
    fn eo_1_a_cookie_of_a_closed_listener_opens_nothing() {
        let secrets = secrets();
        let cookie = iss(&secrets, &v4(), PEER_ISN, EPOCH, 1460, at(1000));
        let opens = |epoch| check(&secrets, &v4(), PEER_ISN, cookie, epoch, at(1000)).is_some();
        assert!(opens(EPOCH));
        assert!((0..100).chain([u32::MAX]).all(|epoch| epoch == EPOCH || !opens(epoch)));
    }

    #[test]
    fn x_isn_x_cookie_it_lies_within_a_slot_of_the_usual_number_and_grows_from_slot_to_slot() {
        let secrets = secrets();
        for (n, guess) in (0u16..500).zip(guesses(1)) {
            let (flow, secs) = (Flow { remote_port: n, ..v4() }, guess % 100_000);
            let cookie = |peer_isn, secs| iss(&secrets, &flow, peer_isn, EPOCH, 8940, at(secs));
            let usual = secrets.initial_seq(&flow, at(secs));
            assert!(cookie(PEER_ISN, secs).distance(usual).unsigned_abs() < TICKS);
            let growth = cookie(PEER_ISN + 1, secs + 64).distance(cookie(PEER_ISN, secs));
            assert!(growth > 0, "{growth}");
        }
    }

    #[test]
    fn x_cookie_blind_guesses_open_nothing() {
        let secrets = secrets();
        let opened = guesses(2).take(200_000).filter(|guess| {
            let (iss, peer_isn) = (Seq(*guess as u32), Seq((guess >> 32) as u32));
            check(&secrets, &v4(), peer_isn, iss, EPOCH, at(1000)).is_some()
        });
        // 16 of 2^32 are right: in 200,000 guesses one is, once in 1300 runs.
        assert_eq!(opened.count(), 0);
    }

    #[test]
    fn x_cookie_of_all_numbers_near_one_only_its_slots_eight_are_taken() {
        let secrets = secrets();
        for n in 0..20 {
            let cookie = iss(&secrets, &v4(), PEER_ISN + n, EPOCH, 0, at(1000));
            let taken =
                |near: &u32| check(&secrets, &v4(), PEER_ISN + n, cookie + *near - 1000, EPOCH, at(1000)).is_some();
            assert_eq!((0..2000).filter(taken).collect::<BTreeSet<u32>>(), BTreeSet::from([1000]));
            let step = |class| class * APART + 1000;
            assert!((0..8).map(step).all(|near| taken(&near)) && !taken(&step(8)));
        }
    }

    #[test]
    fn x_cookie_its_hash_has_all_the_bits_it_has_room_for() {
        let secrets = secrets();
        let base = secrets.initial_seq(&v4(), at(960));
        let hash = |n| iss(&secrets, &v4(), Seq(n), EPOCH, 0, at(1000)).0.wrapping_sub(base.0);
        let seen: BTreeSet<u32> = (0..20_000).map(hash).collect();
        assert!(seen.iter().all(|hash| *hash < APART));
        // 20,000^2 / 2 pairs among 2,000,000 numbers: 100 are expected to coincide, give or take 10.
        assert!((50..150).contains(&(20_000 - seen.len())), "{}", seen.len());
        let mean = seen.iter().map(|hash| u64::from(*hash)).sum::<u64>() / seen.len() as u64;
        assert!(mean.abs_diff(1_000_000) < 25_000, "{mean}");
    }

    #[test]
    fn x_cookie_options_travel_in_a_timestamp_that_never_exceeds_the_clock() {
        let shifts = (0..=14).map(Some).chain([None]);
        for shift in shifts {
            for sack in [false, true] {
                for tsval in (0..100).chain(u32::MAX - 100..=u32::MAX).chain(1 << 31..(1 << 31) + 40) {
                    let hidden = hide(tsval, shift, sack);
                    assert!(tsval.wrapping_sub(hidden) < 32, "{tsval} became {hidden}");
                    assert_eq!(reveal(hidden), (shift, sack));
                }
            }
        }
        assert_eq!(reveal(hide(1000, Some(15), true)), (Some(14), true), "RFC 7323 section 2.3");
        assert_eq!(reveal(hide(1000, Some(255), false)), (Some(14), false));
    }
}
