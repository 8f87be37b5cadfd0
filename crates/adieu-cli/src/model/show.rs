//! Searches for people: a row for each, then what was seen in all of them.

use std::fmt::Write;

use adieu_model::{Joint, Outcome, Pair, Scope, Weather, added, allowed, why_not};

use crate::output::wrap;

/// Names and titles.
pub(crate) fn list(scopes: &[&Scope]) -> String {
    let longest = longest(scopes);
    scopes.iter().map(|scope| format!("{:<longest$}  {}\n", scope.name, scope.title)).collect()
}

fn longest(scopes: &[&Scope]) -> usize {
    scopes.iter().map(|scope| scope.name.len()).max().unwrap_or(0).max("scope".len())
}

pub(crate) fn heading(scopes: &[&Scope]) -> String {
    let longest = longest(scopes);
    format!("{:<longest$}  {:>10}  {:>10}  {:>5}  {:>8}  result\n", "scope", "states", "different", "depth", "time")
}

pub(crate) fn row(outcome: &Outcome, scopes: &[&Scope]) -> String {
    let longest = longest(scopes);
    let Outcome { scope, states, unique, depth, time, .. } = outcome;
    let time = format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100);
    let result = match &outcome.violation {
        Some(violation) => format!("VIOLATED: {}", violation.fault.id),
        None if outcome.exhausted => "holds".to_owned(),
        None => "holds so far, and there is more".to_owned(),
    };
    format!("{scope:<longest$}  {states:>10}  {unique:>10}  {depth:>5}  {time:>8}  {result}\n")
}

/// What all searches together have seen, in any order of both ends.
fn seen(outcomes: &[Outcome], weather: Weather) -> Joint {
    outcomes.iter().fold(Joint::default(), |all, outcome| all.and(outcome.joint[weather as usize]))
}

/// Whether both ends were seen together in all states that are possible, and in no others.
pub(crate) fn joint_states_are_right(outcomes: &[Outcome]) -> bool {
    Weather::ALL
        .into_iter()
        .all(|weather| judge(outcomes, weather).0.is_empty() && judge(outcomes, weather).1.is_empty())
}

/// What should have been seen and was not, and the other way round.
fn judge(outcomes: &[Outcome], weather: Weather) -> (Joint, Joint) {
    let seen = seen(outcomes, weather);
    (added(weather).without(seen), seen.without(allowed(weather)))
}

/// Joint states and endings. What nobody has reached is only said where everything was looked at.
pub(crate) fn sum(outcomes: &[Outcome], all: bool, width: usize) -> String {
    let mut page = "\nBoth ends together (JS-1):\n".to_owned();
    for weather in Weather::ALL {
        let (missing, strange) = judge(outcomes, weather);
        let (reached, expected) = (added(weather).len() - missing.len(), added(weather).len());
        let line = format!("{reached} of {expected} {}", weather.name());
        let rest = match (missing.is_empty(), strange.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!("; not reached: {missing}"),
            (_, false) => format!("; NEVER POSSIBLE, BUT SEEN: {strange}"),
        };
        page.push_str("  ");
        wrap(&mut page, &(line + &rest), 4, width);
    }
    let beyond: u64 = outcomes.iter().map(|outcome| outcome.cut).sum();
    _ = writeln!(page, "  {beyond} steps led to more packets in flight than a scope allows, and were not followed");
    page.push_str("\nPairs of endings, and where they were seen (EP-1):\n");
    for pair in Pair::all_allowed() {
        let scopes: Vec<_> = outcomes.iter().filter(|one| one.pairs.contains(&pair)).map(|one| one.scope).collect();
        let text = match (scopes.is_empty(), all) {
            (false, _) => scopes.join(", "),
            (true, true) => format!("- ({})", why_not(pair)),
            (true, false) => continue,
        };
        let name = format!("  {pair}");
        _ = write!(page, "{name:<46}");
        wrap(&mut page, &text, 46, width.max(70));
    }
    page
}
