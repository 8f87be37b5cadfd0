//! One world, looked at closely.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::time::Instant;

use adieu_sim::Keep;
use adieu_sim::swarm::{Campaigned, Plan, Shown, ShownEnd, show};
use adieu_trace::Side;

use super::found::Found;
use super::page::{self, Look, many};
use super::progress::Progress;
use super::{Outcome, drawn, version};
use crate::args::Sim;
use crate::failure::Failure;
use crate::output;

/// Runs the world of a seed. Where it keeps its promises it is shown, but for `--json`; else there is an outcome.
pub(super) fn run(sim: &Sim, seed: u64) -> Result<Option<Outcome>, Failure> {
    let whole = super::plan(sim, seed);
    let pieces = whole.parts().len();
    let without = sim.without.as_ref().map(|places| places.of(pieces)).transpose()?.unwrap_or_default();
    let plan = whole.without(&without);
    if let Some(number) = sim.connection.filter(|number| plan.talks.iter().all(|talk| talk.number != *number)) {
        let known: Vec<String> = plan.talks.iter().map(|talk| talk.number.to_string()).collect();
        let known = known.join(", ");
        return Err(Failure::usage(format_args!("the world has no connection {number}; there are: {known}")));
    }
    let began = Instant::now();
    let shown = show(&plan, None, None);
    let mut all = Campaigned { elapsed: began.elapsed(), ..Campaigned::default() };
    let mut found = Vec::new();
    match &shown.result {
        Ok(report) => all.report.add(report),
        Err(what) => {
            let progress = Progress::new();
            found.push(Found::examine(sim, seed, &whole, what, &progress)?);
            progress.finish();
            all.failed.push((seed, what.clone()));
        }
    }
    if sim.json || !found.is_empty() {
        return Ok(Some(Outcome { all, found, first: seed, jobs: NonZeroUsize::MIN, stopped: false }));
    }
    output::print(&text(sim, &plan, &shown, &without))?;
    Ok(None)
}

fn text(sim: &Sim, plan: &Plan, shown: &Shown, without: &[usize]) -> String {
    let look = Look::of(sim);
    let mut text = String::new();
    _ = writeln!(text, "{}", look.bold(&format!("The world of seed {}, {}", plan.seed, version())));
    text.push_str(&drawn::world(plan, usize::MAX, look.width));
    if without.is_empty() {
        _ = writeln!(text, "\n{}", look.bold("Pieces, by their places for --without"));
        text.push_str(&drawn::pieces(plan, look.width));
    }
    _ = writeln!(text, "\n{}", look.bold("Endings"));
    for talk in &plan.talks {
        let ends = shown.ends.iter().filter(|end| end.talk == talk.number);
        let ends: Vec<String> = ends.map(ending).collect();
        let ends = if ends.is_empty() { "never began".to_owned() } else { ends.join("; ") };
        drawn::hang(&mut text, "  ", &format!("connection {}: {ends}", talk.number), look.width);
    }
    text.push('\n');
    connection(&mut text, sim, plan, shown, look);
    text.push('\n');
    if let Ok(report) = &shown.result {
        page::tables(&mut text, report, look);
        let (connections, events) = (many(report.connections, "connection"), many(report.events, "event"));
        _ = writeln!(text, "1 world, {connections}, {events}; every promise was kept");
    }
    text
}

/// What became of one end.
fn ending(end: &ShownEnd) -> String {
    let side = match end.side {
        Side::Left => "left",
        Side::Right => "right",
    };
    match &end.receipt {
        Some(receipt) => format!("{side} {} in {}", receipt.ending.name(), receipt.ending.state()),
        None => format!("{side} without an ending"),
    }
}

/// The ladder of the connection that was asked for, or the end of the first one's.
fn connection(text: &mut String, sim: &Sim, plan: &Plan, shown: &Shown, look: Look) {
    let of = |number: usize| shown.ends.iter().find(|end| end.talk == number && end.opener);
    let end = match sim.connection {
        Some(number) => of(number),
        None => plan.talks.iter().find_map(|talk| of(talk.number)),
    };
    let Some(end) = end else {
        text.push_str("There is no ladder: nothing ever began.\n");
        return;
    };
    let again = show(plan, Some(end.flow), Some(Keep::last(0)));
    _ = writeln!(text, "{}", look.bold(&format!("Connection {}", end.talk)));
    match sim.connection {
        Some(_) => page::whole_ladder(text, again.world.trace(), look),
        None => page::ladder(text, again.world.trace(), look),
    }
}
