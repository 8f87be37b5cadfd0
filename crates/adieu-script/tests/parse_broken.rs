//! How an error looks to whoever wrote the script.

use adieu_script::{Defines, parse};
use miette::{NamedSource, NarratableReportHandler, Report};

/// A valid script around what is broken, so that lines and columns mean something.
fn shown(broken: &str) -> String {
    let text = format!("--tolerance_usecs=4000\n\n// A server.\n0 socket(..., SOCK_STREAM, 0) = 3\n{broken}");
    let error = parse(&text, &Defines::new()).expect_err("a broken script");
    let report = Report::new(error).with_source_code(NamedSource::new("broken.pkt", text));
    let mut shown = String::new();
    NarratableReportHandler::new().render_report(&mut shown, report.as_ref()).expect("a rendering");
    shown
}

#[test]
fn broken_scripts() {
    let scripts = [
        ("time", "+x close(3) = 0\n"),
        ("time_backwards", "0.2~0.1 > . 1:1(0) ack 1\n"),
        ("no_event", "+0.1 = 3\n"),
        ("no_time_no_event", "; close(3)\n"),
        ("two_events", "+0 close(3) = 0 +0 < R 1:1(0)\n"),
        ("late_option", "--ip_version=ipv6\n"),
        ("open_call", "+0 bind(3, ...\n+0 listen(3, 1) = 0\n"),
        ("open_list", "+0 poll([{fd=3}, 1, 0) = 1\n"),
        ("open_text", "+0 write(3, \"hello, 5) = 5\n"),
        ("escape", "+0 write(3, \"a\\q\", 2) = 2\n"),
        ("octal", "+0 open(\"x\", 0644) = 4\n"),
        ("result", "+0 close(3) = \"0\"\n"),
        ("flags", "+0 < SYN 0:0(0) win 1000\n"),
        ("length", "+0 < P. 1:1001(999) ack 1 win 257\n"),
        ("short_packet", "+0 < S 0:0\n+0 close(3) = 0\n"),
        ("unknown_field", "+0 < . 1:1(0) ack 1 window 257\n"),
        ("option", "+0 < S 0:0(0) win 1000 <mss 1460, TS 1 2>\n"),
        ("address", "+0 < here > there: S 0:0(0) win 1000\n"),
        ("ecn", "+0 < [ecn] S 0:0(0) win 1000\n"),
        ("blocking_packet", "+0...0.2 < S 0:0(0) win 1000\n"),
        ("open_comment", "/* the end\n+0 close(3) = 0\n"),
        ("open_code", "+0 %{ assert tcpi_x == 1 }\n"),
        ("open_condition", "#ifdef IPV6\n+0 close(3) = 0\n#else\n"),
        ("else_without_condition", "#else\n"),
        ("second_else", "#ifdef A\n#else\n#else\n#endif"),
        ("unknown_directive", "#if IPV6\n#endif\n"),
        ("at_the_end", "+0 close(3) ="),
    ];
    for (name, broken) in scripts {
        insta::assert_snapshot!(name, shown(broken));
    }
}
