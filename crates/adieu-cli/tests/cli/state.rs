//! What outlives the command, and an answer that survives an upload nobody reads, with the Linux kernel as the peer.

use crate::common::{TempDir, adieu, texts};
use crate::family::Family;
use crate::harness::register;
use crate::peers::{good, says, script};

register! {
    ud_8_close_drain_lets_the_peer_read_the_answer(Family) needs Tun;
    ud_8_beyond_the_budget_it_is_a_reset(Family) needs Tun;
    qt_1_a_second_run_goes_on_where_the_first_one_stopped(Family) needs Tun;
    qt_1_a_file_that_is_no_state_stays_as_it_is();
    what_cannot_be_a_budget_is_explained();
    the_receipt_is_one_line_of_json(Family) needs Tun;
}

/// The label stands before the addresses.
fn ud_8_close_drain_lets_the_peer_read_the_answer(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import socket, time
from peer import connect
s = connect()
s.sendall(b"x" * 1000000); s.shutdown(socket.SHUT_WR)
time.sleep(0.3)
answer = s.makefile().read()
print(len(answer), answer[:3])
PY
        (printf 413; head -c 29997 /dev/zero) > answer
        "$ADIEU" listen $STACK:7 --close-drain --label upload < answer > got 2> log & pid=$!
        until_log listening; python3 client.py; wait $pid"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "30000 413\n", "{err}");
    says(&err, &["ending           graceful: ", "undelivered      none", "1,000,000 bytes"]);
    says(&err, &[family.pick("\nupload: 10.77.0.1:7 <-> 10.77.0.2:", "\nupload: [fd77::1]:7 <-> [fd77::2]:")]);
}

fn ud_8_beyond_the_budget_it_is_a_reset(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
from peer import connect
s = connect()
try: s.sendall(b"x" * 10000000)
except OSError as error: print(type(error).__name__)
PY
        set +e; echo no | "$ADIEU" listen $STACK:7 --close-drain=64KiB,5s > got 2> log & pid=$!
        until_log listening; python3 client.py; wait $pid; echo $?"#,
    );
    let (out, err) = good(&output);
    let broken = ["ConnectionResetError\n1\n", "BrokenPipeError\n1\n"];
    assert!(broken.contains(&out.as_str()), "{out}{err}");
    says(&err, &["aborted-drain-bytes"]);
}

/// We close first, and so wait; the file keeps that, and is nobody else's to read. The same peer comes again from the
/// same port.
fn qt_1_a_second_run_goes_on_where_the_first_one_stopped(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import socket
from peer import FAMILY, STACK
s = socket.socket(FAMILY)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 5000)); s.connect((STACK, 7))
print(s.makefile().read()); s.close()
PY
        umask 0
        for run in 1 2; do
            : > log
            "$ADIEU" listen $STACK:7 --state state < /dev/null > got 2> log & pid=$!
            until_log listening; python3 client.py; wait $pid; stat -c %a state; grep -c "going on" log || true
        done
        ls state*"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "\n600\n0\n\n600\n1\nstate\n", "{err}");
    says(&err, &["going on from state, with 1 connection in TIME-WAIT", "graceful-local-first"]);
}

/// One clear sentence, exit code 2, and nothing is written.
fn qt_1_a_file_that_is_no_state_stays_as_it_is() {
    let dir = TempDir::new();
    let path = dir.0.join("state");
    let name = path.to_str().unwrap();
    for (bytes, words) in [(&b"garbage"[..], "no suspended stack"), (b"adieuNET\x01\0\0\0cut off", "cut off")] {
        std::fs::write(&path, bytes).unwrap();
        for command in [&["listen", "10.77.0.1:80"][..], &["connect", "10.77.0.2:80"]] {
            let output = adieu(&[command, &["--state", name]].concat());
            let (out, err) = texts(&output);
            assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{err}");
            says(&err, &[name, words, "another file"]);
            assert_eq!(err.lines().count(), 1, "{err}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
    let nowhere = dir.0.join("none").join("state");
    let output = adieu(&["listen", "10.77.0.1:80", "--state", nowhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    says(&texts(&output).1, &["cannot write the state to"]);
}

fn what_cannot_be_a_budget_is_explained() {
    for value in ["1MiB", "2s", "1MiB,2", "-1,2s", "x,2s", "99999999999GiB,1s"] {
        let output = adieu(&["listen", "10.77.0.1:80", &format!("--close-drain={value}")]);
        assert_eq!(output.status.code(), Some(2));
        says(&texts(&output).1, &["1MiB,2s"]);
    }
}

fn the_receipt_is_one_line_of_json(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import json
from peer import connect
s = connect(); s.sendall(b"12345"); print(s.makefile().read()); s.close()
PY
        (sleep 0.3; echo hello) | "$ADIEU" listen $STACK:7 --json --label greeting > got 2> log & pid=$!
        until_log listening; python3 client.py; wait $pid
        grep '^{' log | python3 -c 'import json, sys
all = json.load(sys.stdin); receipt = all["receipt"]
print(all["version"], all["label"], all["local"], receipt["ending"], receipt["sent"], receipt["received"],
      receipt["discarded"], receipt["unsent"], receipt["at_first_fin"], receipt["zeek"])'"#,
    );
    let (out, err) = good(&output);
    let local = family.pick("10.77.0.1:7", "[fd77::1]:7");
    let wanted = format!("hello\n\n1 greeting {local} graceful-local-first 6 5 0 0 [6, 5] SF\n");
    assert_eq!(out, wanted, "{err}");
}
