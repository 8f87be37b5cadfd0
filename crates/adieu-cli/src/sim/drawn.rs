//! What a world is made of, in words.

use std::fmt::{Debug, Write};

use adieu_core::{Config, Settings};
use adieu_sim::swarm::{Plan, Talk};
use adieu_trace::{Side, human};

use crate::output;

const SIDES: [(Side, &str); 2] = [(Side::Left, "left"), (Side::Right, "right")];

/// The network, the hosts, up to `most` connections, and all that goes wrong.
pub(super) fn world(plan: &Plan, most: usize, width: usize) -> String {
    let mut text = String::new();
    let version = if plan.ipv6 { "IPv6" } else { "IPv4" };
    let heals = plan.heals.map_or_else(String::new, |after| format!("; heals after {}", human(after)));
    hang(&mut text, "  ", &format!("the network: {version}, {}{heals}", plan.wire), width);
    for (side, name) in SIDES {
        hang(&mut text, "  ", &format!("the {name} host: {}", host(plan, side)), width);
    }
    for talk in plan.talks.iter().take(most) {
        hang(&mut text, "  ", &talk.to_string(), width);
        for (side, name) in SIDES {
            let program = &talk.programs[side as usize];
            hang(&mut text, "    ", &format!("{name}: {program}{}", chosen(talk, side)), width);
        }
    }
    if plan.talks.len() > most {
        _ = writeln!(text, "  and {} more connections", plan.talks.len() - most);
    }
    for (place, incident) in plan.incidents.iter().enumerate() {
        hang(&mut text, "  ", &format!("incident {place}: {incident}"), width);
    }
    text
}

/// Every piece under its place, for `--without`.
pub(super) fn pieces(plan: &Plan, width: usize) -> String {
    let parts = plan.parts();
    let longest = parts.len().saturating_sub(1).to_string().len();
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        hang(&mut text, &format!("  {place:>longest$}  "), &part.to_string(), width);
    }
    text
}

fn host(plan: &Plan, side: Side) -> String {
    let config = &plan.config[side as usize];
    let mut words = vec![if plan.listens[side as usize] { "listens".to_owned() } else { "does not listen".to_owned() }];
    if !plan.accept_pace.is_zero() && plan.listens[side as usize] {
        words.push(format!("accepts every {} or so", human(plan.accept_pace)));
    }
    if let Some(initial) = plan.initial[side as usize] {
        words.push(format!("sequence numbers begin at {}", initial.0));
    }
    words.extend(differences(config, &Config::default()));
    words.join(", ")
}

/// What an application has chosen for its connection.
fn chosen(talk: &Talk, side: Side) -> String {
    let different = differences(&talk.settings[side as usize], &Settings::default());
    if different.is_empty() { String::new() } else { format!(" ({})", different.join(", ")) }
}

/// The fields of a structure that are not as in another: `mtu 576`.
fn differences<T: Debug>(one: &T, other: &T) -> Vec<String> {
    let [one, other] = [one, other].map(fields);
    let differs = one.into_iter().zip(other).filter(|(one, other)| one != other);
    differs.map(|(one, _)| one.replacen(": ", " ", 1)).collect()
}

/// Each field on a line of its own, as the derived `Debug` names it.
fn fields<T: Debug>(value: &T) -> Vec<String> {
    let text = format!("{value:#?}");
    let mut fields: Vec<String> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
        let new = !line.starts_with([' ', '}', ']', ')']);
        match fields.last_mut() {
            Some(field) if !new => {
                field.push_str(if line.starts_with(' ') && !field.ends_with('(') { " " } else { "" });
                field.push_str(line.trim());
            }
            Some(_) | None => fields.push(line.trim().to_owned()),
        }
    }
    fields.into_iter().map(|field| field.trim_end_matches(',').replace(",)", ")")).collect()
}

/// `text` behind a mark, the further lines four columns further in.
pub(super) fn hang(page: &mut String, mark: &str, text: &str, width: usize) {
    page.push_str(mark);
    let mut lines = String::new();
    output::wrap(&mut lines, text, mark.len(), width);
    page.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_is_not_as_ever_is_told() {
        let config = Config { mtu: 576, time_wait: Duration::from_secs(30), ..Config::default() };
        assert_eq!(differences(&config, &Config::default()), ["mtu 576", "time_wait 30s"]);
        let settings = Settings { user_timeout: Some(Duration::from_secs(3)), nodelay: true, ..Settings::default() };
        assert_eq!(differences(&settings, &Settings::default()), ["nodelay true", "user_timeout Some(3s)"]);
    }

    #[test]
    fn worlds_fit_and_name_all_their_pieces() {
        for seed in 0..40 {
            let plan = Plan::draw(seed);
            let (world, pieces) = (world(&plan, usize::MAX, 60), pieces(&plan, 60));
            assert!(world.lines().all(|line| line.chars().count() <= 60), "{world}");
            assert_eq!(pieces.lines().count(), plan.parts().len(), "{pieces}");
            for (place, part) in plan.parts().iter().enumerate() {
                assert!(pieces.contains(&format!("{place}  {part}\n")), "{pieces}");
            }
            assert_eq!(world.matches("\n    left: ").count(), plan.talks.len());
        }
    }
}
