//! Searches as JSON.

use adieu_model::{Joint, Outcome, Weather};
use serde_json::{Value, json};

use crate::failure::Failure;

pub(crate) fn to_json(outcomes: &[Outcome]) -> Result<String, Failure> {
    let scopes: Vec<Value> = outcomes.iter().map(scope).collect();
    let document = json!({ "version": 1, "scopes": scopes });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn scope(outcome: &Outcome) -> Value {
    let violation = outcome
        .violation
        .as_ref()
        .map(|violation| json!({ "id": violation.fault.id, "text": violation.fault.text, "steps": violation.steps }));
    let joint = |weather: Weather| names(outcome.joint[weather as usize]);
    json!({
        "name": outcome.scope,
        "states": outcome.states,
        "unique": outcome.unique,
        "depth": outcome.depth,
        "beyond": outcome.cut,
        "milliseconds": u64::try_from(outcome.time.as_millis()).unwrap_or(u64::MAX),
        "exhausted": outcome.exhausted,
        "violation": violation,
        "joint_states": {
            "before_expiry": joint(Weather::Calm),
            "after_expiry": joint(Weather::Expired),
            "with_aborts": joint(Weather::Rough),
        },
        "endings": outcome.pairs.iter().map(|pair| [pair.0.name(), pair.1.name()]).collect::<Vec<_>>(),
    })
}

fn names(joint: Joint) -> Vec<[&'static str; 2]> {
    joint.iter().map(|(a, b)| [a.name(), b.name()]).collect()
}
