//! `adieu connect` against the Linux kernel's TCP, over a TUN in a network namespace of its own.

use crate::common::{adieu, texts};
use crate::family::{Family, with_brackets};
use crate::harness::register;
use crate::peers::{good, says, script};

register! {
    a_file_from_pythons_http_server_arrives_whole(Family) needs Tun;
    half_close_by_us_then_the_kernels_answer(Family) needs Tun;
    a_server_that_resets_gives_exit_code_1_and_its_bytes_are_written(Family) needs Tun;
    a_closed_port_is_refused_at_once_with_a_receipt(Family) needs Tun;
    a_peer_beyond_the_host_draws_a_hint_and_one_of_this_host_none(Family) needs Tun;
    a_command_that_ends_without_listening_or_fails_gives_exit_code_1(Family) needs Tun;
    bad_peers_say_what_to_give_instead();
}

fn a_file_from_pythons_http_server_arrives_whole(family: Family) {
    let output = script(
        family,
        r#"mkdir www; head -c 3000000 /dev/urandom > www/file
        printf 'GET /file HTTP/1.0\r\n\r\n' | "$ADIEU" connect $KERNEL:8000 \
            --exec 'cd www; exec python3 -u -m http.server "$ADIEU_PORT" --bind "$ADIEU_KERNEL"' > got 2> log
        head -n 1 got; tail -c 3000000 got | sha256sum | cut -c -64; sha256sum < www/file | cut -c -64"#,
    );
    let (out, err) = good(&output);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines[0].trim_end(), lines[1]), ("HTTP/1.0 200 OK", lines[2]), "{err}");
    says(&err, &["graceful", "sent             22 bytes", "undelivered      none", "unread           none"]);
}

fn half_close_by_us_then_the_kernels_answer(family: Family) {
    let output = script(
        family,
        r#"cat > server.py <<'PY'
from peer import accept
c = accept()
question = b""
while data := c.recv(4096): question += data
c.sendall(question * 125000)
c.close()
PY
        printf question | "$ADIEU" connect $KERNEL:7 --exec 'python3 server.py' > got 2> log
        wc -c < got; head -c 16 got"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out.trim_start(), "1000000\nquestionquestion", "{err}");
    says(&err, &["graceful-local-first", "received         1,000,000 bytes", "TIME-WAIT cut short after "]);
}

fn a_server_that_resets_gives_exit_code_1_and_its_bytes_are_written(family: Family) {
    let output = script(
        family,
        r#"cat > server.py <<'PY'
import time
from peer import accept, reset
c = accept()
c.sendall(b"before"); time.sleep(0.2)
reset(c)
PY
        mkfifo silence; exec 3<> silence
        set +e; "$ADIEU" connect $KERNEL:7 --exec 'python3 server.py' <&3 > got 2> log; echo $?; cat got"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\nbefore", "{err}");
    says(&err, &["reset-by-peer", "received         6 bytes"]);
}

fn a_closed_port_is_refused_at_once_with_a_receipt(family: Family) {
    let output =
        script(family, r#"set +e; "$ADIEU" connect $KERNEL:9 --local $STACK_ADDR < /dev/null 2> log; echo $?"#);
    let (out, err) = good(&output);
    assert_eq!(out, "1\n", "{err}");
    says(&err, &["refused: nobody listens there (in SYN-SENT)", "retransmissions  none"]);
    assert!(!err.contains("hint"), "{err}");
}

fn a_peer_beyond_the_host_draws_a_hint_and_one_of_this_host_none(family: Family) {
    let (here, beyond) = family.pick(("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2"));
    let output = script(
        family,
        &format!(
            r#"ip addr add {here} dev lo; set +e
            "$ADIEU" connect {}:9 < /dev/null 2> log; echo $?; grep -c hint log
            "$ADIEU" connect {}:9 < /dev/null 2>> log & pid=$!
            until_log "to .*{beyond}"; sleep 0.1; kill -INT $pid; wait $pid; echo $?"#,
            with_brackets(here),
            with_brackets(beyond)
        ),
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\n0\n1\n", "{err}");
    let (forward, tables) =
        family.pick(("net.ipv4.ip_forward=1", "`iptables "), ("net.ipv6.conf.all.forwarding=1", "`ip6tables "));
    says(&err, &[&format!("{beyond} is beyond this host"), forward, tables, "MASQUERADE", "cancelled"]);
}

fn a_command_that_ends_without_listening_or_fails_gives_exit_code_1(family: Family) {
    let output = script(
        family,
        r#"set +e; "$ADIEU" connect $KERNEL:9 --exec 'echo from the command; exit 3' < /dev/null 2> log; echo $?"#,
    );
    let (out, err) = good(&output);
    assert_eq!(out, "1\n", "its output is kept from ours: {err}");
    says(&err, &["from the command", "refused", "the command of --exec failed: exit status: 3"]);
}

fn bad_peers_say_what_to_give_instead() {
    for (args, words) in [
        (&["nowhere"][..], &["10.77.0.2:80"][..]),
        (&["10.77.0.2:0"], &["1 to 65535"]),
        (&["10.77.0.2:http"], &["10.77.0.2:80"]),
        (&[":80"], &["10.77.0.2:80"]),
        (&["[::1]:80"], &["loopback", "[fd77::2]:80"]),
        (&["127.0.0.1:80"], &["loopback", "10.77.0.2:80"]),
        (&["10.77.0.1:80"], &["the stack's own address", "10.77.0.2", "--local"]),
        (&["10.77.0.2:80", "--local", "10.77.0.3"], &["10.77.0.1"]),
        (&["10.77.0.2:80", "--local", "nowhere"], &["10.77.0.1"]),
        (&["no-such-host.invalid:80"], &["no-such-host.invalid"]),
    ] {
        let output = adieu(&[&["connect"], args].concat());
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{args:?}: {err}");
        says(&err, words);
    }
}
