//! `adieu script --peer linux`: our scripts, with the kernel's TCP under test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{TempDir, namespace, texts};
use crate::family::Family;
use crate::harness::register;
use crate::peers::says;

register! {
    scripts_that_hold_for_the_kernel_too(Family) needs Tun;
    a_script_that_does_not_hold_shows_what_the_kernel_did(Family) needs Tun;
    what_the_kernel_looks_like_from_inside(Family) needs Tun;
    what_the_kernel_cannot_be_asked_is_said() needs Tun;
}

fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance").canonicalize().unwrap()
}

/// Every script, by its path below `conformance/`.
fn scripts() -> BTreeSet<String> {
    let (root, mut found) = (conformance(), BTreeSet::new());
    let mut open = vec![root.clone()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

/// The first column of the table of differences.
fn differing() -> BTreeSet<String> {
    let table = fs::read_to_string(conformance().join("linux-differs.md")).unwrap();
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// Runs scripts on the kernel: names of those that held, of those that did not with the reason, and standard error.
fn play(family: Family, names: &BTreeSet<String>) -> (Vec<String>, Vec<(String, String)>, String) {
    let files: Vec<String> = names.iter().map(|name| conformance().join(name).to_str().unwrap().to_owned()).collect();
    let env = [("VERSION", family.name().to_owned()), ("FILES", files.join(" "))];
    let script = r#"timeout 280 "$ADIEU" script --peer linux --ip-version $VERSION --json $FILES || test $? = 1"#;
    let output = namespace(script, &env);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{err}");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let (mut held, mut failed) = (Vec::new(), Vec::new());
    for entry in document["scripts"].as_array().unwrap() {
        let file = Path::new(entry["file"].as_str().unwrap());
        let name = file.strip_prefix(conformance()).unwrap().to_str().unwrap().to_owned();
        match entry["held"].as_bool().unwrap() {
            true => held.push(name),
            false => failed.push((name, format!("line {}: {} ({})", entry["line"], entry["message"], entry["detail"]))),
        }
    }
    (held, failed, err)
}

fn scripts_that_hold_for_the_kernel_too(family: Family) {
    let (all, differing) = (scripts(), differing());
    let unknown: Vec<_> = differing.difference(&all).collect();
    assert!(unknown.is_empty(), "linux-differs.md names what is not there: {unknown:?}");
    let (mut held, mut failed, passed_over) = play(family, &all.difference(&differing).cloned().collect());
    // Real time is real: a machine that is busy may hold back this process, or the kernel, for longer than a script
    // allows. What is really different is different again.
    for _ in 0..2 {
        let again: BTreeSet<String> = failed.iter().map(|(name, _)| name.clone()).collect();
        if again.is_empty() {
            break;
        }
        let (late, still, _) = play(family, &again);
        held.extend(late);
        failed = still;
    }
    assert!(failed.is_empty(), "these hold on our stack, not on the kernel: {failed:#?}");
    println!("{} hold; {}", held.len(), passed_over.trim_end());
    assert!(held.len() >= 30, "only {} scripts were run; {passed_over}", held.len());
}

const REFUSED: &str =
    "0 `sysctl -w net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0 net.ipv4.tcp_window_scaling=0 net.ipv4.tcp_moon=1`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0...0.02 connect(3, ..., ...) = -1 ECONNREFUSED (refused)
+0 > S 0:0(0) <mss 1460>
+0.01 < R. 0:0(0) ack 1 win 0
+0 `sockstat | grep CLOSED`
";

fn one(family: Family, text: &str, options: &str) -> (Option<i32>, String) {
    let dir = TempDir::new();
    let file = dir.0.join("script.pkt");
    fs::write(&file, text).unwrap();
    let env = [("VERSION", family.name().to_owned()), ("FILE", file.to_str().unwrap().to_owned())];
    let script = format!("exec \"$ADIEU\" script --peer linux --ip-version $VERSION --ascii {options} \"$FILE\"");
    let output = namespace(&script, &env);
    let (out, err) = texts(&output);
    (output.status.code(), out + &err)
}

fn a_script_that_does_not_hold_shows_what_the_kernel_did(family: Family) {
    let (code, text) = one(family, REFUSED, "--ladder");
    assert_eq!(code, Some(0), "{text}");
    says(&text, &["linux", "SYN-SENT", "RST", "tcp_moon: there is no such parameter here", "1 script, all hold"]);
    let (code, text) = one(family, &REFUSED.replace("ECONNREFUSED", "ETIMEDOUT"), "");
    assert_eq!(code, Some(1), "{text}");
    says(&text, &["expected -1 ETIMEDOUT, got -1 ECONNREFUSED", "SYN-SENT"]);
    let (code, text) = one(family, &format!("{REFUSED}+9 `sockstat | grep CLOSED`\n"), "--longest 3");
    assert_eq!(code, Some(0), "{text}");
    says(&text, &["1 passed over: they last longer than 3 s"]);
}

const INSIDE: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 poll([{fd=3, events=POLLIN, revents=0}], 1, 0) = 0
+0 < S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 1000,nop,wscale 3>
+0.01 < . 1:1(0) ack 1 win 512 <nop,nop,TS val 1010 ecr 100>
+0 poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 0) = 1
+0 accept(3, ..., ...) = 4
+0...0.1 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, -1) = 1
+0.1 < P. 1:1001(1000) ack 1 win 512 <nop,nop,TS val 1110 ecr 100>
+0 > . 1:1(0) ack 1001 <nop,nop,TS val 210 ecr 1110>
+0 %{ assert tcpi_options == 7 and tcpi_snd_wscale == 7 and tcpi_snd_cwnd == 10 }%
+0 %{ assert tcpi_snd_ssthresh == TCP_INFINITE_SSTHRESH and tcpi_bytes_received == 1000 }%
+0 %{ assert tcpi_rcv_mss <= 1448 and tcpi_ca_state == TCP_CA_Open and tcpi_snd_mss == 1448 }%
";

fn what_the_kernel_looks_like_from_inside(family: Family) {
    let (code, text) = one(family, INSIDE, "");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = one(family, &INSIDE.replace("tcpi_snd_cwnd == 10", "tcpi_snd_cwnd == 11"), "");
    assert_eq!(code, Some(1), "{text}");
    says(&text, &["tcpi_snd_cwnd = 10", "tcpi_options = 7"]);
    // An echo that is off by one, and a clock that does not follow the script's.
    for (from, to, word) in [("210 ecr 1110", "210 ecr 1111", "options"), ("210 ecr", "900 ecr", "time stamp")] {
        let text = format!("--tcp_ts_tick_usecs=1000\n{}", INSIDE.replace(from, to));
        let (code, text) = one(family, &text, "");
        assert_eq!(code, Some(1), "{text}");
        says(&text, &["another packet has left: ", word, "TS val 2"]);
    }
}

fn what_the_kernel_cannot_be_asked_is_said() {
    for (options, word) in [("--set retries=3", "not for --peer linux"), ("--mutants", "not for --peer linux")] {
        let (code, text) = one(Family::Ipv4, REFUSED, options);
        assert_eq!(code, Some(2), "{text}");
        says(&text, &[word]);
    }
}
