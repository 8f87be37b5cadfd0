//! Runs a test in a network namespace of its own, so that none touches the host's.

use std::process::Command;
use std::time::Duration;

use super::super::check_driver;

/// Set for the process that is already inside of a fresh namespace.
const INSIDE: &str = "ADIEU_TUN_TEST_INSIDE";

/// Runs the command `ip`; a test does without what needs it where it is not installed.
pub(super) fn ip(arguments: &[&str]) -> bool {
    match Command::new("ip").args(arguments).status() {
        Ok(status) => {
            assert!(status.success(), "ip {arguments:?}");
            true
        }
        Err(_) => {
            println!("skipped in part: no `ip`");
            false
        }
    }
}

/// Runs `body` in this process if it is inside of a namespace of its own; else starts this test
/// again in such a process, with the words of `wrapper` before it, and waits for it.
pub(super) fn in_namespace(test: &str, wrapper: &[&str], body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        // A thread, for a test that blocks where it should not stops its runtime's clock as well.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(10));
            eprintln!("the test does not end");
            std::process::exit(1);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(body);
        return;
    }
    let Some(flag) = namespace_flag() else {
        return skip("no right to make a namespace");
    };
    if check_driver().is_err() {
        return skip("no /dev/net/tun");
    }
    if wrapper.first().is_some_and(|program| Command::new(program).arg("-V").output().is_err()) {
        return skip(&format!("no {}", wrapper[0]));
    }
    let here = module_path!().trim_end_matches("::namespace");
    let module = here.split_once("::").unwrap().1;
    let output = Command::new("unshare")
        .arg(flag)
        .args(wrapper)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{test}"), "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complaint}");
}

/// How `unshare` makes a network namespace for this user, if it can.
fn namespace_flag() -> Option<&'static str> {
    ["-n", "-rn"].into_iter().find(|flag| {
        let trial = Command::new("unshare").args([flag, "true"]).output();
        trial.is_ok_and(|output| output.status.success())
    })
}

fn skip(reason: &str) {
    assert!(std::env::var_os("ADIEU_REQUIRE_TUN").is_none(), "{reason}");
    println!("skipped: {reason}");
}
