//! The tour's captures as Wireshark judges them.

use std::path::Path;
use std::process::Command;

use crate::common::{TempDir, adieu, texts};
use crate::family::Family;
use crate::harness::register;
use crate::peers::{good, script};

register! {
    the_tours_capture_is_sound(Family) needs Tshark;
    the_capture_of_the_tour_with_linux_is_sound(Family) needs Tun, Tshark;
}

/// A frame as tshark prints it.
struct Frame {
    interface: String,
    /// Since the frame before, in seconds.
    since: String,
    comments: String,
}

/// What is asked of each frame. Without IPv4's checksum the column is empty.
const FIELDS: [&str; 6] = [
    "frame.interface_name",
    "frame.time_delta",
    "ip.checksum.status",
    "tcp.checksum.status",
    "_ws.malformed",
    "frame.comment",
];

/// Every frame of a capture: whole, its checksums good, none before the one that it follows.
fn frames(capture: &Path, family: Family) -> Vec<Frame> {
    let mut tshark = Command::new("tshark");
    // The words on port 80 are none of HTTP's, whose dissector would put them together and find them malformed.
    tshark.args(["--disable-protocol", "http", "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "aggregator=;", "-r"]).arg(capture);
    tshark.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let (out, _) = good(&tshark.output().expect("tshark starts"));
    let frame = |line: &str| {
        let columns: [&str; 6] = line.split('\t').collect::<Vec<_>>().try_into().expect("as many as were asked for");
        let [interface, since, ip, tcp, malformed, comments] = columns.map(str::to_owned);
        assert_eq!((ip.as_str(), tcp.as_str()), (family.pick("1", ""), "1"), "a checksum: {line}");
        assert_eq!(malformed, "", "{line}");
        assert!(since.parse::<f64>().expect(line) >= 0.0, "before the frame that it follows: {line}");
        Frame { interface, since, comments }
    };
    out.lines().map(frame).collect()
}

/// The frames of a scenario.
fn of<'a>(frames: &'a [Frame], scenario: &'a str) -> impl Iterator<Item = &'a Frame> {
    frames.iter().filter(move |frame| frame.interface == scenario)
}

/// Every scenario that was played has its frames, one after another, and what they are about is said.
fn every_scenario_is_there(frames: &[Frame], list: &[&str]) {
    let (played, err) = texts(&adieu(&[&["tour", "--list"], list].concat()));
    let played: Vec<&str> = played.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut seen: Vec<&str> = frames.iter().map(|frame| frame.interface.as_str()).collect();
    seen.dedup();
    assert_eq!(seen, played, "{err}");
    for name in played {
        assert!(of(frames, name).any(|frame| frame.comments.contains(" -> ")), "no change of state in {name}");
    }
}

fn the_tours_capture_is_sound(family: Family) {
    let dir = TempDir::new();
    let capture = dir.0.join("capture");
    let option = family.pick(None, Some("--ipv6"));
    let options: Vec<&str> = ["tour", "--pcap", capture.to_str().unwrap()].into_iter().chain(option).collect();
    good(&adieu(&options));
    let frames = frames(&capture, family);
    every_scenario_is_there(&frames, &[]);
    let wanted = [
        "client: CLOSED -> SYN-SENT;server: LISTEN -> SYN-RECEIVED (on arrival, 10 ms later)",
        "client: SYN-SENT -> ESTABLISHED (on arrival, 10 ms later)",
        "server: SYN-RECEIVED -> ESTABLISHED (on arrival, 10 ms later)",
        "",
        "",
        "client: ESTABLISHED -> FIN-WAIT-1;server: ESTABLISHED -> CLOSE-WAIT (on arrival, 10 ms later)",
        "client: FIN-WAIT-1 -> FIN-WAIT-2 (on arrival, 10 ms later)",
        "",
        "",
        "server: CLOSE-WAIT -> LAST-ACK;client: FIN-WAIT-2 -> TIME-WAIT (on arrival, 10 ms later)",
        "server: LAST-ACK -> CLOSED (on arrival, 10 ms later)",
    ];
    assert_eq!(of(&frames, "four-way").map(|frame| frame.comments.as_str()).collect::<Vec<_>>(), wanted);
    assert!(
        of(&frames, "four-way").skip(1).all(|frame| frame.since == "0.010000000"),
        "time stamps are in nanoseconds"
    );
    assert_eq!(of(&frames, "lost-fin").filter(|frame| frame.comments.ends_with("lost on the wire")).count(), 1);
}

fn the_capture_of_the_tour_with_linux_is_sound(family: Family) {
    let dir = TempDir::new();
    let tours = format!(
        r#"for role in client server; do
            timeout 120 "$ADIEU" tour --peer linux --as $role {} --pcap {}/$role > $role.page &
        done
        for role in client server; do wait -n || {{ cat *.page >&2; exit 1; }}; done"#,
        family.pick("", "--ipv6"),
        dir.0.display()
    );
    good(&script(family, &tours));
    for role in ["client", "server"] {
        let frames = frames(&dir.0.join(role), family);
        every_scenario_is_there(&frames, &["--peer", "linux", "--as", role]);
        for end in ["adieu, ", "Linux "] {
            assert!(frames.iter().any(|frame| frame.comments.starts_with(end)), "nothing is said of {end}");
        }
    }
}
