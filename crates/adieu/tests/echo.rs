//! The example `echo` and the Linux kernel's TCP, over a TUN in a network namespace of its own.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

/// Two hundred connections that are all open before the first says a word. Each client closes its direction after its
/// words, and reads to the end.
const CLIENT: &str = r#"
import selectors, socket, time
for _ in range(500):
    if "echo at" in open("log").read(): break
    time.sleep(0.02)
peers = [socket.create_connection(("10.77.0.1", 7), 20) for _ in range(200)]
words = [f"number {n} ".encode() * (1 + n * 10) for n in range(200)]
for peer, word in zip(peers, words):
    peer.sendall(word); peer.shutdown(socket.SHUT_WR)
echoed = 0
for peer, word in zip(peers, words):
    answer = b""
    while data := peer.recv(65536): answer += data
    echoed += answer == word
    peer.close()
print(echoed, "echoed", sum(map(len, words)), "bytes")
"#;

#[test]
fn two_hundred_connections_at_once_are_echoed_and_end_gracefully() {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/echo");
    if !tun_is_here() {
        return;
    }
    assert!(example.exists(), "`--test echo` alone does not build it: cargo build -p adieu --example echo");
    let script = format!(
        "cd $(mktemp -d); trap 'cat log >&2; rm -r \"$PWD\"' EXIT; touch log\n\
         \"$ECHO\" 10.77.0.1:7 200 > receipts 2> log & server=$!\npython3 -c '{CLIENT}'; wait $server; cat receipts"
    );
    let output = namespace(&script, &[("ECHO", example.to_str().unwrap())]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let (first, receipts) = out.split_once('\n').unwrap();
    assert!(first.starts_with("200 echoed "), "{first}");
    let graceful = receipts.lines().filter(|receipt| receipt.contains(": graceful-peer-first, ")).count();
    assert_eq!((graceful, receipts.lines().count()), (200, 200), "{receipts}{err}");
    let total: u64 = receipts.lines().map(bytes_there_and_back).sum();
    assert!(first.ends_with(&format!(" {total} bytes")), "{first}: {total}");
}

/// The number in a receipt, which is the same each way.
fn bytes_there_and_back(receipt: &str) -> u64 {
    let numbers: Vec<u64> = receipt.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{receipt}");
    numbers[0]
}

/// Whether a TUN can be made in a namespace of our own; says so where not, and fails with `ADIEU_REQUIRE_TUN=1`.
fn tun_is_here() -> bool {
    let made = namespace("ip tuntap add dev probe0 mode tun", &[]);
    let why = String::from_utf8_lossy(&made.stderr);
    if !made.status.success() {
        assert!(std::env::var_os("ADIEU_REQUIRE_TUN").is_none(), "a TUN is required here, and cannot be made: {why}");
        eprintln!("skipped: no /dev/net/tun");
    }
    made.status.success()
}

/// Runs a shell script in a network namespace of its own, for at most a minute.
fn namespace(script: &str, env: &[(&str, &str)]) -> Output {
    let script = format!("set -eu\nip link set lo up\n{script}");
    let mut command = Command::new("timeout");
    command.args(["60", "unshare", "--net", "--", "bash", "-c", &script]).envs(env.iter().copied());
    command.output().expect("coreutils' timeout and util-linux' unshare are here")
}
