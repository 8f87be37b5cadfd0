//! `adieu model`: everything that can happen within bounds, searched.

mod export;
mod show;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use adieu_model::{Limits, Outcome, Progress, SCOPES, Scope, check_with};

use crate::args::Model;
use crate::failure::{Failure, NOT_GRACEFUL};
use crate::output;

pub(crate) fn run(model: &Model) -> Result<ExitCode, Failure> {
    let chosen = choose(&model.scopes)?;
    if model.list {
        output::print(&show::list(&chosen))?;
        return Ok(ExitCode::SUCCESS);
    }
    let limits = Limits { states: model.states, ..Limits::default() };
    let style = output::style(model.color);
    let mut outcomes = Vec::new();
    if !model.json {
        output::print(&show::heading(&chosen))?;
    }
    for scope in &chosen {
        let outcome = search(scope, limits, jobs(model));
        if !model.json {
            output::print(&show::row(&outcome, &chosen))?;
        }
        outcomes.push(outcome);
    }
    let all = chosen.len() == SCOPES.len();
    if model.json {
        output::print(&export::to_json(&outcomes)?)?;
    } else {
        let width = output::width();
        output::print(&show::sum(&outcomes, all, width))?;
        for violation in outcomes.iter().filter_map(|outcome| Some((outcome.scope, outcome.violation.as_ref()?))) {
            let ladder = adieu_trace::Ladder { width, ascii: model.ascii, style };
            output::print(&format!("\n{}: {}", violation.0, violation.1.page(&ladder)))?;
        }
    }
    let whole = !all || outcomes.iter().any(|outcome| !outcome.exhausted) || show::joint_states_are_right(&outcomes);
    let holds = whole && outcomes.iter().all(|outcome| outcome.violation.is_none());
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

fn jobs(model: &Model) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    model.jobs.map_or_else(all, |jobs| usize::from(jobs.get()))
}

/// The scopes of these names, in that order; all where none is named.
fn choose(names: &[String]) -> Result<Vec<&'static Scope>, Failure> {
    if names.is_empty() {
        return Ok(SCOPES.iter().collect());
    }
    let all = || SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        Scope::named(name).ok_or_else(|| Failure::usage(format!("there is no scope {name:?}; there are: {}", all())))
    };
    names.iter().map(find).collect()
}

/// One search; on a terminal, with a line that says how far it is.
fn search(scope: &'static Scope, limits: Limits, jobs: usize) -> Outcome {
    let mut err = std::io::stderr();
    let shows = err.is_terminal();
    let outcome = check_with(scope, limits, jobs, |progress: Progress| {
        if shows {
            let Progress { states, unique, depth } = progress;
            _ = write!(err, "\r{}: {states} states, {unique} of them different, {depth} steps\x1b[K", scope.name);
        }
    });
    if shows {
        _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    outcome
}
