//! Ctrl-C, SIGTERM, closed pipes: how they end a connection with the kernel's TCP.

use crate::family::Family;
use crate::harness::register;
use crate::peers::{good, says, script};

register! {
    the_first_signal_drains_and_the_peers_last_words_are_written(Family) needs Tun;
    the_second_signal_resets_and_the_kernel_reports_econnreset(Family) needs Tun;
    standard_output_that_nobody_reads_resets_with_one_line(Family) needs Tun;
    standard_error_that_nobody_reads_is_no_panic(Family) needs Tun;
    standard_input_that_cannot_be_read_resets(Family) needs Tun;
    a_signal_before_any_connection_gives_exit_code_1(Family) needs Tun;
    wait_stays_in_time_wait_and_a_signal_ends_it_at_once(Family) needs Tun;
}

fn the_first_signal_drains_and_the_peers_last_words_are_written(family: Family) {
    for signal in ["INT", "TERM"] {
        let output = script(
            family,
            &format!(
                r#"cat > client.py <<'PY'
from peer import connect
s = connect()
stream = s.makefile("rb")
greeting = stream.read(5)
open("heard", "w").close()
greeting += stream.read()
s.sendall(b"heard " + greeting + b", last words"); s.close()
PY
            mkfifo in; "$ADIEU" listen $STACK:7 < in > got 2> log & pid=$!
            exec 3> in; until_log listening; python3 client.py 3>&- & client=$!
            until_log connected; printf hello >&3; until_file heard; kill -{signal} $pid
            set +e; wait $pid; echo $?; wait $client; cat got"#
            ),
        );
        let (out, err) = good(&output);
        assert_eq!(out, "0\nheard hello, last words", "{err}");
        says(&err, &[&format!("SIG{signal}: closing our direction"), "graceful-local-first", "undelivered      none"]);
    }
}

/// Bytes that wait behind a closed window keep our FIN from the kernel: it sees nothing but the reset.
fn the_second_signal_resets_and_the_kernel_reports_econnreset(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import socket, time
from peer import FAMILY, STACK
s = socket.socket(FAMILY); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect((STACK, 7))
s.recv(1, socket.MSG_PEEK); open("heard", "w").close()
while "resetting" not in open("log").read(): time.sleep(0.02)
time.sleep(0.2)
try:
    while s.recv(65536): pass
    print("end of stream")
except ConnectionResetError: print("ECONNRESET")
PY
        head -c 1000000 /dev/zero > in; "$ADIEU" listen $STACK:7 < in > got 2> log & pid=$!
        until_log listening; python3 client.py & client=$!
        until_file heard; kill -INT $pid; until_log "closing our direction"; kill -INT $pid
        set +e; wait $pid; echo $?; wait $client"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\nECONNRESET\n", "{err}");
    says(&err, &["SIGINT: resetting the connection", "aborted-by-call", "undelivered      "]);
    assert!(!err.contains("undelivered      none"), "{err}");
}

fn standard_output_that_nobody_reads_resets_with_one_line(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
from peer import connect
s = connect()
try:
    for _ in range(1000): s.sendall(bytes(100000))
    print("all taken")
except ConnectionResetError: print("ECONNRESET")
PY
        mkfifo silence; exec 3<> silence
        { set +e; "$ADIEU" listen $STACK:7 <&3 2> log; echo $? > code; } | head -c 1 > got & pipe=$!
        until_log listening; python3 client.py; until_log "in all"
        wait $pipe; until_file code; cat code"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "ECONNRESET\n1\n", "{err}");
    says(&err, &["adieu: standard output is closed; resetting the connection", "aborted-by-call"]);
}

fn standard_error_that_nobody_reads_is_no_panic(family: Family) {
    let output =
        script(family, r#"set +e; (sleep 0.3; exec "$ADIEU" connect $KERNEL:9 < /dev/null) 2> >(true); echo $?"#);
    assert_eq!(good(&output).0, "1\n");
}

fn standard_input_that_cannot_be_read_resets(family: Family) {
    let output = script(
        family,
        r#"set +e; "$ADIEU" connect $KERNEL:7 < . 2> log --exec \
            'exec python3 -c "import peer; peer.accept().recv(9)"'; echo $?"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\n", "{err}");
    says(&err, &["cannot read standard input", "aborted-by-call"]);
}

fn a_signal_before_any_connection_gives_exit_code_1(family: Family) {
    let output = script(
        family,
        r#"for exec in 'sleep 60' ''; do
            : > log; "$ADIEU" listen $STACK:7 ${exec:+--exec "$exec"} < /dev/null 2> log & pid=$!
            until_log listening; kill -TERM $pid; set +e; wait $pid; echo $?; set -e
        done"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\n1\n", "{err}");
    says(&err, &["SIGTERM before a connection came"]);
}

fn wait_stays_in_time_wait_and_a_signal_ends_it_at_once(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
from peer import connect
s = connect(); s.recv(9); s.close()
PY
        "$ADIEU" listen $STACK:7 --wait < /dev/null 2> log & pid=$!
        until_log listening; python3 client.py; until_log "in all"; sleep 1; kill -0 $pid; kill -INT $pid
        set +e; wait $pid; echo $?"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "0\n", "{err}");
    says(&err, &["graceful-local-first", "TIME-WAIT cut short after ", " ms by SIGINT"]);
}
