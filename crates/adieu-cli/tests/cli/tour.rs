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

#[test]
fn an_unknown_scenario_is_named_with_those_there_are() {
    let output = adieu(&["tour", "nosuch"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("\"nosuch\"") && err.contains("four-way"), "{err}");
}
