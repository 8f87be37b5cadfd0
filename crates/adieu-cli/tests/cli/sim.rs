//! `adieu sim`.

use std::path::Path;

use serde_json::Value;

use crate::common::{TempDir, adieu, texts};
use crate::harness::register;

register! {
    the_outcome_does_not_depend_on_the_number_of_threads();
    counts_are_shown_in_plain_words();
    a_document_adds_up();
    one_world_is_shown_with_what_it_is_made_of();
    a_connection_can_be_chosen_and_pieces_left_out();
    a_world_that_fails_is_made_smaller_and_fails_again();
    a_world_that_fails_is_shown();
    a_capture_is_never_written_over();
    as_many_failures_are_found_as_asked_for();
    what_cannot_be_done_is_said_with_exit_code_2();
    time_or_number_ends_a_run();
    a_signal_ends_a_run_and_shows_what_was_found();
}

/// A document of a run with this exit code.
fn document(code: i32, args: &[&str]) -> Value {
    let output = adieu(&[&["sim", "--json"], args].concat());
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), err.as_str()), (Some(code), ""), "{out}");
    serde_json::from_str(&out).expect("JSON")
}

/// What a good run prints.
fn page(args: &[&str]) -> String {
    let output = adieu(&[&["sim"], args].concat());
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{args:?}: {out}{err}");
    out
}

fn sum(list: &Value) -> u64 {
    list.as_array().expect("a list").iter().map(|row| row["count"].as_u64().expect("a count")).sum()
}

fn the_outcome_does_not_depend_on_the_number_of_threads() {
    let run = |jobs: &str| {
        let mut document = document(0, &["--worlds", "6", "--jobs", jobs]);
        let fields = document.as_object_mut().expect("an object");
        assert_eq!(fields.remove("threads"), Some(jobs.parse::<u64>().unwrap().into()));
        for clocked in ["seconds", "worlds_per_minute_and_thread", "connections_per_second"] {
            assert!(fields.remove(clocked).and_then(|value| value.as_f64()).is_some_and(|value| value > 0.0));
        }
        document
    };
    let alone = run("1");
    assert_eq!(alone, run("3"));
    assert!(alone["connections"].as_u64() >= Some(6), "{alone}");
}

fn counts_are_shown_in_plain_words() {
    let out = page(&["--seed", "2", "--worlds", "4", "--jobs", "2"]);
    let document = document(0, &["--seed", "2", "--worlds", "4"]);
    assert!(out.starts_with("ending ") && out.contains(" on 2 threads: "), "{out}");
    assert!(out.contains("\n4 worlds from seed 2, ") && out.ends_with("; every promise was kept\n"), "{out}");
    assert!(!out.contains('\u{1b}') && out.lines().all(|line| line.chars().count() <= 100), "{out}");
    let last = out.lines().skip_while(|line| !line.starts_with("4 worlds")).collect::<Vec<_>>().join(" ");
    let plain = last.replace(',', "");
    assert!(plain.contains(&format!(" {} connection", document["connections"])), "{out}");
    assert!(plain.contains(&format!(" {} events", document["events"])), "{out}");
}

fn a_document_adds_up() {
    let all = document(0, &["--seed", "10", "--worlds", "3"]);
    assert_eq!((&all["version"], &all["worlds"], &all["first_seed"]), (&1.into(), &3.into(), &10.into()));
    assert_eq!((&all["failures"], &all["stopped"]), (&Value::Array(Vec::new()), &false.into()));
    let each: Vec<Value> = ["10", "11", "12"].iter().map(|seed| document(0, &["--seed", seed])).collect();
    for count in ["worlds", "connections", "events"] {
        let added: u64 = each.iter().map(|one| one[count].as_u64().expect(count)).sum();
        assert_eq!(all[count].as_u64(), Some(added), "{count}");
    }
    for list in ["endings", "pairs", "joint_states"] {
        assert_eq!(sum(&all[list]), each.iter().map(|one| sum(&one[list])).sum::<u64>(), "{list}");
        assert!(sum(&all[list]) > 0, "{list}");
    }
}

