//! The search itself: breadth first, by the library stateright, over states that are the real thing.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::{self, Action};
use crate::counterexample::Counterexample;
use crate::endings::Pair;
use crate::joint::{Joint, Weather};
use crate::scope::Scope;
use crate::seen::Seen;
use crate::state::{Fault, State};
use crate::step;

/// How far a search goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// States that are looked at, about; `None` for all there are.
    pub states: Option<usize>,
    /// Steps in a row; `None` for any number.
    pub depth: Option<usize>,
    /// Time; `None` for as long as it takes.
    pub time: Option<Duration>,
}

/// What a search has found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was looked at.
    pub scope: &'static str,
    /// States that were made, each as often as a step led to it.
    pub states: usize,
    /// States that differ.
    pub unique: usize,
    /// Most steps that lead to one.
    pub depth: usize,
    /// Steps that led beyond the packets that may be in flight, and were not followed.
    pub cut: u64,
    /// How long it took.
    pub time: Duration,
    /// Whether there is no state that was not looked at.
    pub exhausted: bool,
    /// Joint states that were seen, by [`Weather`].
    pub joint: [Joint; 3],
    /// Pairs of endings that were seen.
    pub pairs: BTreeSet<Pair>,
    /// The first thing that does not hold.
    pub violation: Option<Counterexample>,
}

impl Outcome {
    /// The violated requirement and the number of steps that lead there.
    ///
    /// # Errors
    /// Where something does not hold.
    pub fn result(&self) -> Result<(), (&'static str, usize)> {
        self.violation.as_ref().map_or(Ok(()), |violation| Err((violation.fault.id, violation.steps.len())))
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// See [`Outcome::states`].
    pub states: usize,
    /// See [`Outcome::unique`].
    pub unique: usize,
    /// See [`Outcome::depth`].
    pub depth: usize,
}

/// The model: a scope, and what is gathered on the way.
struct Goodbyes {
    scope: &'static Scope,
    seen: Arc<Seen>,
    /// A violation was found; the first counts, which is the shortest.
    found: AtomicBool,
    /// The time is up.
    over: Arc<AtomicBool>,
}

/// The one property: every requirement is looked at in every step, and the state says what does not hold.
const HOLDS: &str = "every step holds";

impl Model for Goodbyes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![step::first(self.scope)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if !self.over.load(Ordering::Relaxed) {
            action::actions(self.scope, state, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        // INV-16: a panic is a finding like any other.
        let next = || step::next(self.scope, last, action);
        catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
            let fault = Fault { id: "INV-16", text: "the stack has panicked".to_owned() };
            Some(State { fault: Some(Arc::new(fault)), ..last.clone() })
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLDS, |model: &Self, state: &State| {
            state.fault.is_none() || model.found.swap(true, Ordering::Relaxed)
        })]
    }

    fn within_boundary(&self, state: &State) -> bool {
        let within = state.wire.len() <= self.scope.wire.flight || state.fault.is_some();
        if within {
            self.seen.note(state);
        } else {
            self.seen.note_cut();
        }
        within
    }
}

/// Looks at everything in `scope`, within `limits`, on so many threads. With one thread the counterexample is one of
/// the shortest.
pub fn check(scope: &'static Scope, limits: Limits, threads: usize) -> Outcome {
    check_with(scope, limits, threads, |_| {})
}

/// The same, and says now and then how far it is.
pub fn check_with(
    scope: &'static Scope,
    limits: Limits,
    threads: usize,
    mut progress: impl FnMut(Progress),
) -> Outcome {
    let seen = Arc::new(Seen::default());
    let over = Arc::new(AtomicBool::new(false));
    let model = Goodbyes { scope, seen: Arc::clone(&seen), found: AtomicBool::new(false), over: Arc::clone(&over) };
    let began = Instant::now();
    let mut checker = model.checker().threads(threads.max(1)).finish_when(HasDiscoveries::AnyFailures);
    if let Some(states) = limits.states {
        checker = checker.target_state_count(states);
    }
    if let Some(depth) = limits.depth {
        checker = checker.target_max_depth(depth);
    }
    let checker = checker.spawn_bfs();
    let pause = Duration::from_millis(20);
    while !checker.is_done() {
        std::thread::sleep(pause);
        if limits.time.is_some_and(|most| began.elapsed() >= most) {
            over.store(true, Ordering::Relaxed);
        }
        progress(Progress {
            states: checker.state_count(),
            unique: checker.unique_state_count(),
            depth: checker.max_depth(),
        });
    }
    let checker = checker.join();
    let time = began.elapsed();
    let path = checker.discovery(HOLDS);
    let cut_short = limits.states.is_some_and(|most| checker.state_count() >= most)
        || limits.depth.is_some_and(|most| checker.max_depth() >= most)
        || over.load(Ordering::Relaxed);
    Outcome {
        scope: scope.name,
        states: checker.state_count(),
        unique: checker.unique_state_count(),
        depth: checker.max_depth(),
        cut: seen.cut(),
        time,
        exhausted: !cut_short && path.is_none(),
        joint: Weather::ALL.map(|weather| seen.joint(weather)),
        pairs: seen.pairs(),
        violation: path.and_then(|path| Counterexample::of(scope, path.into_vec())),
    }
}
