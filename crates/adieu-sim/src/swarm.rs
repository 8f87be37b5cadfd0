//! The swarm: worlds drawn from seeds, run with everything going wrong, and judged from outside.
//!
//! A seed draws a whole world ([`Plan`]): both hosts' configurations, the network, the applications, and what goes
//! wrong. [`run`] runs it: first with its faults; then, where it heals, without, and everything must come to its end.
//! The oracle knows what each application wrote and was told, and by the initial sequence numbers on the wire, whose
//! peer each end is. It knows nothing of the inside of a stack. A world that breaks a promise panics, as a stack does
//! whose own invariants do not hold, with the id of the requirement; [`try_run`] makes a value of it.

mod app;
mod bounds;
mod dice;
mod draw;
mod ends;
mod incidents;
mod oracle;
mod plan;
mod receipts;
mod report;
mod run;
mod track;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use plan::{Deed, Incident, Mishap, Part, Plan, Port, Program, Reading, Talk, When};
pub use report::Report;
use run::Run;

use crate::World;

/// A promise was broken.
#[derive(Debug)]
pub struct Failure {
    /// What, with the id of the requirement, as the oracle or the stack said it.
    pub what: String,
    /// The world as it was at that moment.
    pub world: Box<World>,
}

/// Runs a world.
///
/// # Panics
/// Where a promise is broken.
pub fn run(plan: &Plan) -> Report {
    through(plan, &mut World::new(run::setup(plan)))
}

fn through(plan: &Plan, world: &mut World) -> Report {
    let mut run = Run::new(plan.clone(), world);
    run.programs(world);
    run.curfew(world);
    run.verdict(world);
    run.into_report()
}

/// Runs a world; a broken promise is a value. The panic's own message goes where the program's panic hook sends it.
pub fn try_run(plan: &Plan) -> Result<Report, Failure> {
    let mut world = Box::new(World::new(run::setup(plan)));
    let result = catch_unwind(AssertUnwindSafe(|| through(plan, &mut world)));
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Failure { what: text.unwrap_or("a panic without a word").into(), world }
    })
}
