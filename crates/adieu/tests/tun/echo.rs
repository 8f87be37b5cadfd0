//! The example `echo` and the kernel's TCP.

use crate::family::{Family, with_brackets};
use crate::harness::register;
use crate::sandbox::{namespace, texts};

register! {
    two_hundred_connections_at_once_are_echoed_and_end_gracefully(Family) needs Tun;
}

/// Two hundred connections that are all open before the first says a word. Each client closes its direction after its
/// words, and reads to the end.
const CLIENT: &str = r#"
import os, socket, time
for _ in range(1500):
    if "echo at" in open("log").read(): break
    time.sleep(0.02)
peers = [socket.create_connection((os.environ["STACK_ADDR"], 7), 60) for _ in range(200)]
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

fn two_hundred_connections_at_once_are_echoed_and_end_gracefully(family: Family) {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/echo");
    assert!(example.exists(), "`--test tun` alone does not build it: cargo build -p adieu --example echo");
    let script = format!(
        "trap 'cat log >&2' EXIT; touch log\n\
         \"$ECHO\" $STACK:7 200 > receipts 2> log & server=$!\npython3 -c '{CLIENT}'; wait $server; cat receipts"
    );
    let echo = ("ECHO", example.to_str().unwrap().to_owned());
    let output = namespace(&script, &[&family.environment()[..], &[echo]].concat());
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    let (first, receipts) = out.split_once('\n').unwrap();
    assert!(first.starts_with("200 echoed "), "{first}");
    let peer = format!("{}:", with_brackets(family.kernel()));
    let is_graceful = |receipt: &&str| receipt.starts_with(&peer) && receipt.contains(": graceful-peer-first, ");
    let graceful = receipts.lines().filter(is_graceful).count();
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
