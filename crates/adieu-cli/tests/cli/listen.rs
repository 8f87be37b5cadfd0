//! `adieu listen` against the Linux kernel's TCP, over a TUN in a network namespace of its own.

use std::process::Output;

use crate::common::{adieu, texts};
use crate::family::Family;
use crate::harness::register;
use crate::peers::{good, says, script};

register! {
    curl_fetches_a_megabyte_and_the_receipt_says_how_it_ended(Family) needs Tun;
    a_peer_that_resets_gives_exit_code_1_and_its_bytes_are_written(Family) needs Tun;
    half_close_by_the_kernel_then_our_answer(Family) needs Tun;
    bad_addresses_and_names_say_what_to_give_instead();
    a_name_or_an_address_in_use_is_named(Family) needs Tun;
    without_a_tun_driver_or_permission_it_says_what_to_do(Family) needs Tun;
}

fn curl_fetches_a_megabyte_and_the_receipt_says_how_it_ended(family: Family) {
    let output = script(
        family,
        r#"head -c 1000000 /dev/urandom > body
        printf 'HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n' > head
        cat head body | "$ADIEU" listen $STACK:80 --tun adieu0 > request 2> log & pid=$!
        until_log listening; curl -sS --noproxy '*' --max-time 20 http://$STACK/file -o got; wait $pid
        sha256sum < body; sha256sum < got; cat request"#,
    );
    let (out, err) = good(&output);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines[0], lines[2]), (lines[1], "GET /file HTTP/1.1"), "{out}{err}");
    // curl closes once it has the length it was told: before our FIN, after it, or at once with it.
    says(&err, &["ending           graceful: ", "undelivered      none", "sent             1,000,084 bytes"]);
    says(&err, &[family.pick("\n10.77.0.1:80 <-> 10.77.0.2:", "\n[fd77::1]:80 <-> [fd77::2]:")]);
}

fn a_peer_that_resets_gives_exit_code_1_and_its_bytes_are_written(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import time
from peer import connect, reset
s = connect()
s.sendall(b"before"); time.sleep(0.2)
reset(s)
PY
        mkfifo silence; exec 3<> silence; "$ADIEU" listen $STACK:7 <&3 > got 2> log & pid=$!
        until_log listening; python3 client.py; set +e; wait $pid; echo $?; cat got"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\nbefore", "{err}");
    says(&err, &["reset-by-peer"]);
}

/// The kernel's side ends its direction first; what we say after that still arrives.
fn half_close_by_the_kernel_then_our_answer(family: Family) {
    let output = script(
        family,
        r#"cat > client.py <<'PY'
import socket
from peer import connect
s = connect()
s.sendall(b"question"); s.shutdown(socket.SHUT_WR)
print(s.makefile().read())
PY
        mkfifo answer; "$ADIEU" listen $STACK:7 < answer > got 2> log & pid=$!
        exec 3> answer; until_log listening; python3 client.py > reply 3>&- & peer=$!
        for i in $(seq 200); do grep -q question got && break; sleep 0.02; done
        echo answer >&3; exec 3>&-
        wait $peer; wait $pid; cat got reply"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "questionanswer\n\n", "{err}");
    says(&err, &["graceful-peer-first"]);
}

/// One clear sentence on standard error, exit code 2.
fn refused(output: &Output, words: &[&str]) {
    let (out, err) = texts(output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{err}");
    says(&err, words);
}

fn bad_addresses_and_names_say_what_to_give_instead() {
    refused(&adieu(&["listen", "nowhere"]), &["10.77.0.1:80"]);
    refused(&adieu(&["listen", "10.77.0.1"]), &["10.77.0.1:80"]);
    refused(&adieu(&["listen", "10.77.0.1:0"]), &["1 to 65535"]);
    refused(&adieu(&["listen", "[::1]:80"]), &["loopback"]);
    refused(&adieu(&["listen", "10.77.0.3:80"]), &["10.77.0.1", "10.77.0.2"]);
    refused(&adieu(&["listen", "[fd77::3]:80"]), &["fd77::1", "fd77::2"]);
    refused(&adieu(&["listen", "127.0.0.1:80"]), &["loopback"]);
    refused(&adieu(&["listen", "10.77.0.1:80", "--tun", "a-name-that-is-too-long"]), &["15"]);
}

fn a_name_or_an_address_in_use_is_named(family: Family) {
    let taken = r#"ip tuntap add dev adieu9 mode tun; "$ADIEU" listen $STACK:80 --tun adieu9 < /dev/null"#;
    refused(&script(family, taken), &["adieu9"]);
    let overlapping = r#"ip tuntap add dev other mode tun; ip addr add $KERNEL_NET dev other; ip link set other up
        "$ADIEU" listen $STACK:80 < /dev/null"#;
    refused(&script(family, overlapping), &[family.pick("10.77.0", "fd77::"), "other"]);
}

fn without_a_tun_driver_or_permission_it_says_what_to_do(family: Family) {
    let missing = r#"mount -t tmpfs none /dev/net; "$ADIEU" listen $STACK:80 < /dev/null"#;
    refused(&script(family, missing), &["/dev/net/tun", "modprobe tun"]);
    let nobody = r#"cp "$ADIEU" ./adieu; chmod 755 . adieu; cd /
        exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$DIR/adieu" listen $STACK:80 < /dev/null"#;
    refused(&script(family, nobody), &["root"]);
    let uncapable = r#"cp "$ADIEU" ./adieu; chmod 755 . adieu; cp -a /dev/net/tun tun; chmod 666 tun
        mount --bind tun /dev/net/tun; cd /
        exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$DIR/adieu" listen $STACK:80 < /dev/null"#;
    refused(&script(family, uncapable), &["cap_net_admin"]);
}
