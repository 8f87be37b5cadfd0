//! `adieu model`.

use crate::common::{adieu, texts};
use crate::harness::register;

register! {
    the_scopes_are_listed();
    a_search_says_how_far_it_got();
    an_unknown_scope_is_named_with_those_there_are();
    what_cannot_be_done_is_said_with_exit_code_2();
    one_json_document_holds_the_searches();
}

fn the_scopes_are_listed() {
    let (out, err) = texts(&adieu(&["model", "--list"]));
    let names: Vec<&str> = out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known = "opening goodbye half-close unread data window crossing abort silence patience reuse restart eviction \
                 extensions";
    assert_eq!(names, known.split_whitespace().collect::<Vec<_>>());
    assert!(err.is_empty() && out.lines().all(|line| line.len() > 30), "{out}{err}");
    let (one, _) = texts(&adieu(&["model", "reuse", "--list"]));
    assert!(one.starts_with("reuse") && one.lines().count() == 1, "{one}");
}

fn a_search_says_how_far_it_got() {
    let output = adieu(&["model", "silence", "goodbye", "--states", "5000", "--jobs", "1"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    let rows: Vec<&str> = out.lines().filter(|line| line.contains("holds so far, and there is more")).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("silence ") && rows[1].starts_with("goodbye "), "{out}");
    assert!(out.contains("of 14 before any TIME-WAIT expiry") && out.contains("graceful / graceful"), "{out}");
    assert!(!out.contains('\u{1b}') && !out.contains("NEVER"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "wider than 100 columns:\n{out}");
}

fn an_unknown_scope_is_named_with_those_there_are() {
    let output = adieu(&["model", "nowhere"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("\"nowhere\"") && err.contains("goodbye, half-close"), "{err}");
}

fn what_cannot_be_done_is_said_with_exit_code_2() {
    for args in [["--states", "0"], ["--states", "many"], ["--jobs", "0"]] {
        let output = adieu(&[&["model", "abort"][..], &args].concat());
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(args[0]), "{err}");
    }
}

fn one_json_document_holds_the_searches() {
    let output = adieu(&["model", "abort", "--states", "2000", "--json"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let scope = &document["scopes"][0];
    assert_eq!((&document["version"], &scope["name"]), (&1.into(), &"abort".into()));
    assert!(scope["violation"].is_null() && scope["exhausted"] == false, "{out}");
    assert!(scope["unique"].as_u64().is_some_and(|unique| unique > 100), "{out}");
}
