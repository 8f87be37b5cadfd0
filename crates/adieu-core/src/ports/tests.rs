use alloc::collections::BTreeSet;
use core::cell::Cell;

use super::*;

fn config(low: u16, high: u16) -> Config {
    Config { ephemeral_ports: (low, high), ..Config::default() }
}

fn secrets(n: u8) -> Secrets {
    Secrets::from_bytes([n; 48])
}

/// Destination number `n`.
fn towards(n: u16) -> Flow {
    let [high, low] = n.to_be_bytes();
    Flow::v4([10, 0, 0, 1], 0, [10, 1, high, low], 80)
}

/// A destination that does not count with the same counter.
fn apart(secrets: &Secrets, from: &Flow) -> Flow {
    let slot = |flow: &Flow| secrets.port_slot(flow) % (SLOTS as u64);
    (1000..).map(towards).find(|flow| slot(flow) != slot(from)).unwrap()
}

fn free(ports: &mut Ports, secrets: &Secrets, config: &Config, flow: &Flow) -> u16 {
    ports.choose(secrets, config, flow, |_| Tuple::Free).and_then(Choice::free).unwrap()
}

#[test]
fn x_port_every_port_is_tried_and_none_is_invented() {
    let free = |range, start, is_free: &dyn Fn(u16) -> bool| {
        let (low, high) = range;
        let tuple = |port| if is_free(port) { Tuple::Free } else { Tuple::Taken };
        search(&config(low, high), start, tuple).map(|(choice, steps)| (choice.free().unwrap(), steps))
    };
    assert_eq!(free((10, 19), 3, &|_| true), Some((13, 1)));
    assert_eq!(free((10, 19), 7, &|port| port == 12), Some((12, 6)));
    assert_eq!(free((10, 19), 3, &|_| false), None);
    assert_eq!(free((19, 10), 0, &|_| true), None);
    assert_eq!(free((1024, 65535), 64_511, &|_| true), Some((65535, 1)));
    assert_eq!(free((0, 65535), u64::MAX, &|_| true), Some((65535, 1)));
    assert_eq!(free((80, 80), u64::MAX, &|_| true), Some((80, 1)));
}

#[test]
fn x_port_one_pass_is_all() {
    let looks = Cell::new(0);
    let none = Ports::default().choose(&secrets(1), &config(1024, 65535), &towards(1), |_| {
        looks.set(looks.get() + 1);
        Tuple::Taken
    });
    assert_eq!((none, looks.get()), (None, 64_512));
}

#[test]
fn x_port_every_port_of_the_default_range_is_reached_before_one_comes_again() {
    let (mut ports, secrets, config) = (Ports::default(), secrets(1), Config::default());
    let seen: BTreeSet<u16> = (0..64_512).map(|_| free(&mut ports, &secrets, &config, &towards(1))).collect();
    assert_eq!((seen.len(), seen.first(), seen.last()), (64_512, Some(&1024), Some(&65535)));
}

#[test]
fn x_port_a_port_just_given_back_is_the_last_to_come_again() {
    let (mut ports, secrets, config) = (Ports::default(), secrets(1), config(5000, 5009));
    let taken = Cell::new(free(&mut ports, &secrets, &config, &towards(1)));
    let tuple = |port| if port == taken.get() { Tuple::Taken } else { Tuple::Free };
    let first = taken.get();
    for _ in 0..9 {
        let next = ports.choose(&secrets, &config, &towards(1), tuple).and_then(Choice::free).unwrap();
        assert_ne!(next, first);
        taken.set(next);
    }
    assert_eq!(ports.choose(&secrets, &config, &towards(1), tuple), Some(Choice::Free(first)));
}

#[test]
fn x_port_reserved_ports_are_never_chosen() {
    let config = Config { reserved_ports: [5001, 5002, 5003, 5008, 9].into(), ..config(5000, 5009) };
    let (mut ports, secrets) = (Ports::default(), secrets(1));
    let seen: BTreeSet<u16> = (0..40).map(|_| free(&mut ports, &secrets, &config, &towards(1))).collect();
    assert_eq!(seen, BTreeSet::from([5000, 5004, 5005, 5006, 5007, 5009]));
    let all = Config { reserved_ports: (5000..=5009).collect(), ..config };
    assert_eq!(ports.choose(&secrets, &all, &towards(1), |_| Tuple::Waiting), None);
}

