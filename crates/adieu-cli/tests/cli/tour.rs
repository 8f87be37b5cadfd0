//! `adieu tour`.

use crate::common::{TempDir, adieu, texts};
use crate::harness::register;

register! {
    the_four_way_goodbye_is_drawn_and_every_check_holds();
    the_readme_shows_it_as_printed();
    ascii_is_ascii();
    all_scenarios_are_listed_and_shown();
    the_names_are_stable();
    all_together_pass_and_are_counted();
    scenarios_are_shown_in_the_order_they_are_named();
    an_unknown_scenario_is_named_with_those_there_are();
    one_json_document_with_a_version_holds_all_scenarios();
    pictures_and_captures_are_written();
    colour_and_time_wait_are_as_asked();
    what_cannot_be_done_is_said_with_exit_code_2();
    ipv6_is_another_address_and_the_same_tour();
    a_terminal_of_20_columns_is_wide_enough();
}

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

fn the_readme_shows_it_as_printed() {
    let (out, _) = texts(&adieu(&["tour", "four-way"]));
    let readme = include_str!("../../../../README.md");
    let ladder: Vec<&str> = out.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    assert!(ladder.len() > 20);
    assert!(readme.contains(&ladder.join("\n")), "README.md does not show this ladder:\n{}", ladder.join("\n"));
}

fn ascii_is_ascii() {
    let (out, _) = texts(&adieu(&["tour", "--ascii"]));
    assert!(out.is_ascii(), "{out}");
}

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
fn the_names_are_stable() {
    let (list, err) = texts(&adieu(&["tour", "--list"]));
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known = "four-way server-first three-segments last-words half-close-client half-close-server program-exit \
                 program-exit-deadline half-close-idle close-wait-leak shutdown-read-refuse shutdown-read-discard \
                 close-drain close-without-drain simultaneous simultaneous-open lost-fin lost-ack-of-fin \
                 lost-last-ack fin-overtakes-data old-duplicate assassination no-time-wait no-time-wait-reset \
                 time-wait time-wait-refuses-port time-wait-reopened time-wait-reopened-by-timestamp \
                 time-wait-refuses-syn time-wait-comes-back time-wait-taken-back time-wait-evicted ports-run-out \
                 restart-remembers restart-forgets reset-ignored-in-time-wait abort abort-challenged \
                 abort-overtaken abort-unheard close-unread close-unread-in-every-state data-after-close \
                 linger-zero linger-zero-in-every-state linger-connecting linger-in-time linger-continues \
                 linger-gives-up linger-in-time-wait spoofed-reset refused connect-cancelled peer-forgot \
                 fin-wait-2-abandoned orphan-hears-data orphan-hears-fin last-ack-never-comes no-answer \
                 peer-vanished both-gone zero-window-close zero-window-abandoned orphans-too-many";
    assert_eq!(names, known.split_whitespace().collect::<Vec<_>>());
    assert!(err.is_empty() && list.lines().all(|line| line.len() > 30), "{list}");
}

fn all_together_pass_and_are_counted() {
    let output = adieu(&["tour"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let last = out.lines().last().unwrap_or_default();
    assert!(last.starts_with("64 scenarios, ") && last.ends_with(" checks, all held"), "{last}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "wider than 100 columns");
}

fn scenarios_are_shown_in_the_order_they_are_named() {
    let (out, _) = texts(&adieu(&["tour", "refused", "abort"]));
    assert!(out.starts_with("refused: ") && out.contains("\nabort: "), "{out}");
    assert!(!out.contains("four-way"), "{out}");
}

fn an_unknown_scenario_is_named_with_those_there_are() {
    let output = adieu(&["tour", "nosuch"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("\"nosuch\"") && err.contains("four-way"), "{err}");
}

fn one_json_document_with_a_version_holds_all_scenarios() {
    let (out, _) = texts(&adieu(&["tour", "four-way", "abort", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(document["version"], 1);
    let scenarios = document["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.iter().map(|scenario| &scenario["name"]).collect::<Vec<_>>(), ["four-way", "abort"]);
    for scenario in scenarios {
        assert_eq!(scenario["held"], true);
        assert!(!scenario["checks"].as_array().unwrap().is_empty());
        assert!(scenario["trace"]["events"].as_array().unwrap().len() > 5);
    }
    assert_eq!(scenarios[0]["trace"]["receipts"][0]["ending"], "graceful-local-first");
}

fn pictures_and_captures_are_written() {
    let dir = TempDir::new();
    let (pictures, capture) = (dir.0.join("pictures"), dir.0.join("run.pcapng"));
    let output = adieu(&["tour", "--svg", pictures.to_str().unwrap(), "--pcap", capture.to_str().unwrap()]);
    assert!(output.status.success());
    let (list, _) = texts(&adieu(&["tour", "--list"]));
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let picture = std::fs::read_to_string(pictures.join(format!("{name}.svg"))).expect(name);
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{name}");
    }
    let capture = std::fs::read(capture).unwrap();
    assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a], "a pcapng section header");
}

fn colour_and_time_wait_are_as_asked() {
    let (always, _) = texts(&adieu(&["tour", "four-way", "--color", "always"]));
    let (never, _) = texts(&adieu(&["tour", "four-way", "--color", "never"]));
    assert!(always.contains('\u{1b}') && !never.contains('\u{1b}'));
    let output = adieu(&["tour", "four-way", "--time-wait", "2min"]);
    let (out, _) = texts(&output);
    assert!(output.status.success() && out.contains("TIME-WAIT lasted 120 s"), "{out}");
}

fn what_cannot_be_done_is_said_with_exit_code_2() {
    for (args, word) in [
        (["--time-wait", "5s"], "30s to 240s"),
        (["--time-wait", "soon"], "30s to 240s"),
        (["--svg", "/dev/null/pictures"], "/dev/null/pictures"),
        (["--pcap", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--color", "sometimes"], "auto, always, never"),
    ] {
        let output = adieu(&["tour", "four-way", args[0], args[1]]);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(word), "{args:?}: {err}");
    }
}

fn ipv6_is_another_address_and_the_same_tour() {
    let output = adieu(&["tour", "--ipv6"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    assert!(out.contains("[fd00::2]:80") && !out.contains("10.0.0.2"), "{out}");
    assert!(out.ends_with(" checks, all held\n"), "{out}");
}

fn a_terminal_of_20_columns_is_wide_enough() {
    let terminal = r#"
import fcntl, os, pty, struct, sys, termios
main, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
if os.fork() == 0:
    os.dup2(terminal, 1); os.close(main)
    os.execv(sys.argv[1], sys.argv[1:])
os.close(terminal)
try:
    while part := os.read(main, 65536): sys.stdout.buffer.write(part)
except OSError: pass # the other end is closed
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"#;
    let command = ["-c", terminal, env!("CARGO_BIN_EXE_adieu"), "tour", "four-way", "--color", "never"];
    let output = std::process::Command::new("python3").args(command).output().expect("python3 is here");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{err}");
    assert!(out.contains("TIME-W") && out.lines().all(|line| line.trim_end().chars().count() <= 20), "{out}");
}
