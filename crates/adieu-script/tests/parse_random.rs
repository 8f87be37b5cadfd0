//! Whatever the text is, parsing ends, soon, and without a panic.

use adieu_script::ast::{Script, Span};
use adieu_script::{Defines, ScriptError, parse};
use proptest::prelude::*;

const VALID: &str = r#"// timers: none
--tolerance_usecs=4000 --ip_version=ipv4
`sysctl -q net.ipv4.tcp_sack=1`
0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
#ifdef NUMBER
+.1 < [ect0] S NUMBER:1(1) win 0x100 <mss 1460,sackOK,nop,nop,wscale 7>
#else
+.1 < 192.0.2.1:5000 > 192.0.2.2:80: S 0:0(0) win 32792 <mss 1460, TS val 1 ecr 0,
    FO 0123abcd> // over lines
#endif
0.100~0.200 > S. 0:0(0) ack 1 <...>
+0...0.3 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{"a\n\x41", htons(80)}], msg_flags=0}, 0) = -1 EPIPE (Broken pipe)
* < icmp unreachable frag_needed mtu 1400 [1:1001(1000)]
%{ assert tcpi_unacked == 0, tcpi_unacked }%
+0 > P. 1:1001(1000) ack 1 urg 1 <sack 1:2 3:4, FOEXP, md5 x> /* é */
+0 < udp (10)
+0 < ipv4 1.1.1.1 > 2.2.2.2: gre: R 1:1(0)
"#;

const PIECES: &[&str] = &[
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "<",
    ">",
    "/*",
    "*/",
    "//",
    "#",
    "\n",
    "`",
    "%{",
    "}%",
    "\"",
    "\\",
    "+",
    "*",
    "...",
    "~",
    "|",
    "=",
    ",",
    ":",
    "-",
    "--",
    ".",
    " ",
    "0",
    "1",
    "0x",
    "99999999999",
    "#ifdef NUMBER\n",
    "#ifndef X\n",
    "#else\n",
    "#endif\n",
    "f(",
    "S",
    "ack",
    "mss",
    "sack",
    "TS val",
    "icmp",
    "udp",
    "ipv4",
    "é",
    "\u{0}",
    "\u{feff}",
    "\r",
    "NUMBER",
];

fn defines() -> Defines {
    let mut defines = Defines::new();
    defines.add("NUMBER=0").expect("a define");
    defines
}

/// Parses, and looks at every place that comes back.
fn look(text: &str) -> Result<Script, ScriptError> {
    let whole = |span: Span| {
        assert!(text.get(span.start..span.end).is_some(), "{span:?} is no place in the text");
    };
    let result = parse(text, &defines());
    match &result {
        Ok(script) => script.events.iter().for_each(|event| whole(event.span)),
        Err(error) => {
            whole(error.span);
            error.begins.into_iter().for_each(whole);
            assert!(!error.message.is_empty() && error.message.len() < 300, "{}", error.message);
        }
    }
    result
}

#[test]
fn the_script_to_mutate_is_valid() {
    assert_eq!(look(VALID).expect("a valid script").events.len(), 11);
    assert!(parse(VALID, &Defines::new()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = look(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)) {
        let _ = look(&pieces.concat());
        let _ = look(&format!("0 f({}", pieces.concat()));
        let _ = look(&format!("0 < S 0:0(0) {}", pieces.join(" ")));
    }

    #[test]
    fn any_mutation(edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize,
                                                        proptest::sample::select(PIECES)), 1..6)) {
        let mut text: Vec<char> = VALID.chars().collect();
        for (place, length, piece) in edits {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let _ = look(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_beginning(place in any::<prop::sample::Index>()) {
        let end = place.index(VALID.len());
        let _ = look(&String::from_utf8_lossy(&VALID.as_bytes()[..end]));
    }
}

/// If any of these took time that is not linear, this test would not end.
#[test]
fn a_megabyte_of_anything() {
    for before in
        ["", "0 f(", "0 f(\"", "0 < S 0:0(0) <", "0 < ", "0...", "0 f() = 0 (", "--a=", "#ifdef X\n", "0 < ipv4 "]
    {
        for piece in PIECES {
            let bytes = if before.is_empty() { 1 << 20 } else { 1 << 17 };
            let text = format!("{before}{}", piece.repeat(bytes / piece.len()));
            let _ = look(&text);
        }
    }
}

#[test]
fn a_megabyte_that_is_valid() {
    let long = |open: &str, piece: &str, close: &str| {
        let text = format!("{open}{}{close}", piece.repeat((1 << 20) / piece.len()));
        look(&text).unwrap_or_else(|error| panic!("{open}{piece}..: {error} {:?}", error.span));
    };
    // Without the head, which may stand only once.
    let events = VALID.find("0 socket").map_or("", |place| &VALID[place..]);
    long("", events, "");
    long("f(0", ",0", ")");
    long("f([0", "], [0", "])");
    long("f(0", "|A", ")");
    long("f(\"", "\\x41", "\")");
    long("f({0", ",NUMBER", "})");
    long("< S <nop", ",\nnop", ">");
    long("< S <sack", " 1:2", ">");
    long("%{", "`", "}%");
    long("", "#ifdef X\n`\n`\n#else\n#endif\n", "");
    long("", "f()\n", "");
    long("", "/* x */", "");
}