fn one_world_is_shown_with_what_it_is_made_of() {
    let out = page(&["--seed", "7"]);
    assert_eq!(out, page(&["--seed", "7"]), "a seed is a world");
    for words in ["The world of seed 7, adieu ", "  the network: IPv", "  the left host: ", "  connection 0: "] {
        assert!(out.contains(words), "{words}: {out}");
    }
    for words in ["\nPieces, by their places for --without\n", "\nEndings\n  connection 0: ", "\nConnection "] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(out.contains("┃") && out.contains("\n1 world, ") && out.ends_with("; every promise was kept\n"), "{out}");
    let ascii = page(&["--seed", "7", "--ascii"]);
    assert!(ascii.is_ascii() && ascii.lines().all(|line| line.len() <= 100), "{ascii}");
}

fn a_connection_can_be_chosen_and_pieces_left_out() {
    // Seeds differ in how many connections they draw: one with two at least.
    let many = |seed: &u64| page(&["--seed", &seed.to_string()]).contains("\n  connection 1: ");
    let seed = (0..20).find(many).expect("a world with two connections").to_string();
    let second = page(&["--seed", &seed, "--connection", "1"]);
    assert!(second.contains("\nConnection 1\n"), "{second}");
    let less = page(&["--seed", &seed, "--without", "0"]);
    assert!(!less.contains("connection 0:") && less.contains("\n  connection 1: "), "{less}");
    let output = adieu(&["sim", "--seed", &seed, "--without", "0", "--connection", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(texts(&output).1.contains("no connection 0"));
}

fn a_world_that_fails_is_made_smaller_and_fails_again() {
    let dir = TempDir::new();
    let to = dir.0.to_str().unwrap();
    let document = document(1, &["--promise", "never-reset", "--worlds", "50", "--jobs", "2", "--output", to]);
    let [failure] = document["failures"].as_array().expect("a list").as_slice() else { panic!("{document}") };
    assert_eq!((&failure["id"], &failure["again"]), (&"never-reset".into(), &true.into()));
    let (without, pieces) = (failure["without"].as_array().unwrap().len(), failure["pieces"].as_u64().unwrap());
    assert!(without > 0 && (without as u64) < pieces && failure["worlds_tried"].as_u64() > Some(1), "{failure}");
    let replay = failure["replay"].as_str().expect("a command");
    let args: Vec<&str> = replay.split(' ').skip(1).chain(["--json", "--output", to]).collect();
    let output = adieu(&args);
    let again: Value = serde_json::from_str(&texts(&output).0).expect("JSON");
    assert_eq!(output.status.code(), Some(1), "{again}");
    for same in ["seed", "id", "text", "replay", "without", "again"] {
        assert_eq!(again["failures"][0][same], failure[same], "{same}");
    }
    assert!(packets(Path::new(failure["files"][0].as_str().expect("a file"))) > 2);
}

/// Reads a pcapng file block by block, and counts its packets.
fn packets(file: &Path) -> usize {
    let bytes = std::fs::read(file).expect("the capture is there");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), word(8)), (0x0a0d_0d0a, 0x1a2b_3c4d), "a section header in this byte order");
    let (mut at, mut packets) = (0, 0);
    while at < bytes.len() {
        let length = word(at + 4) as usize;
        assert!(length >= 12 && word(at + length - 4) as usize == length, "a block at {at}");
        packets += usize::from(word(at) == 6);
        at += length;
    }
    packets
}

fn a_world_that_fails_is_shown() {
    let dir = TempDir::new();
    let to = dir.0.to_str().unwrap();
    let output = adieu(&["sim", "--promise", "always-graceful", "--worlds", "50", "--output", to]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), err.as_str()), (Some(1), ""), "{out}");
    let words = [
        "✗ seed ",
        " breaks always-graceful\n  always-graceful: Every connection ends gracefully. ",
        "\n  what was seen: always-graceful: ",
        "\n  with: adieu ",
        "\n  again: adieu sim --seed ",
        " --without ",
        " --promise always-graceful\n",
        "\nWhat is left of the world: ",
        "\n  the network: IPv",
        "\n  connection ",
        "┃",
        "\nPackets: ",
        "; 1 FAILED\n",
    ];
    let mut rest = out.as_str();
    for word in words {
        rest = &rest[rest.find(word).unwrap_or_else(|| panic!("{word:?} in {out}"))..];
    }
    assert!(!out.contains("panicked") && !out.contains('\u{1b}'), "{out}");
    let rungs = out.lines().filter(|line| line.contains('┃') || line.contains('│')).count();
    assert!((3..=42).contains(&rungs), "{rungs} lines of a ladder in {out}");
}

