//! Long and hard ways with the Linux kernel's TCP: much data, losses, pings.

use crate::family::{Family, with_brackets};
use crate::harness::register;
use crate::peers::{good, says, script};

register! {
    a_hundred_megabytes_each_way_as_server(Family) needs Tun;
    a_hundred_megabytes_each_way_as_client(Family) needs Tun;
    a_megabyte_each_way_through_a_router_that_loses_five_percent(Family) needs Tun, Nft;
    ping_is_answered(Family) needs Tun;
}

/// 100 MB each way at the same time; the kernel's side listens or connects.
const BOTH_WAYS: &str = r#"cat > both.py <<'PY'
import hashlib, socket, sys, threading
from peer import accept, connect
c = accept("") if sys.argv[1] == "listen" else connect()
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

fn a_hundred_megabytes_each_way_as_server(family: Family) {
    let output = script(
        family,
        &format!(
            r#"export SIZE=100000000; {BOTH_WAYS}
        "$ADIEU" listen $STACK:7 < ours > got 2> log & pid=$!
        until_log listening; python3 both.py connect > peer; wait $pid; sums"#
        ),
    );
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &["graceful", "acknowledged     100,000,000 bytes", "received         100,000,000 bytes"]);
}

fn a_hundred_megabytes_each_way_as_client(family: Family) {
    let output = script(
        family,
        &format!(
            r#"export SIZE=100000000; {BOTH_WAYS}
        "$ADIEU" connect $KERNEL:7 --exec 'exec python3 both.py listen > peer' < ours > got 2> log; sums"#
        ),
    );
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &["graceful", "acknowledged     100,000,000 bytes", "received         100,000,000 bytes"]);
}

/// The peer is behind a router that loses every twentieth packet: our TUN is in the router's namespace, the peer in one
/// of its own. The interface between them hands over single segments, so that single segments are lost.
fn a_megabyte_each_way_through_a_router_that_loses_five_percent(family: Family) {
    let (router, peer, prefix) = family.pick(("10.78.0.1", "10.78.0.2", 30), ("fd78::1", "fd78::2", 126));
    let forwarding = family.pick("ipv4/ip_forward", "ipv6/conf/all/forwarding");
    let output = script(
        family,
        &format!(
            r#"export SIZE=1000000; {BOTH_WAYS}
            unshare --net sleep 60 & other=$!
            trap 'cat log >&2; kill $other' EXIT
            until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
            ip link add here type veth peer name there
            ip link set there netns $other
            ip addr add {router}/{prefix} dev here $NODAD; ip link set here gso_max_segs 1 up
            inside() {{ nsenter --net=/proc/$other/ns/net "$@"; }}
            inside ip addr add {peer}/{prefix} dev there $NODAD; inside ip link set there gso_max_segs 1 up
            inside ip route add default via {router}
            echo 1 > /proc/sys/net/{forwarding}
            nft add table $IP lossy
            nft add chain $IP lossy way '{{ type filter hook forward priority 0; }}'
            nft add rule $IP lossy way numgen random mod 100 '<' 5 counter drop
            inside python3 both.py listen > peer & peer=$!
            until inside grep -q ':0007 ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
            "$ADIEU" connect {}:7 < ours > got 2> log
            wait $peer; sums; nft list chain $IP lossy way >&2"#,
            with_brackets(peer)
        ),
    );
    let (out, err) = good(&output);
    equal_sums(&out, &err);
    says(&err, &[&format!("hint: {peer} is beyond this host"), "graceful", "acknowledged     1,000,000 bytes"]);
    assert!(!err.contains("retransmissions  none") && !err.contains("counter packets 0 "), "{err}");
}

/// Of an ICMPv6 message the kernel makes the checksum itself, and gives it without the header before it.
fn ping_is_answered(family: Family) {
    let output = script(
        family,
        r#"cat > ping.py <<'PY'
import socket, struct
from peer import FAMILY, KERNEL, STACK
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
if FAMILY == socket.AF_INET:
    protocol, request, answer = socket.IPPROTO_ICMP, 8, 0
else:
    protocol, request, answer = socket.IPPROTO_ICMPV6, 128, 129
s = socket.socket(FAMILY, socket.SOCK_RAW, protocol); s.settimeout(10)
def receive():
    while True:
        packet, (sender, *_) = s.recvfrom(65535)
        if FAMILY == socket.AF_INET:
            return packet[(packet[0] & 15) * 4:], b"", sender
        addresses = [socket.inet_pton(FAMILY, address) for address in (sender, KERNEL)]
        # What neighbours and routers say arrives here too.
        if packet[0] == answer:
            return packet, b"".join(addresses) + struct.pack("!II", len(packet), protocol), sender
for number, size in enumerate([0, 56, 1400]):
    body = bytes(n & 255 for n in range(size))
    checksum = sum16(struct.pack("!BBHHH", request, 0, 0, 77, number) + body)
    s.sendto(struct.pack("!BBHHH", request, 0, checksum, 77, number) + body, (STACK, 0))
    reply, pseudo_header, sender = receive()
    assert sender == STACK and reply[:2] == bytes([answer, 0]) and sum16(pseudo_header + reply) == 0, reply
    assert reply[4:] == struct.pack("!HH", 77, number) + body, reply
    print(size)
PY
        "$ADIEU" listen $STACK:7 < /dev/null 2> log & pid=$!
        until_log listening; python3 ping.py; kill -TERM $pid; wait $pid || true"#,
    );
    assert_eq!(good(&output).0, "0\n56\n1400\n");
}
