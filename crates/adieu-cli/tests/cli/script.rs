//! `adieu script`.

use crate::common::{TempDir, adieu, texts};
use crate::harness::register;
use crate::peers::says;

register! {
    a_script_that_holds_is_counted();
    a_script_that_does_not_hold_is_shown_at_its_line();
    reports_for_machines_say_the_same();
    what_is_not_built_is_named();
    definitions_and_policies_reach_the_script();
    what_the_stack_offers_can_be_chosen();
    mutants_that_survive_are_listed();
    bad_input_is_one_clear_sentence();
    a_script_that_waits_for_ever_ends();
}

const HOLDS: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1460>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0.01 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 < R 1:1(0) win 0
+0 read(4, ..., 100) = -1 ECONNRESET (Connection reset by peer)
";

fn write(dir: &TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
    let file = dir.0.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn a_script_that_holds_is_counted() {
    let dir = TempDir::new();
    let file = write(&dir, "holds.pkt", HOLDS);
    let output = adieu(&["script", &file, "--strict", "--ip-version", "both", "--isn", "wrap", "-j", "2"]);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{out}{err}");
    assert!(out.contains("2 scripts, all hold; ") && out.ends_with(" a second\n"), "{out}");
    assert!(!out.contains('\u{1b}'), "plain when piped");
    let (drawn, _) = texts(&adieu(&["script", &file, "--ladder", "--ascii"]));
    assert!(drawn.is_ascii());
    says(&drawn, &["SYN-RECEIVED", "192.0.2.1:40001", "ok   "]);
}

fn a_script_that_does_not_hold_is_shown_at_its_line() {
    let dir = TempDir::new();
    let file = write(&dir, "fails.pkt", HOLDS.replace("> S. 0:0(0) ack 1", "> S. 0:0(0) ack 2"));
    let output = adieu(&["script", &file]);
    let (out, _) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}");
    says(
        &out,
        &["another packet has left: acknowledgment", ":5:6]", "expected S. 0:0(0) ack 2", "got S. 0:0(0) ack 1"],
    );
    says(&out, &["SYN-RECEIVED", "1 script, 1 FAILED"]);
    // A packet that nobody expects is a failure only where that was asked for.
    let quiet = HOLDS.lines().filter(|line| !line.contains("> S.")).collect::<Vec<_>>().join("\n");
    let file = write(&dir, "quiet.pkt", quiet);
    assert!(adieu(&["script", &file]).status.success());
    let (out, _) = texts(&adieu(&["script", &file, "--strict"]));
    says(&out, &["a packet has left that no line expects"]);
}