fn a_capture_is_never_written_over() {
    let dir = TempDir::new();
    let to = dir.0.to_str().unwrap();
    let run = || document(1, &["--promise", "always-graceful", "--worlds", "50", "--no-shrink", "--output", to]);
    let files = [run(), run()].map(|document| {
        assert_eq!(document["failures"][0]["without"], Value::Array(Vec::new()));
        document["failures"][0]["files"][0].as_str().expect("a file").to_owned()
    });
    assert!(files[0].ends_with(".pcapng") && files[1].ends_with("-2.pcapng"), "{files:?}");
    let read = |file: &String| packets(Path::new(file));
    assert_eq!(read(&files[0]), read(&files[1]));
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 2, "nothing else is left there");
}

fn as_many_failures_are_found_as_asked_for() {
    let dir = TempDir::new();
    let to = dir.0.to_str().unwrap();
    let run = |keep: &str| {
        let document = document(1, &["--promise", "always-graceful", "--no-shrink", "--output", to, keep]);
        let failures = document["failures"].as_array().expect("a list").iter();
        failures.map(|failure| failure["seed"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let three = run("--keep-going=3");
    assert!(three.len() == 3 && three.is_sorted(), "{three:?}");
    assert_eq!(run("--keep-going=1"), three[..1]);
}

fn what_cannot_be_done_is_said_with_exit_code_2() {
    for (args, word) in [
        (&["--worlds", "0"][..], "--worlds"),
        (&["--worlds", "many"], "--worlds"),
        (&["--minutes", "0"], "more than 0"),
        (&["--minutes", "-1"], "more than 0"),
        (&["--minutes", "nan"], "more than 0"),
        (&["--jobs", "0"], "--jobs"),
        (&["--jobs", "1025"], "at most 1024 threads"),
        (&["--keep-going=0"], "--keep-going"),
        (&["--without", "1"], "--seed"),
        (&["--connection", "1"], "--seed"),
        (&["--seed", "1", "--worlds", "1", "--without", "1"], "--seed N alone"),
        (&["--seed", "1", "--minutes", "1", "--connection", "1"], "--seed N alone"),
        (&["--seed", "1", "--without", "1-"], "0-3,7"),
        (&["--seed", "1", "--without", "0-18446744073709551615"], "the world has pieces 0 to "),
        (&["--seed", "1", "--connection", "64"], "no connection 64; there are: 0"),
        (&["--seed", "18446744073709551615", "--worlds", "2"], "fewer --worlds"),
        (&["--promise", "everything"], "never-reset or always-graceful"),
        (&["--output", "/dev/null/there"], "cannot write to /dev/null/there"),
        (&["--color", "sometimes"], "auto, always, never"),
    ] {
        let output = adieu(&[&["sim"], args].concat());
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(word), "{args:?}: {err}");
    }
}

fn time_or_number_ends_a_run() {
    // No world is so short, and one has begun.
    let short = document(0, &["--minutes", "1e-9", "--jobs", "1"]);
    assert!(short["worlds"].as_u64() >= Some(1) && short["stopped"] == false, "{short}");
    let long = document(0, &["--minutes", "100000", "--worlds", "2"]);
    assert_eq!(long["worlds"], 2, "whichever comes first");
}

/// Runs for an hour unless it hears the signal.
#[cfg(target_os = "linux")]
fn a_signal_ends_a_run_and_shows_what_was_found() {
    use std::process::{Command, Stdio};
    for (signal, number, code) in [("-INT", 2, 130), ("-TERM", 15, 143)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adieu"));
        command.args(["sim", "--minutes", "60", "--jobs", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the command starts");
        let status = format!("/proc/{}/status", child.id());
        let listens = || {
            let text = std::fs::read_to_string(&status).expect("it runs");
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a set of signals");
            u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << (number - 1) != 0
        };
        while !listens() {
            std::thread::yield_now();
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is here");
        assert!(sent.success());
        let output = child.wait_with_output().expect("it ends");
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), err.as_str()), (Some(code), ""), "{out}");
        assert!(out.contains("\nstopped: ") || out.starts_with("stopped: "), "{out}");
        assert!(out.ends_with("; every promise was kept\n"), "{out}");
    }
}

#[cfg(not(target_os = "linux"))]
fn a_signal_ends_a_run_and_shows_what_was_found() {}