#[test]
fn x_port_a_tuple_in_time_wait_comes_only_after_all_that_are_free() {
    let (mut ports, secrets, config) = (Ports::default(), secrets(1), config(5000, 5009));
    for _ in 0..20 {
        let chosen = ports.choose(&secrets, &config, &towards(1), |port| match port {
            5004 => Tuple::Free,
            5005 => Tuple::Taken,
            _ => Tuple::Waiting,
        });
        assert_eq!(chosen, Some(Choice::Free(5004)));
    }
    let one_waits = |port| if port == 5007 { Tuple::Waiting } else { Tuple::Taken };
    let chosen = ports.choose(&secrets, &config, &towards(1), one_waits).unwrap();
    assert_eq!((chosen, chosen.free()), (Choice::Waiting(5007), None));
}

#[test]
fn x_port_choices_for_one_destination_do_not_move_those_for_another() {
    let (secrets, config) = (secrets(1), Config::default());
    let (one, other) = (towards(1), apart(&secrets, &towards(1)));
    let (mut busy, mut quiet) = (Ports::default(), Ports::default());
    let mut last = None;
    for n in 0..1000 {
        let port = free(&mut busy, &secrets, &config, &one);
        let next = last.map(|last| if last == u16::MAX { 1024 } else { last + 1 });
        assert_eq!(port, next.unwrap_or(port), "to one destination they follow each other");
        last = Some(port);
        if n % 10 == 0 {
            let here = free(&mut busy, &secrets, &config, &other);
            assert_eq!(here, free(&mut quiet, &secrets, &config, &other));
        }
    }
}

#[test]
fn x_port_few_of_many_destinations_share_a_counter() {
    let secrets = secrets(1);
    let slots: BTreeSet<u64> = (0..4096).map(|n| secrets.port_slot(&towards(n)) % (SLOTS as u64)).collect();
    // 4096^2 / 2 pairs in 65,536 slots: 128 are expected to meet, give or take 11.
    assert!((4096 - 180..4096 - 80).contains(&slots.len()), "{} of 4096", slots.len());
}

#[test]
fn x_port_first_ports_are_spread_evenly_over_destinations() {
    let (secrets, config) = (secrets(1), Config::default());
    let mut counts = [0u32; 64];
    for n in 0..16_384 {
        let port = free(&mut Ports { counters: vec![0; 1 << 16] }, &secrets, &config, &towards(n));
        counts[usize::from((port - 1024) / 1008)] += 1;
    }
    // 256 in each of 64 parts. Chi-square with 63 degrees of freedom is below 104 in 999 cases of 1000.
    let chi: u32 = counts.iter().map(|count| count.abs_diff(256).pow(2)).sum::<u32>() / 256;
    assert!(chi < 104, "{chi}: {counts:?}");
}

#[test]
fn x_port_the_distance_between_two_destinations_is_told_by_neither_nor_by_their_ports() {
    let (secrets, config) = (secrets(1), config(0, 65535));
    let mut distances = BTreeSet::new();
    for n in 0..1000 {
        let mut ports = Ports::default();
        let first = free(&mut ports, &secrets, &config, &towards(n));
        let neighbour = Flow { remote_port: 81, ..towards(n) };
        distances.insert(first.wrapping_sub(free(&mut ports, &secrets, &config, &neighbour)));
    }
    // 1000 numbers out of 65,536: about 8 pairs coincide.
    assert!(distances.len() > 970, "{}", distances.len());
}

#[test]
fn x_port_the_keys_decide_and_the_local_port_does_not() {
    let config = Config::default();
    let first = |key| free(&mut Ports::default(), &secrets(key), &config, &towards(1));
    let firsts: BTreeSet<u16> = (0..100).map(first).collect();
    assert!(firsts.len() > 95, "{}", firsts.len());
    let mut ports = Ports::default();
    let one = free(&mut ports, &secrets(1), &config, &towards(1));
    let next = free(&mut ports, &secrets(1), &config, &Flow { local_port: 99, ..towards(1) });
    assert_eq!(u32::from(next), (u32::from(one) - 1024 + 1) % 64_512 + 1024);
}

#[test]
fn x_port_no_memory_before_the_first_choice() {
    let mut ports = Ports::default();
    assert_eq!(ports.counters.capacity(), 0);
    free(&mut ports, &secrets(1), &Config::default(), &towards(1));
    assert_eq!(ports.counters.len(), SLOTS);
}
