//! `adieu tour`.

use crate::common::{adieu, texts};

#[test]
fn the_four_way_goodbye_is_drawn_and_every_check_holds() {
    let output = adieu(&["tour", "four-way"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    for state in
        ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT"]
    {
        assert!(out.contains(state), "{state} in\n{out}");
    }
    assert!(out.contains("graceful-local-first") && out.contains("graceful-peer-first"));
    assert!(out.contains('✓') && !out.contains('✗'));
    assert!(!out.contains('\u{1b}'), "plain when piped");
}

#[test]
fn the_readme_shows_it_as_printed() {
    let (out, _) = texts(&adieu(&["tour", "four-way"]));
    let readme = include_str!("../../../../README.md");
    let ladder: Vec<&str> = out.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    assert!(ladder.len() > 20);
    assert!(readme.contains(&ladder.join("\n")), "README.md does not show this ladder:\n{}", ladder.join("\n"));
}

#[test]
fn ascii_is_ascii() {
    let (out, _) = texts(&adieu(&["tour", "--ascii"]));
    assert!(out.is_ascii(), "{out}");
}

#[test]
fn all_scenarios_are_listed_and_shown() {
    let (list, _) = texts(&adieu(&["tour", "--list"]));
    let (all, _) = texts(&adieu(&["tour"]));
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"four-way"));
    for name in names {
        assert!(all.contains(&format!("{name}: ")), "{name}");
    }
}

/// Names are what scripts and links use: they stay.
#[test]
fn the_names_are_stable() {
    let (list, err) = texts(&adieu(&["tour", "--list"]));
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known = "four-way server-first three-segments last-words half-close-client half-close-server program-exit \
                 simultaneous simultaneous-open lost-fin lost-ack-of-fin lost-last-ack fin-overtakes-data \
                 old-duplicate no-time-wait no-time-wait-reset time-wait time-wait-refuses-port time-wait-reopened \
                 reset-ignored-in-time-wait abort close-unread data-after-close linger-zero spoofed-reset refused \
                 connect-cancelled peer-forgot fin-wait-2-abandoned last-ack-never-comes no-answer peer-vanished \
                 both-gone zero-window-close zero-window-abandoned";
    assert_eq!(names, known.split_whitespace().collect::<Vec<_>>());
    assert!(err.is_empty() && list.lines().all(|line| line.len() > 30), "{list}");
}

#[test]
fn all_together_pass_and_are_counted() {
    let output = adieu(&["tour"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.starts_with("35 scenarios, ") && last.ends_with(" checks, all held"), "{last}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "wider than 100 columns");
}

#[test]
fn scenarios_are_shown_in_the_order_they_are_named() {
    let (out, _) = texts(&adieu(&["tour", "refused", "abort"]));
    assert!(out.starts_with("refused: ") && out.contains("\nabort: "), "{out}");
    assert!(!out.contains("four-way"), "{out}");
}

#[test]
fn an_unknown_scenario_is_named_with_those_there_are() {
    let output = adieu(&["tour", "nosuch"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("\"nosuch\"") && err.contains("four-way"), "{err}");
}
