//! One world, looked at closely.

use adieu_core::{Flow, Receipt};
use adieu_trace::Side;

use super::run::{self, Run};
use super::{Plan, Report, judged};
use crate::{Keep, World};

/// A world that has run.
#[derive(Debug)]
pub struct Shown {
    /// Its counts, or the promise it broke.
    pub result: Result<Report, String>,
    /// All ends of connections there were, in the order they began.
    pub ends: Vec<ShownEnd>,
    /// The world as it was then: its trace follows the flow that was asked for, or else the first connection.
    pub world: Box<World>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ShownEnd {
    /// The number of the connection in the plan ([`Talk::number`](super::Talk::number)).
    pub talk: usize,
    /// On which host.
    pub side: Side,
    /// It connected, rather than being accepted.
    pub opener: bool,
    /// As the left host calls it.
    pub flow: Flow,
    /// What it has come to; `None` where it never was a connection, or its program died.
    pub receipt: Option<Receipt>,
}

/// Runs a world, and shows more of it than [`try_run`](super::try_run): with the trace of this flow, as the left host
/// calls it, and the last packets of all.
pub fn show(plan: &Plan, follow: Option<Flow>, keep: Option<Keep>) -> Shown {
    let mut world = Box::new(World::new(run::setup(plan)));
    if let Some(flow) = follow {
        world.follow(flow);
    }
    world.capture(keep);
    let mut run = Run::new(plan.clone(), &mut world);
    let result = judged(&mut run, &mut world);
    let ends = run.ends.iter().map(|end| ShownEnd {
        talk: run.plan.talks[end.talk].number,
        side: end.side,
        opener: end.active,
        flow: if end.side == Side::Left { end.flow } else { super::ends::reverse(end.flow) },
        receipt: end.receipt,
    });
    let ends = ends.collect();
    Shown { result: result.map(|()| run.into_report()), ends, world }
}
