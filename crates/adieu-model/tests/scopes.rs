//! A share of the searches that `adieu model` makes: small scopes in full, the others as far as time allows.

use std::sync::LazyLock;

use adieu_core::State as Tcp;
use adieu_model::{FORGED, Limits, Outcome, Pair, Scope, Weather, added, allowed, check};

const THREADS: usize = 2;

fn search(name: &str, states: usize) -> Outcome {
    let scope = Scope::named(name).expect("a scope of that name");
    let outcome = check(scope, Limits { states: Some(states), ..Limits::default() }, THREADS);
    if let Some(violation) = &outcome.violation {
        panic!("{name}:\n{violation}");
    }
    assert!(outcome.unique > 1_000, "{name}: {} states are no search", outcome.unique);
    outcome
}

/// Searched once, looked at by many.
static CLOSING: LazyLock<Vec<Outcome>> = LazyLock::new(|| {
    let bounds = [("goodbye", 250_000), ("silence", 150_000), ("abort", 150_000)];
    bounds.into_iter().map(|(name, states)| search(name, states)).collect()
});

fn joint(weather: Weather) -> adieu_model::Joint {
    CLOSING.iter().fold(Default::default(), |all, outcome| all.and(outcome.joint[weather as usize]))
}

/// INV-11, INV-12, INV-15: the fourteen pairs of states, and what a TIME-WAIT that is over and aborts add.
#[test]
fn js_1_inv_11_exactly_the_joint_states_of_the_table_are_reached() {
    for weather in Weather::ALL {
        let seen = joint(weather);
        assert!(added(weather).without(seen).is_empty(), "not reached: {}", added(weather).without(seen));
        assert!(seen.without(allowed(weather)).is_empty(), "never: {}", seen.without(allowed(weather)));
    }
    assert_eq!(Weather::ALL.map(|weather| added(weather).len()), [14, 3, 4]);
    assert!(joint(Weather::Calm).contains(Tcp::TimeWait, Tcp::TimeWait));
}

#[test]
fn ep_1_no_pair_of_endings_outside_the_table_and_the_common_ones_are_reached() {
    let seen = || CLOSING.iter().flat_map(|outcome| &outcome.pairs);
    assert!(seen().all(|pair| pair.is_allowed(false)), "{:?}", seen().collect::<Vec<_>>());
    let names: Vec<String> = seen().map(Pair::to_string).collect();
    for pair in ["graceful / graceful", "graceful / timed-out-late", "reset / aborted", "timed-out / timed-out"] {
        assert!(names.iter().any(|name| name == pair), "{pair}");
    }
}

/// INV-1, INV-2, INV-3, INV-4, INV-5, INV-6, INV-7, INV-9, INV-10: what arrives is what was sent, and ends where it
/// ended; in every order of arrival, with losses and copies.
#[test]
fn inv_1_2_3_4_5_6_7_9_10_streams_arrive_whole_and_end_once() {
    search("data", 150_000);
    search("half-close", 150_000);
    search("unread", 150_000);
}

/// INV-13, INV-14, INV-20, EP-1: resets have causes, and answers are few.
#[test]
fn inv_13_14_20_resets_and_answers() {
    let outcome = search("patience", 150_000);
    assert!(outcome.joint[0].contains(Tcp::LastAck, Tcp::TimeWait));
}

/// INV-17, INV-18, INV-19, INV-21, L1, L2, L6: whatever happens, and wherever the wire dies, what nobody owns ends,
/// and leaves nothing.
#[test]
fn inv_17_18_19_21_l1_l2_l6_nothing_waits_for_ever_and_nothing_is_left() {
    let outcome = search("silence", 150_000);
    let names: Vec<String> = outcome.pairs.iter().map(Pair::to_string).collect();
    assert!(names.iter().any(|name| name.starts_with("timed-out")), "{names:?}");
    search("window", 150_000);
}

/// INV-22: nothing is established that was not answered, where attempts are given up, and where both sides connect.
#[test]
fn inv_22_every_way_to_open() {
    search("opening", 150_000);
    let crossing = search("crossing", 400_000);
    assert!(crossing.exhausted, "it is small enough to be looked at in full");
}

/// INV-8, INV-23: two connections between the same addresses and ports, with old segments, a listener that goes and
/// comes back, and TIME-WAIT that ends early.
#[test]
fn inv_8_23_incarnations_stay_apart() {
    for name in ["reuse", "restart", "eviction"] {
        search(name, 120_000);
    }
}

/// INV-16: no panic, also with timestamps, selective acknowledgments and probes.
#[test]
fn inv_16_extensions_hold_the_same() {
    search("extensions", 120_000);
}

/// A search that could not fail would show nothing: here the wire sets FIN, and an end of the stream is seen that is
/// none (INV-2). The counterexample is a shortest one, and can be read.
#[test]
fn a_wire_that_forges_is_found_out() {
    static SCOPE: Scope = FORGED;
    let outcome = check(&SCOPE, Limits::default(), 1);
    let (id, depth) = outcome.result().expect_err("FIN was set");
    assert!(["INV-2", "INV-4", "INV-11"].contains(&id), "{id}");
    assert!(depth <= 8, "{depth} steps");
    let page = outcome.violation.expect("a violation").to_string();
    assert!(page.contains("with FIN set by the wire") && page.contains("left (connects)"), "{page}");
    assert!(!outcome.exhausted);
}

#[test]
fn limits_are_kept_and_said() {
    let scope = Scope::named("goodbye").expect("a scope");
    let few = check(scope, Limits { states: Some(2_000), ..Limits::default() }, 1);
    assert!(!few.exhausted && few.states < 200_000, "{} states", few.states);
    let shallow = check(scope, Limits { depth: Some(3), ..Limits::default() }, 1);
    assert!(!shallow.exhausted && shallow.depth <= 3);
    assert_eq!(Scope::named("nowhere").map(|scope| scope.name), None);
}

/// Twice the same: a search on one thread does not depend on anything but its scope.
#[test]
fn a_search_is_the_same_each_time() {
    let scope = Scope::named("crossing").expect("a scope");
    let limits = Limits { states: Some(20_000), ..Limits::default() };
    let [first, again] = [0; 2].map(|_| check(scope, limits, 1));
    assert_eq!((first.states, first.unique, first.depth), (again.states, again.unique, again.depth));
    assert_eq!(first.pairs, again.pairs);
}
