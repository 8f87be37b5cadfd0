//! `adieu spec`.

use std::process::{Command, Stdio};

use crate::common::{adieu, texts};
use crate::harness::register;

register! {
    a_requirement_is_shown_with_its_tests();
    a_beginning_or_a_section_names_many();
    all_of_them_fit_and_are_counted();
    stage_kind_and_missing_choose();
    an_unknown_requirement_is_named_with_those_near_it();
    one_json_document_holds_them();
    colour_is_as_asked_and_never_in_a_pipe();
    a_reader_that_stops_is_no_error();
}

/// What a run that must be good has printed.
fn spec(args: &[&str]) -> String {
    let output = adieu(&[&["spec"], args].concat());
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{args:?}: {out}{err}");
    out
}

/// The ids at the beginnings of lines.
fn ids(out: &str) -> Vec<&str> {
    let row = |line: &&str| [" test ", " doc ", " review "].iter().any(|kind| line.contains(kind));
    out.lines().filter(row).filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next()).collect()
}

fn a_requirement_is_shown_with_its_tests() {
    let out = spec(&["ud-1"]);
    assert!(out.starts_with("1.6 Close with unread data"), "{out}");
    assert_eq!(ids(&out), ["UD-1"]);
    assert!(out.contains("UD-1  S  test  built    shown "), "{out}");
    assert!(out.contains("\n    crates/adieu-core/tests/unread.rs::ud_1_close_with_unread_data_resets\n"), "{out}");
    assert!(out.contains("\n    conformance/reset/ud-1-close-with-unread-bytes.pkt\n"), "{out}");
    assert!(out.ends_with("\n1 requirement: 1 built, all shown\n"), "{out}");
}

fn a_beginning_or_a_section_names_many() {
    assert_eq!(ids(&spec(&["TW-1"])), ["TW-1"]);
    assert_eq!(ids(&spec(&["b_tlp"])), ["B-TLP-ARM", "B-TLP-FIRE", "B-TLP-ACK"]);
    assert_eq!(ids(&spec(&["MUST-13"])), ["M13"]);
    assert_eq!(spec(&["1.6"]), spec(&["UD"]));
    let out = spec(&["QT", "3.39", "FB-1"]);
    assert_eq!(ids(&out), ["FB-1", "QT-1", "QT-2", "QT-3", "3.39"], "in the document's order");
    assert!(out.contains("\n\nPart 3. Attacks and faults\n3.39 "), "{out}");
}

fn all_of_them_fit_and_are_counted() {
    let out = spec(&[]);
    assert!(out.lines().all(|line| line.chars().count() <= 100), "wider than 100 columns");
    assert!(ids(&out).len() > 500 && !out.contains(".rs::"), "{out}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!("{} requirements: ", ids(&out).len())), "{last}");
}

fn stage_kind_and_missing_choose() {
    let json = |args: &[&str]| -> Vec<serde_json::Value> {
        let document: serde_json::Value = serde_json::from_str(&spec(&[args, &["--json"]].concat())).expect("JSON");
        document["requirements"].as_array().expect("a list").clone()
    };
    let all = json(&[]);
    for (args, key, value) in [
        (["--stage", "built"], "stage", "built"),
        (["--stage", "planned"], "stage", "planned"),
        (["--kind", "test"], "kind", "test"),
        (["--kind", "doc"], "kind", "doc"),
        (["--kind", "review"], "kind", "review"),
    ] {
        let chosen: Vec<_> = all.iter().filter(|row| row[key] == value).cloned().collect();
        assert!(!chosen.is_empty() && json(&args) == chosen, "{args:?}");
    }
    let unseen: Vec<_> = all.iter().filter(|row| row["shown_by"].as_array().unwrap().is_empty()).cloned().collect();
    assert_eq!(json(&["--missing"]), unseen);
    assert_eq!(spec(&["UD-1", "--missing"]), "no requirements\n");
    assert_eq!(ids(&spec(&["TW", "--kind", "doc"])), ["TW-19", "TW-21"]);
    assert_eq!(adieu(&["spec", "--stage", "sometime"]).status.code(), Some(2));
}

fn an_unknown_requirement_is_named_with_those_near_it() {
    for (name, near) in [("ud-11", "UD-1"), ("tw-99", "TW-9"), ("x-sak", "X-SACK"), ("9.9", "3.9"), ("", "")] {
        let output = adieu(&["spec", "FB-1", name]);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{name}");
        assert!(err.contains(&format!("no requirement {name:?}")) && err.contains(near), "{name}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

fn one_json_document_holds_them() {
    let document: serde_json::Value =
        serde_json::from_str(&spec(&["UD-1", "B-SACK-REC", "3.36", "--json"])).expect("JSON");
    assert_eq!(document["version"], 1);
    let all = document["requirements"].as_array().expect("a list").as_slice();
    let [ud, doc, planned] = all else { panic!("{document}") };
    assert_eq!((&ud["id"], &ud["level"], &ud["kind"]), (&"UD-1".into(), &"S".into(), &"test".into()));
    assert_eq!((&ud["stage"], &doc["kind"]), (&"built".into(), &"doc".into()));
    assert_eq!(planned["stage"], "planned");
    assert_eq!(ud["section"], "1.6 Close with unread data, data after close");
    assert!(ud["meaning"].as_str().unwrap().starts_with("Full close with"));
    let shown = ud["shown_by"].as_array().unwrap();
    assert!(shown.contains(&"crates/adieu-core/tests/unread.rs::ud_1_close_with_unread_data_resets".into()));
    let summary = &document["summary"];
    assert_eq!(
        (&summary["built"], &summary["built_and_shown"], &summary["planned"]),
        (&2.into(), &2.into(), &1.into())
    );
}

fn colour_is_as_asked_and_never_in_a_pipe() {
    assert!(!spec(&["FB"]).contains('\u{1b}'));
    let always = spec(&["FB", "--color", "always"]);
    assert!(always.contains("\u{1b}[1mFB-1\u{1b}[0m"), "{always}");
}

fn a_reader_that_stops_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_adieu"))
        .arg("spec")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", texts(&output).1);
}
