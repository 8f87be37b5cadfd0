//! Long and hard ways with the Linux kernel's TCP: much data, losses, pings.

use std::process::Command;

use crate::common::tun_is_here;
use crate::peers::{good, says, script};

/// 100 MB each way at the same time; the kernel's side listens or connects.
const BOTH_WAYS: &str = r#"cat > peer.py <<'PY'
import hashlib, os, socket, sys, threading
size = int(os.environ["SIZE"])
if sys.argv[1] == "listen":
    c, _ = socket.create_server(("", 7)).accept()
else:
    c = socket.create_connection(("10.77.0.1", 7))
def send():
    with open("theirs", "rb") as file: c.sendfile(file)
    c.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send); sender.start()
digest = hashlib.sha256()
while data := c.recv(1 << 20): digest.update(data)
sender.join(); c.close()
print(digest.hexdigest())
PY
head -c $SIZE /dev/urandom > ours; head -c $SIZE /dev/urandom > theirs
sums() { for file in theirs got ours; do sha256sum < $file | cut -c -64; done; cat peer; }
"#;

/// `sums` printed twice the same, twice.
fn equal_sums(out: &str, err: &str) {
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 4 && lines[0].len() == 64, "{out}{err}");
    assert_eq!((lines[0], lines[2]), (lines[1], lines[3]), "{err}");
}

#[test]
fn a_hundred_megabytes_each_way_as_server() {
    if !tun_is_here() {
        return;
    }
    let output = script(&format!(
        r#"export SIZE=100000000; {BOTH_WAYS}
        "$ADIEU" listen 10.77.0.1:7 < ours > got 2> log & pid=$!
        until_log listening; python3 peer.py connect > peer; wait $pid; sums"#
    ));
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &["graceful", "acknowledged     100,000,000 bytes", "received         100,000,000 bytes"]);
}

#[test]
fn a_hundred_megabytes_each_way_as_client() {
    if !tun_is_here() {
        return;
    }
    let output = script(&format!(
        r#"export SIZE=100000000; {BOTH_WAYS}
        "$ADIEU" connect 10.77.0.2:7 --exec 'exec python3 peer.py listen > peer' < ours > got 2> log; sums"#
    ));
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &["graceful", "acknowledged     100,000,000 bytes", "received         100,000,000 bytes"]);
}

/// The peer is behind a router that loses every twentieth packet: our TUN is in the router's namespace, the peer in one
/// of its own. The interface between them hands over single segments, so that single segments are lost.
#[test]
fn a_megabyte_each_way_through_a_router_that_loses_five_percent() {
    if !tun_is_here() {
        return;
    }
    if Command::new("nft").arg("--version").output().is_err() {
        assert!(std::env::var_os("ADIEU_REQUIRE_TUN").is_none(), "nft (nftables) is required here");
        return eprintln!("skipped: no nft");
    }
    let output = script(&format!(
        r#"export SIZE=1000000; {BOTH_WAYS}
        unshare --net sleep 60 & other=$!
        trap 'cat log >&2; kill $other' EXIT
        until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
        ip link add here type veth peer name there
        ip link set there netns $other
        ip addr add 10.78.0.1/30 dev here; ip link set here gso_max_segs 1 up
        inside() {{ nsenter --net=/proc/$other/ns/net "$@"; }}
        inside ip addr add 10.78.0.2/30 dev there; inside ip link set there gso_max_segs 1 up
        inside ip route add default via 10.78.0.1
        echo 1 > /proc/sys/net/ipv4/ip_forward
        nft add table ip lossy
        nft add chain ip lossy way '{{ type filter hook forward priority 0; }}'
        nft add rule ip lossy way numgen random mod 100 '<' 5 counter drop
        inside python3 peer.py listen > peer & peer=$!
        until inside python3 -c 'import sys; sys.exit(":0007 " not in open("/proc/self/net/tcp").read())'; do
            sleep 0.05
        done
        "$ADIEU" connect 10.78.0.2:7 < ours > got 2> log
        wait $peer; sums; nft list chain ip lossy way >&2"#
    ));
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &["hint: 10.78.0.2 is beyond this host", "graceful", "acknowledged     1,000,000 bytes"]);
    assert!(!err.contains("retransmissions  none") && !err.contains("counter packets 0 "), "{err}");
}

#[test]
fn ping_is_answered() {
    if !tun_is_here() {
        return;
    }
    let output = script(
        r#"cat > ping.py <<'PY'
import socket, struct
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(10)
for number, size in enumerate([0, 56, 1400]):
    body = bytes(n & 255 for n in range(size))
    checksum = sum16(struct.pack("!BBHHH", 8, 0, 0, 77, number) + body)
    s.sendto(struct.pack("!BBHHH", 8, 0, checksum, 77, number) + body, ("10.77.0.1", 0))
    packet, (sender, _) = s.recvfrom(65535)
    reply = packet[(packet[0] & 15) * 4:]
    assert sender == "10.77.0.1" and reply[:2] == b"\0\0" and sum16(reply) == 0, reply
    assert reply[4:] == struct.pack("!HH", 77, number) + body, reply
    print(size)
PY
        "$ADIEU" listen 10.77.0.1:7 < /dev/null 2> log & pid=$!
        until_log listening; python3 ping.py; kill -TERM $pid; wait $pid || true"#,
    );
    assert_eq!(good(&output).0, "0\n56\n1400\n");
}
