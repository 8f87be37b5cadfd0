//! The swarm: worlds drawn from seeds, run with everything going wrong, and judged from outside.
//!
//! A seed draws a whole world ([`Plan`]): both hosts' configurations, the network, the applications, and what goes
//! wrong. [`run`] runs it: first with its faults; then, where it heals, without, and everything must come to its end.
//! The oracle knows what each application wrote and was told, and by the initial sequence numbers on the wire, whose
//! peer each end is. It knows nothing of the inside of a stack. A world that breaks a promise panics, as a stack does
//! whose own invariants do not hold, with the id of the requirement; [`try_run`] makes a value of it.

mod app;
mod bounds;
mod campaign;
mod dice;
mod draw;
mod ends;
mod incidents;
mod instant;
mod laws;
mod oracle;
mod plan;
mod promise;
mod receipts;
mod report;
mod run;
mod sent;
mod show;
mod shrink;
mod staged;
mod track;
mod verdict;
mod words;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use adieu_core::Flow;

pub use campaign::{Campaign, Campaigned, campaign, campaign_of};
pub use plan::{Deed, Incident, Mishap, Part, Plan, Port, Program, Reading, Talk, When};
pub use promise::Promise;
pub use report::Report;
use run::Run;
pub use show::{Shown, ShownEnd, show};
pub use shrink::{Shrunk, shrink, shrink_plan};
pub use staged::STAGED;

use crate::{Keep, World};

/// A promise was broken.
#[derive(Debug)]
pub struct Failure {
    /// What, with the id of the requirement, as the oracle or the stack said it.
    pub what: String,
    /// The connection it was about, as the left host sees it, where it was about one.
    pub flow: Option<Flow>,
    /// The world as it was at that moment: its trace follows that connection where [`retrace`] made it.
    pub world: Box<World>,
}

impl Failure {
    /// The ids of the requirement that was not met: what stands before the first colon.
    pub fn id(&self) -> &str {
        id(&self.what)
    }
}

/// The ids of the requirement in what a broken promise says.
pub fn id(what: &str) -> &str {
    let what = what.strip_prefix("assertion `left == right` failed: ").unwrap_or(what);
    what.split_once(": ").map_or(what, |(id, _)| id).lines().next().unwrap_or_default()
}

/// Runs a world.
///
/// # Panics
/// Where a promise is broken.
pub fn run(plan: &Plan) -> Report {
    let mut world = World::new(run::setup(plan));
    let mut run = Run::new(plan.clone(), &mut world);
    through(&mut run, &mut world);
    run.into_report()
}

fn through(run: &mut Run, world: &mut World) {
    run.programs(world);
    run.curfew(world);
    run.verdict(world);
}

/// Runs a world; a broken promise is a value. The panic's own message goes where the program's panic hook sends it.
pub fn try_run(plan: &Plan) -> Result<Report, Failure> {
    attempt(plan, |_| {})
}

/// Runs a world that fails once more, with the trace of the connection that it failed for, and the last packets of all.
pub fn retrace(plan: &Plan, failure: &Failure, keep: Keep) -> Option<Failure> {
    let prepare = |world: &mut World| {
        if let Some(flow) = failure.flow {
            world.follow(flow);
        }
        world.capture(Some(keep));
    };
    attempt(plan, prepare).err()
}

fn attempt(plan: &Plan, prepare: impl FnOnce(&mut World)) -> Result<Report, Failure> {
    let mut world = Box::new(World::new(run::setup(plan)));
    prepare(&mut world);
    let mut run = Run::new(plan.clone(), &mut world);
    match judged(&mut run, &mut world) {
        Ok(()) => Ok(run.into_report()),
        Err(what) => Err(Failure { what, flow: run.flow_at_hand(), world }),
    }
}

thread_local! {
    static JUDGING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs a world, so that a panic would be a broken promise, and become a value: a panic hook may
/// pass over it.
pub fn is_judging() -> bool {
    JUDGING.get()
}

/// Runs a world to its end, or to the promise it breaks.
fn judged(run: &mut Run, world: &mut World) -> Result<(), String> {
    let before = JUDGING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(|| through(run, world)));
    JUDGING.set(before);
    let Err(payload) = result else { return Ok(()) };
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    Err(text.unwrap_or("a panic without a word").into())
}