fn reports_for_machines_say_the_same() {
    let dir = TempDir::new();
    write(&dir, "holds.pkt", HOLDS);
    write(&dir, "fails.pkt", HOLDS.replace("= 4", "= -1 EAGAIN"));
    let (junit, capture) = (dir.0.join("junit.xml"), dir.0.join("run.pcapng"));
    let files = ["--junit", junit.to_str().unwrap(), "--pcap", capture.to_str().unwrap()];
    let output = adieu(&[&["script", dir.0.to_str().unwrap(), "--json"], &files[..]].concat());
    let (out, _) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let scripts = document["scripts"].as_array().unwrap();
    assert_eq!((&scripts[0]["held"], &scripts[1]["held"]), (&false.into(), &true.into()));
    assert_eq!((&scripts[0]["kind"], &scripts[0]["line"]), (&"result".into(), &7.into()), "{out}");
    let report = std::fs::read_to_string(junit).unwrap();
    says(&report, &["tests=\"2\"", "failures=\"1\"", "accept has returned something else", "fails.pkt"]);
    assert_eq!(std::fs::read(capture).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
}

fn what_is_not_built_is_named() {
    let dir = TempDir::new();
    let fast = HOLDS.replace("> S. 0:0(0) ack 1 <mss 1460>", "> S. 0:0(0) ack 1 <mss 1460,FO 0a0b>");
    for (text, word) in [
        (fast, "not built: TCP Fast Open"),
        (HOLDS.replace("win 65535 <mss 1460>", "win 65535 <mss 1460,md5>"), "not built: the option md5"),
        (HOLDS.replace("listen(3, 1)", "epoll_create(1)"), "not built: the call epoll_create"),
        (format!("{HOLDS}+0 %{{ assert tcpi_snd_cwnd == TCP_X }}%\n"), "not built: the name TCP_X"),
        (format!("{HOLDS}+0 %{{ assert tcpi_state == TCP_X }}%\n"), "not built: the name TCP_X"),
        (format!("{HOLDS}+0 setsockopt(4, SOL_TCP, TCP_CORK, [1], 4) = 0\n"), "not built: the option TCP_CORK"),
        (HOLDS.replace("+0 > S.", "+0 > icmp unreachable\n+0 > S."), "not built: sending ICMP errors"),
        (HOLDS.replace("+0 < S 0", "+0 < icmp unreachable net_unreachable [0:0(0)]\n+0 < S 0"), "no connection that"),
        (format!("{HOLDS}+0 `reboot`\n"), "`reboot` has no meaning here"),
        (format!("--frobnicate=3\n{HOLDS}"), "--frobnicate is not known"),
    ] {
        let file = write(&dir, "lacks.pkt", text);
        let output = adieu(&["script", &file]);
        let (out, _) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{word}");
        says(&out, &[word]);
    }
    let file = write(&dir, "shell.pkt", format!("{HOLDS}+0 `reboot`\n"));
    let (out, _) = texts(&adieu(&["script", &file, "--ignore-shell"]));
    says(&out, &["note: ignored: `reboot`", "all hold"]);
}

fn definitions_and_policies_reach_the_script() {
    let dir = TempDir::new();
    let text = format!(
        "{HOLDS}#ifdef POSIX\n+0 read(4, ..., AMOUNT) = 0\n#else\n+0 read(4, ..., 100) = -1 ECONNRESET\n#endif\n"
    );
    let file = write(&dir, "policy.pkt", text);
    assert!(adieu(&["script", &file]).status.success());
    let posix = ["script", &file, "-D", "POSIX", "-D", "AMOUNT=50", "--set", "errno=posix"];
    let (out, err) = texts(&adieu(&posix));
    assert!(out.contains("all hold"), "{out}{err}");
    assert!(!adieu(&posix[..6]).status.success());
    // A reset in TIME-WAIT, and three segments at first.
    let rest = "+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+0.01 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n\
        +0.01 < R 2:2(0) win 0\n+0 `sockstat | grep STATE`\n";
    let opening = HOLDS.lines().take(7).collect::<Vec<_>>().join("\n");
    let file = write(&dir, "reset.pkt", format!("{opening}\n{rest}").replace("STATE", "CLOSED"));
    assert!(!adieu(&["script", &file]).status.success());
    assert!(adieu(&["script", &file, "--set", "reset-in-time-wait=honour"]).status.success());
    let flight = "+0 write(4, ..., 9000) = 9000\n+0 > . 1:1461(1460) ack 1\n+0 > . 1461:2921(1460) ack 1\n\
        +0 > . 2921:4381(1460) ack 1\n+0.01 < R 1:1(0) win 0\n";
    let file = write(&dir, "flight.pkt", format!("{opening}\n{flight}"));
    assert!(!adieu(&["script", "--strict", &file]).status.success());
    assert!(adieu(&["script", "--strict", &file, "--set", "initial-window=3"]).status.success());
}

fn what_the_stack_offers_can_be_chosen() {
    let dir = TempDir::new();
    let file = write(&dir, "holds.pkt", HOLDS);
    let choices = ["timestamps=off", "sack=off", "wscale=off", "wscale=any", "loss-probes=off", "syn-cookies=off"];
    for choice in choices.into_iter().chain(["delayed-ack=off", "delayed-ack=100", "quick-acks=0"]) {
        assert!(adieu(&["script", &file, "--set", choice]).status.success(), "{choice}");
    }
    let opening = HOLDS.lines().take(7).collect::<Vec<_>>().join("\n");
    let sockets = "+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0\n\
        +0 setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [10], 4) = 0\n+0 getsockopt(4, SOL_TCP, TCP_KEEPIDLE, [10], [4]) = 0\n\
        +0 getsockopt(4, SOL_TCP, TCP_KEEPINTVL, [7], [4]) = 0\n\
        +0 setsockopt(4, SOL_TCP, TCP_USER_TIMEOUT, [1500], 4) = 0\n\
        +0 getsockopt(4, SOL_TCP, TCP_USER_TIMEOUT, [1500], [4]) = 0\n\
        +0 setsockopt(4, SOL_TCP, TCP_KEEPCNT, [0], 4) = -1 EINVAL\n\
        +0 setsockopt(4, SOL_TCP, TCP_QUICKACK, [1], 4) = 0\n+0 ioctl(4, SIOCATMARK, [0]) = 0\n";
    let sysctl = "0 `sysctl -w net.ipv4.tcp_timestamps=0 net.ipv4.tcp_keepalive_intvl=7 net.ipv4.tcp_moon=1`\n";
    let file = write(&dir, "chosen.pkt", format!("{sysctl}{opening}\n{sockets}"));
    let (out, err) = texts(&adieu(&["script", &file]));
    says(&out, &["all hold", "tcp_moon: there is no such parameter here", "note: TCP_QUICKACK"]);
    assert!(!out.contains("tcp_timestamps") && err.is_empty(), "{out}{err}");
}

fn mutants_that_survive_are_listed() {
    let dir = TempDir::new();
    let file = write(&dir, "holds.pkt", HOLDS);
    let output = adieu(&["script", &file, "--mutants"]);
    let (out, _) = texts(&output);
    assert!(output.status.success() && out.contains(" mutants: ") && out.ends_with(" 0 survive\n"), "{out}");
    // Expecting any result of a call leaves nothing to change; expecting a packet at any time leaves no later one.
    let file = write(&dir, "broken.pkt", HOLDS.replace("ack 1 <mss", "ack 7 <mss"));
    let (out, err) = texts(&adieu(&["script", &file, "--mutants"]));
    assert!(out.is_empty() && err.contains("does not hold itself"), "{out}{err}");
}

fn bad_input_is_one_clear_sentence() {
    let dir = TempDir::new();
    let empty = TempDir::new();
    let garbage = write(&dir, "garbage.pkt", [0xff, 0xfe, 0, 1, 2, 0x80]);
    let holds = write(&dir, "holds.txt", HOLDS);
    for (args, word) in [
        (&["/nowhere/at/all.pkt"][..], "/nowhere/at/all.pkt"),
        (&[empty.0.to_str().unwrap()], "no script (*.pkt)"),
        (&[&garbage], "not text"),
        (&[&holds, "--set", "colour=red"], "--set colour=red"),
        (&[&holds, "--set", "errno"], "KEY=VALUE"),
        (&[&holds, "--set", "delayed-ack=no"], "off, milliseconds"),
        (&[&holds, "--set", "timestamps=perhaps"], "on, off"),
        (&[&holds, "--isn", "minus one"], "0 to 4294967295"),
        (&[&holds, "--round", "0"], "0"),
        (&[&holds, "--time-scale", "0"], "0.5 or 2"),
        (&[&holds, "-D", "7=8"], "NAME"),
        (&[&holds, "--junit", "/nowhere/at/all"], "/nowhere/at/all"),
    ] {
        let output = adieu(&[&["script"], args].concat());
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}: {err}");
        says(&err, &[word]);
    }
    let large = dir.0.join("large.pkt");
    std::fs::File::create(&large).unwrap().set_len(100 * 1024 * 1024).unwrap();
    let (_, err) = texts(&adieu(&["script", large.to_str().unwrap()]));
    says(&err, &["larger than 16 MiB"]);
    // Cut anywhere, a script is an error of its own or a shorter script; never a panic.
    for end in (0..HOLDS.len()).step_by(7) {
        let file = write(&dir, "cut.pkt", &HOLDS[..end]);
        let (out, err) = texts(&adieu(&["script", &file]));
        assert!(!err.contains("panicked") && out.contains("1 script, "), "{end}: {out}{err}");
    }
}

fn a_script_that_waits_for_ever_ends() {
    let dir = TempDir::new();
    for (text, word) in [
        (HOLDS.replace("+0 < R", "+999999999 < R"), "ten years"),
        (HOLDS.replace("+0 read(4", "+0...300000000 accept(3"), "has not returned in time"),
        (HOLDS.replace("+0 < R 1:1(0) win 0\n", ""), "the call blocks"),
        (HOLDS.replace("+0 < R 1:1(0) win 0", "* > . 1:1(0) ack 1"), "no packet has left"),
    ] {
        let file = write(&dir, "waits.pkt", text);
        let output = adieu(&["script", &file]);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        says(&out, &[word]);
    }
}
