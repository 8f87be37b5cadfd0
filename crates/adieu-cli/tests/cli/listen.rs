//! `adieu listen` against the Linux kernel's TCP, over a TUN in a network namespace of its own.

use crate::common::{TempDir, adieu, namespace, texts, tun_is_here};
use sha2::{Digest, Sha256};

/// Waits until the listener says so.
const READY: &str = "for i in $(seq 200); do grep -q listening log && break; sleep 0.05; done";

#[test]
fn curl_fetches_a_megabyte_and_the_receipt_says_how_it_ended() {
    if !tun_is_here() {
        return;
    }
    let dir = TempDir::new();
    let body: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut response =
        b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n".to_vec();
    response.extend_from_slice(&body);
    std::fs::write(dir.0.join("response"), &response).unwrap();
    let script = format!(
        "\"$ADIEU\" listen 10.77.0.1:80 --tun adieu0 < $FILES/response > request 2> log & pid=$!\n{READY}\n\
         curl -sS --noproxy '*' --max-time 20 http://10.77.0.1/file -o $FILES/got\n\
         wait $pid\ncat request; cat log >&2"
    );
    let output = namespace(&script, &[("FILES", dir.0.to_str().unwrap())]);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    assert!(out.starts_with("GET /file HTTP/1.1\r\n"), "{out}");
    let got = std::fs::read(dir.0.join("got")).unwrap();
    assert_eq!(Sha256::digest(&got), Sha256::digest(&body));
    // curl closes once it has the length it was told: before our FIN, after it, or at once with it.
    assert!(err.contains("ending           graceful: ") && err.contains("undelivered      none"), "{err}");
    assert!(err.contains("sent             1,000,084 bytes") && response.len() == 1_000_084, "{err}");
}

#[test]
fn a_peer_that_resets_gives_exit_code_1_and_its_bytes_are_written() {
    if !tun_is_here() {
        return;
    }
    let reset = "import socket,struct,sys,time\n\
         s=socket.create_connection((\"10.77.0.1\",7)); s.sendall(b\"before\"); time.sleep(0.2)\n\
         s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack(\"ii\",1,0)); s.close()";
    let script = format!(
        "mkfifo silence; exec 3<> silence; \"$ADIEU\" listen 10.77.0.1:7 <&3 > got 2> log & pid=$!\n{READY}\n\
         python3 -c '{reset}'\nset +e; wait $pid; code=$?; cat got; cat log >&2; exit $code"
    );
    let output = namespace(&script, &[]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(1), "before"), "{err}");
    assert!(err.contains("reset-by-peer"), "{err}");
}

#[test]
fn half_close_by_the_kernel_then_our_answer() {
    if !tun_is_here() {
        return;
    }
    // The kernel's side ends its direction first; what we say after that still arrives.
    let client = "import socket\n\
         s=socket.create_connection((\"10.77.0.1\",7)); s.sendall(b\"question\"); s.shutdown(socket.SHUT_WR)\n\
         print(s.makefile().read())";
    let script = format!(
        "mkfifo answer\n\"$ADIEU\" listen 10.77.0.1:7 < answer > got 2> log & pid=$!\nexec 3> answer\n{READY}\n\
         python3 -c '{client}' > reply 3>&- & peer=$!\n\
         for i in $(seq 200); do grep -q question got && break; sleep 0.02; done\n\
         echo answer >&3; exec 3>&-\nwait $peer; wait $pid; cat got reply; cat log >&2"
    );
    let output = namespace(&script, &[]);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out, "questionanswer\n\n");
    assert!(err.contains("graceful-peer-first"), "{err}");
}

/// One clear sentence on standard error, exit code 2.
fn refused(output: &std::process::Output, words: &[&str]) {
    let (out, err) = texts(output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{err}");
    for word in words {
        assert!(err.contains(word), "{word:?} in: {err}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn bad_addresses_and_names_say_what_to_give_instead() {
    refused(&adieu(&["listen", "nowhere"]), &["10.77.0.1:80"]);
    refused(&adieu(&["listen", "10.77.0.1"]), &["10.77.0.1:80"]);
    refused(&adieu(&["listen", "10.77.0.1:0"]), &["1 to 65535"]);
    refused(&adieu(&["listen", "[::1]:80"]), &["loopback"]);
    refused(&adieu(&["listen", "10.77.0.3:80"]), &["10.77.0.1", "10.77.0.2"]);
    refused(&adieu(&["listen", "127.0.0.1:80"]), &["loopback"]);
    refused(&adieu(&["listen", "10.77.0.1:80", "--tun", "a-name-that-is-too-long"]), &["15"]);
}

#[test]
fn a_name_or_an_address_in_use_is_named() {
    if !tun_is_here() {
        return;
    }
    let taken = "ip tuntap add dev adieu9 mode tun; \"$ADIEU\" listen 10.77.0.1:80 --tun adieu9 < /dev/null";
    refused(&namespace(taken, &[]), &["adieu9"]);
    let overlapping = "ip tuntap add dev other mode tun; ip addr add 10.77.0.2/30 dev other; ip link set other up\n\
        \"$ADIEU\" listen 10.77.0.1:80 < /dev/null";
    refused(&namespace(overlapping, &[]), &["10.77.0", "other"]);
}

#[test]
fn without_a_tun_driver_or_permission_it_says_what_to_do() {
    if !tun_is_here() {
        return;
    }
    let missing = "mount -t tmpfs none /dev/net; \"$ADIEU\" listen 10.77.0.1:80 < /dev/null";
    refused(&namespace(missing, &[]), &["/dev/net/tun", "modprobe tun"]);
    let nobody = "cp \"$ADIEU\" ./adieu; chmod 755 . adieu; cd /\n\
        exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$DIR/adieu\" listen 10.77.0.1:80 < /dev/null";
    refused(&namespace(nobody, &[]), &["root"]);
    let uncapable = "cp \"$ADIEU\" ./adieu; chmod 755 . adieu; cp -a /dev/net/tun tun; chmod 666 tun\n\
        mount --bind tun /dev/net/tun; cd /\n\
        exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$DIR/adieu\" listen 10.77.0.1:80 < /dev/null";
    refused(&namespace(uncapable, &[]), &["cap_net_admin"]);
}

#[test]
fn curl_fetches_over_ipv6_too() {
    if !tun_is_here() {
        return;
    }
    let script = format!(
        "printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nadieu\\n' \
         | \"$ADIEU\" listen '[fd77::1]:80' --tun adieu0 > request 2> log & pid=$!\n{READY}\n\
         curl -sS --noproxy '*' --max-time 20 'http://[fd77::1]/file'\nwait $pid\ncat log >&2"
    );
    let output = namespace(&script, &[]);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out, "adieu\n");
    assert!(err.contains("[fd77::1]:80 <-> [fd77::2]:") && err.contains("ending           graceful: "), "{err}");
}
