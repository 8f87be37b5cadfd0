//! `adieu tour --peer linux`: the kernel's own TCP as the other end.

use crate::common::{TempDir, adieu, texts};
use crate::family::Family;
use crate::harness::register;
use crate::peers::{NOBODY, good, says, script};

register! {
    every_scenario_holds_with_adieu_as_client_and_as_server(Family) needs Tun;
    another_user_plays_the_whole_tour(Family) needs Tun;
    the_kernels_states_stand_beside_ours_after_close_too(Family) needs Tun;
    pictures_captures_and_json_are_made_of_it_too(Family) needs Tun;
    a_time_wait_that_was_asked_for_is_kept(Family) needs Tun;
    the_names_are_stable();
    what_cannot_be_staged_says_why();
    what_the_machine_lacks_is_said_with_exit_code_2(Family) needs Tun;
}

/// The option that makes it the tour of this family.
fn option(family: Family) -> &'static str {
    family.pick("", "--ipv6")
}

/// It takes three quarters of a minute, nearly all of it waiting.
fn every_scenario_holds_with_adieu_as_client_and_as_server(family: Family) {
    let output = script(
        family,
        &format!(
            r#"set +e
            for role in client server; do
                timeout 120 "$ADIEU" tour --peer linux --as $role {} > $role 2>> log &
            done
            for role in client server; do wait -n; echo $?; done; tail -n 1 client server
            grep FAILED client server && cat client server >&2; exit 0"#,
            option(family)
        ),
    );
    let (out, err) = good(&output);
    assert!(out.starts_with("0\n0\n") && !out.contains("FAILED"), "{out}{err}");
    assert!(out.contains("42 scenarios, ") && out.contains("35 scenarios, "), "{out}");
    assert_eq!(err, "");
}

fn another_user_plays_the_whole_tour(family: Family) {
    let output = script(
        family,
        &format!(
            r#"{NOBODY} nobody timeout 120 "$DIR/adieu" tour --peer linux {} > out 2> log || cat out >&2
            tail -n 1 out; ip link"#,
            option(family)
        ),
    );
    let (out, err) = good(&output);
    assert!(out.starts_with("42 scenarios, ") && out.contains("all held\n"), "{out}{err}");
    assert!(!out.contains("adieu0"), "the namespace it was started in is left alone: {out}");
}

fn the_kernels_states_stand_beside_ours_after_close_too(family: Family) {
    let output =
        script(family, &format!("\"$ADIEU\" tour --peer linux {} four-way server-first time-wait", option(family)));
    let (out, _) = good(&output);
    let pages: Vec<&str> = out.split("\nserver-first: ").collect();
    assert_eq!(pages.len(), 2, "{out}");
    says(
        pages[0],
        &[
            &format!("{}:80", family.pick("10.77.0.2", "[fd77::2]")),
            "SYN-RECEIVED",
            "CLOSE-WAIT",
            "LAST-ACK",
            "CLOSED",
            "(time_wait: 500 ms)",
            "time_wait 500 ms (60 s)",
            "Linux has counted: PassiveOpens 1",
        ],
    );
    // The kernel closes first, and nobody holds its socket any more.
    says(pages[1], &["FIN-WAIT-1", "FIN-WAIT-2", "(TIME-WAIT for ", "more)"]);
}

fn pictures_captures_and_json_are_made_of_it_too(family: Family) {
    let output = script(
        family,
        &format!(
            r#""$ADIEU" tour --peer linux {} lost-last-ack simultaneous --json --svg pictures --pcap capture > out
            head -c 4 capture | od -An -tx1; ls pictures; cat out"#,
            option(family)
        ),
    );
    let (out, _) = good(&output);
    let (head, json) = out.split_once('{').expect("JSON");
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["0a", "0d", "0d", "0a", "lost-last-ack.svg", "simultaneous.svg"]
    );
    let document: serde_json::Value = serde_json::from_str(&format!("{{{json}")).expect("JSON");
    let scenarios = document["scenarios"].as_array().expect("a list");
    for scenario in scenarios {
        assert_eq!(scenario["held"], true, "{scenario}");
        assert!(scenario["remarks"][0].as_str().unwrap().starts_with("Linux has counted"), "{scenario}");
    }
    // One ACK is lost; two segments cross, each under way for a while.
    let segments = |scenario: &serde_json::Value| -> Vec<(u64, Option<u64>)> {
        let events = scenario["trace"]["events"].as_array().unwrap();
        let segments = events.iter().filter(|event| event["kind"] == "segment");
        segments.map(|event| (event["at_ns"].as_u64().unwrap(), event["arrives_ns"].as_u64())).collect()
    };
    assert_eq!(segments(&scenarios[0]).iter().filter(|(_, arrives)| arrives.is_none()).count(), 1);
    let held = segments(&scenarios[1]).iter().filter(|(at, arrives)| arrives.unwrap() > *at).count();
    assert_eq!(held, 2, "{}", scenarios[1]);
}

fn a_time_wait_that_was_asked_for_is_kept(family: Family) {
    let output = script(
        family,
        &format!(
            r#""$ADIEU" tour --peer linux {} --time-wait 30s abort; "$ADIEU" tour --peer linux {0} abort"#,
            option(family)
        ),
    );
    let (out, _) = good(&output);
    let pages: Vec<&str> = out.split("abort: ").collect();
    assert!(!pages[1].contains("time_wait") && pages[2].contains("time_wait 500 ms"), "{out}");
}

/// Names are what scripts and links use: they stay.
fn the_names_are_stable() {
    let names = |role: &str| -> Vec<String> {
        let (list, err) = texts(&adieu(&["tour", "--peer", "linux", "--as", role, "--list"]));
        assert_eq!(err, "");
        list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    // With + only where adieu is the client, with - only where it is the server.
    let known = "four-way server-first three-segments last-words half-close-client half-close-server program-exit \
                 +half-close-idle simultaneous simultaneous-open lost-fin lost-ack-of-fin lost-last-ack \
                 fin-overtakes-data time-wait time-wait-refuses-port time-wait-reopened -time-wait-comes-back \
                 +time-wait-taken-back +ports-run-out +old-duplicate -assassination reset-ignored-in-time-wait \
                 abort abort-challenged abort-unheard close-unread data-after-close linger-zero +linger-in-time \
                 +linger-continues +linger-gives-up spoofed-reset refused connect-cancelled peer-forgot \
                 fin-wait-2-abandoned +orphan-hears-data +orphan-hears-fin last-ack-never-comes no-answer \
                 peer-vanished both-gone zero-window-close";
    for (role, mark, other) in [("client", '+', '-'), ("server", '-', '+')] {
        let here = known.split_whitespace().filter(|name| !name.starts_with(other));
        let here: Vec<&str> = here.map(|name| name.trim_start_matches(mark)).collect();
        assert_eq!(names(role), here);
    }
}

fn what_cannot_be_staged_says_why() {
    for (args, words) in [
        (&["four-way", "--as", "server"][..], &["--peer linux"][..]),
        (&["--peer", "linux", "no-time-wait"], &["in memory only", "cannot be turned off"]),
        (&["--peer", "linux", "assassination"], &["--as server"]),
        (&["--peer", "linux", "--as", "server", "old-duplicate"], &["--as client"]),
        (&["--peer", "linux", "nosuch"], &["\"nosuch\"", "four-way"]),
        (&["--peer", "windows"], &["memory, linux"]),
        (&["--peer", "linux", "abort", "--pcap", "/nowhere/at/all"], &["/nowhere/at/all"]),
    ] {
        let output = adieu(&[&["tour"], args].concat());
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}: {err}");
        says(&err, words);
    }
    let dir = TempDir::new();
    let file = dir.0.join("capture");
    let output = adieu(&["tour", "nosuch", "--pcap", file.to_str().unwrap()]);
    assert!(output.status.code() == Some(2) && !file.exists());
}

fn what_the_machine_lacks_is_said_with_exit_code_2(family: Family) {
    let output = script(
        family,
        &format!(
            r#"{NOBODY} set +e; tour() {{ "$@" tour --peer linux abort; echo $?; }}; {{
            umount /dev/net/tun; tour nobody "$DIR/adieu"
            unshare --user --map-root-user bash -c 'echo 0 > /proc/sys/user/max_user_namespaces
                exec setpriv --bounding-set=-all -- "$ADIEU" tour --peer linux abort'; echo $?
            mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys
            "$ADIEU" tour --peer linux --as server no-answer; echo $?
            mount -t tmpfs none /dev/net; tour "$ADIEU"; }} 2> log"#
        ),
    );
    let (out, err) = good(&output);
    assert_eq!(out, "2\n2\n2\n2\n", "{err}");
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 4, "{err}");
    says(lines[0], &["may not open /dev/net/tun", "sudo", "chmod 0666"]);
    says(lines[1], &["user namespaces are forbidden", "max_user_namespaces"]);
    says(lines[2], &["tcp_syn_retries", "/proc/sys must be writable"]);
    says(lines[3], &["/dev/net/tun does not exist", "modprobe tun"]);
}
