//! What the language has, a table for each construct.

use core::time::Duration;

use adieu_script::ast::{
    Addresses, Body, Call, Ecn, Event, Flags, Header, Icmp, Options, Outcome, Packet, Range, Script, Segment, Setting,
    Span, Spanned, TcpOption, Time, Value, What,
};
use adieu_script::{Defines, ScriptError, parse};

fn defines() -> Defines {
    let mut defines = Defines::new();
    for argument in ["IPV6", "PORT=8080", "KIND=SOCK_DGRAM", "TEXT=\"a b\"", "BOTH=O_RDWR|4", "HEX=0xff", "COOKIE=0a1b"]
    {
        defines.add(argument).expect("a define");
    }
    defines
}

fn script(text: &str) -> Script {
    parse(text, &defines()).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.span))
}

fn error(text: &str) -> ScriptError {
    parse(text, &defines()).expect_err(text)
}

fn event(text: &str) -> Event {
    let mut events = script(text).events;
    assert_eq!(events.len(), 1, "{text}");
    events.remove(0)
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start..span.end]
}

fn call(text: &str) -> Call {
    match event(text).what {
        What::Call(call) => call,
        other => panic!("{text}: {other:?}"),
    }
}

fn packet(text: &str) -> Packet {
    match event(text).what {
        What::Inject(packet) | What::Expect(packet) => packet,
        other => panic!("{text}: {other:?}"),
    }
}

fn segment(text: &str) -> Segment {
    match packet(text).body {
        Body::Tcp(segment) => segment,
        other => panic!("{text}: {other:?}"),
    }
}

/// The only argument of a call.
fn value(text: &str) -> Value {
    let mut arguments = call(&format!("f({text})")).arguments;
    assert_eq!(arguments.len(), 1, "{text}");
    arguments.remove(0).value
}

fn symbol(name: &str) -> Value {
    Value::Symbol(name.to_owned())
}

/// Without the places, for a table.
fn plain(value: &Value) -> String {
    let all = |values: &[Spanned<Value>]| values.iter().map(|value| plain(&value.value)).collect::<Vec<_>>().join(",");
    match value {
        Value::Ellipsis => "...".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Symbol(name) => name.clone(),
        Value::Flags(flags) => flags.iter().map(plain).collect::<Vec<_>>().join("|"),
        Value::Text(text) => format!("{text:?}"),
        Value::List(values) => format!("[{}]", all(values)),
        Value::Struct(fields) => {
            let field = |(name, value): &(Option<String>, Spanned<Value>)| match name {
                Some(name) => format!("{name}={}", plain(&value.value)),
                None => plain(&value.value),
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Function(name, arguments) => format!("{name}({})", all(arguments)),
    }
}

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

#[test]
fn times() {
    let table = [
        ("0 f()", Time::At(nanos(0))),
        ("0.1 f()", Time::At(nanos(100_000_000))),
        (".1 f()", Time::At(nanos(100_000_000))),
        ("12.000000001 f()", Time::At(nanos(12_000_000_001))),
        ("0.30000000000000 f()", Time::At(nanos(300_000_000))),
        ("0001.5 f()", Time::At(nanos(1_500_000_000))),
        ("1000000000 f()", Time::At(Duration::from_secs(1_000_000_000))),
        ("1000000000.1 f()", Time::At(Duration::new(1_000_000_000, 100_000_000))),
        ("+0 f()", Time::After(nanos(0))),
        ("+0.1 f()", Time::After(nanos(100_000_000))),
        ("+.1 f()", Time::After(nanos(100_000_000))),
        ("+ 2 f()", Time::After(Duration::from_secs(2))),
        ("* f()", Time::Any),
        ("0.1~0.2 f()", Time::Between(nanos(100_000_000), nanos(200_000_000))),
        ("+0.1~+0.2 f()", Time::AfterBetween(nanos(100_000_000), nanos(200_000_000))),
        ("+.1 ~ +.2 f()", Time::AfterBetween(nanos(100_000_000), nanos(200_000_000))),
        ("f()", Time::After(nanos(0))),
    ];
    for (text, time) in table {
        let event = event(text);
        assert_eq!((event.time, event.ends), (time, None), "{text}");
    }
}

#[test]
fn times_that_are_none() {
    let table = [
        ("-1 f()", "-"),
        ("1. f()", "."),
        ("1.2.3 f()", "."),
        ("1e9 f()", "e9"),
        ("0f()", "f"),
        ("1000000001 f()", "1000000001"),
        ("99999999999999999999999999 f()", "99999999999999999999999999"),
        ("0.0000000001 f()", "0.0000000001"),
        ("0.2~0.1 f()", "0.2~0.1"),
        ("+0.2~0.1 f()", "+0.2~0.1"),
        ("0.2...0.1 f()", "0.2...0.1"),
        ("0.1... f()", "f"),
        ("+ f()", "f"),
        ("*0 f()", "0"),
        ("*...1 f()", "..."),
        ("0.1~0.2...0.3 f()", "..."),
        ("0...1 < S 0:0(0)", "1"),
        ("0...1 `ls`", "1"),
    ];
    for (text, place) in table {
        assert_eq!(slice(text, error(text).span), place, "{text}: {}", error(text));
    }
}

#[test]
fn calls_that_block() {
    let (one, two) = (nanos(100_000_000), nanos(200_000_000));
    let table = [
        ("0.1...0.2 read(4) = 0", Time::At(one), Time::At(two)),
        ("+0...+0.2 read(4) = 0", Time::After(nanos(0)), Time::After(two)),
        ("+0...0.2 read(4) = 0", Time::After(nanos(0)), Time::At(two)),
        ("0.2...+.1 read(4) = 0", Time::At(two), Time::After(one)),
        (".1....2 read(4) = 0", Time::At(one), Time::At(two)),
        ("0.1 ... 0.2 read(4) = 0", Time::At(one), Time::At(two)),
    ];
    for (text, time, ends) in table {
        let event = event(text);
        assert_eq!((event.time, event.ends), (time, Some(ends)), "{text}");
        assert_eq!(slice(text, event.span), text);
    }
}

#[test]
fn options_of_the_script() {
    let text = "// first\n--tolerance_usecs=4000 --ip-version=ipv4\n\n# second\n--wire_client\n\
                --a=\"b // c\" // third\n--port=PORT --no=PORTS\n0 f()\n";
    let script = script(text);
    let options: Vec<_> = script.options.iter().map(|o| (o.value.name.as_str(), o.value.value.as_deref())).collect();
    assert_eq!(
        options,
        [
            ("tolerance_usecs", Some("4000")),
            ("ip-version", Some("ipv4")),
            ("wire_client", None),
            ("a", Some("b // c")),
            ("port", Some("8080")),
            ("no", Some("PORTS")),
        ]
    );
    assert_eq!(slice(text, script.options[1].span), "--ip-version=ipv4");
    assert_eq!(script.options[2].value, Setting { name: "wire_client".to_owned(), value: None });
    for (text, place) in [
        ("0 f()\n--late", "--late"),
        ("-- x", "--"),
        ("--a=", "="),
        ("--a:b", ":"),
        ("--a=1 0 f()", "0"),
        ("--a=\"b", "\""),
        ("`init`\n--late=1 --x", "--late=1"),
    ] {
        assert_eq!(slice(text, error(text).span), place, "{text}");
    }
}

#[test]
fn comments() {
    let text = "#!/usr/bin/env adieu-script\n  # shell #endif\n// C++ `\n/* C\n * over */ 0 f() /* in */ = /* it */ 1\
                // end\n#\n# a blank line, and `\n\n0 < /* here */ S 0:0(0) // <mss 1>\n\
                \t0 g(1, // one\n# two\n 2, /* three */ 3)\n= 7";
    let script = script(text);
    let events: Vec<_> = script.events.iter().map(|event| slice(text, event.span)).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], "0 f() /* in */ = /* it */ 1");
    assert_eq!(events[1], "0 < /* here */ S 0:0(0)");
    assert!(events[2].ends_with("= 7"));
    assert!(script.options.is_empty() && !script.timers_none);
    for empty in ["", "\n", " ", "// x", "/**/", "# x", "\u{feff}", "\r\n\r\n"] {
        assert_eq!(parse(empty, &Defines::new()), Ok(Script::default()), "{empty:?}");
    }
}

#[test]
fn timers_none() {
    for (text, none) in [
        ("// timers: none", true),
        ("0 f()\n0 g() //timers: none  \r\n0 h()", true),
        ("/// timers: none\n", true),
        ("// timers: nonesuch", false),
        ("# timers: none", false),
        ("/* timers: none */", false),
        ("0 f(\"// timers: none\")", false),
        ("#ifdef NO\n// timers: none\n#endif", false),
        ("#ifndef NO\n// timers: none\n#endif", true),
    ] {
        assert_eq!(script(text).timers_none, none, "{text}");
    }
}

#[test]
fn conditions() {
    let names = |text: &str| -> String {
        let script = script(text);
        let name = |event: &Event| match &event.what {
            What::Call(call) => {
                assert_eq!(slice(text, call.name.span), call.name.value);
                call.name.value.clone()
            }
            other => panic!("{other:?}"),
        };
        script.events.iter().map(name).collect()
    };
    let table = [
        ("#ifdef IPV6\na()\n#else\nb()\n#endif\nc()", "ac"),
        ("#ifndef IPV6\na()\n#else\nb()\n#endif\nc()", "bc"),
        ("#ifdef PORT // with a value\na()\n#endif /* of\n it */\n", "a"),
        ("#ifdef NO\n#ifdef IPV6\na()\n#else\nb()\n#endif\n#else\nc()\n#endif", "c"),
        ("#ifdef IPV6\n#ifdef NO\na()\n#else\nb()\n#endif\n#else\nc()\n#endif", "b"),
        ("  #ifdef\tNO\r\na()\r\n#endif\r\nb()", "b"),
        ("#ifdef NO\n\"#endif\n`\n#endif\n`\n%{\n#else\n}%\n/*\n#else\n*/ // `\n# it's `\n#endif\na()", "a"),
        ("a(1,\n#ifdef IPV6\n 2\n#else\n 3\n#endif\n)", "a"),
        ("#ifdef NO\nnot a script at all <<< (((\n#endif", ""),
        ("#elsewhere\na()", "a"),
        ("#ifdef NO\n# else\na()\n#endif", ""),
    ];
    for (text, expected) in table {
        assert_eq!(names(text), expected, "{text}");
    }
    let text = "f(#ifdef IPV6\n)";
    assert_eq!(slice(text, error(text).span), "#");
    for (text, place) in [
        ("#ifdef A\n#ifdef B\n#endif", "#ifdef A"),
        ("#endif", "#endif"),
        ("a()\n #else\n", "#else"),
        ("#ifdef IPV6\n#else\n#else\n#endif", "#else"),
        ("#ifdef\n#endif", "#ifdef"),
        ("#ifdef 6\n#endif", "#ifdef"),
        ("#ifdef A B\n#endif", "B"),
        ("#ifdef A\n#endif A", "A"),
        ("#if 1\n#endif", "#if"),
        ("#define A 1", "#define"),
        ("# ifdef A\n", "# ifdef"),
    ] {
        assert_eq!(slice(text, error(text).span), place, "{text}");
    }
    let deep = |n: usize| format!("{}{}", "#ifdef A\n".repeat(n), "#endif\n".repeat(n));
    assert!(parse(&deep(32), &Defines::new()).is_ok());
    assert_eq!(error(&deep(33)).span, Span { start: 32 * 9, end: 32 * 9 + 6 });
}

#[test]
fn words_that_are_defined() {
    assert_eq!(value("PORT"), Value::Number(8080));
    assert_eq!(value("KIND"), symbol("SOCK_DGRAM"));
    assert_eq!(value("IPV6"), symbol("IPV6"));
    assert_eq!(value("PORTS"), symbol("PORTS"));
    assert_eq!(value("TEXT"), Value::Text("a b".to_owned()));
    assert_eq!(value("\"PORT\""), Value::Text("PORT".to_owned()));
    assert_eq!(plain(&value("BOTH|A")), "O_RDWR|4|A");
    assert_eq!(plain(&value("{PORT=PORT, x=htons(PORT)}")), "{PORT=8080,x=htons(8080)}");
    assert_eq!(call("PORT()").name.value, "PORT");
    assert_eq!(call("f() = PORT").result.expect("a result").value.value, Value::Number(8080));
    let segment = segment("< S PORT:8081(1) ack PORT win HEX <mss PORT, sack 1:PORT, FO COOKIE>");
    assert_eq!(segment.seq.expect("numbers").value, Range { start: 8080, end: 8081, length: 1 });
    assert_eq!(segment.ack.expect("a number").value, 8080);
    assert_eq!(segment.window.expect("a number").value, 255);
    let Some(Options::List(options)) = segment.options.map(|options| options.value) else { panic!("options") };
    assert_eq!(options[0].value, TcpOption::Mss(8080));
    assert_eq!(options[1].value, TcpOption::Sack(vec![(1, 8080)]));
    assert_eq!(options[2].value, TcpOption::FastOpen { cookie: "0a1b".to_owned(), experimental: false });
    for (argument, text, place) in [
        ("A=[1]", "f(A)", "A"),
        ("A=1 2", "f(A)", "A"),
        ("A=", "f(A)", "A"),
        ("A=\"x", "f(1, A)", "A"),
        ("A=\"x\"", "f(1|A)", "1|A"),
        ("A=\"x\"", "f(A|1)", "A"),
        ("A=B", "< S 0:0(0) win A", "A"),
        ("A=+1", "< S 0:0(0) win A", "A"),
        ("A", "< S 0:0(0) win A", "A"),
    ] {
        let mut defines = Defines::new();
        defines.add(argument).expect("a define");
        let error = parse(text, &defines).expect_err(text);
        assert_eq!(slice(text, error.span), place, "{argument} {text}: {error}");
    }
    for argument in ["", "=", "1=2", "A B", "A-B=1"] {
        assert!(Defines::new().add(argument).is_err(), "{argument}");
    }
}

#[test]
fn code_and_commands() {
    let text = "`one\ntwo # three`\n%{ import x }%\n0 %{\n#ifdef\nif a:\n  b()\n}%\n+.5 `ip route // add`";
    let script = script(text);
    let parts: Vec<_> = script
        .events
        .iter()
        .map(|event| match &event.what {
            What::Code(inner) | What::Shell(inner) => {
                assert_eq!(slice(text, inner.span), inner.value);
                inner.value.as_str()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, ["one\ntwo # three", " import x ", "\n#ifdef\nif a:\n  b()\n", "ip route // add"]);
    assert_eq!(script.events[0].time, Time::After(Duration::ZERO));
    assert_eq!(slice(text, script.events[3].span), "+.5 `ip route // add`");
    for (text, place) in [("`", "`"), ("0 %{ }", "%{"), ("0 % {", "%"), ("`a` `b`", "`"), ("%{}% }%", "}")] {
        assert_eq!(slice(text, error(text).span), place, "{text}");
    }
}

#[test]
fn calls() {
    let text = "0.1 accept ( 3, ..., ... ) = -1 EAGAIN (Resource temporarily (really) unavailable)";
    let call = call(text);
    assert_eq!(slice(text, call.name.span), "accept");
    assert_eq!(slice(text, call.span), &text[4..]);
    assert_eq!(slice(text, call.arguments[1].span), "...");
    let result = call.result.expect("a result");
    assert_eq!(slice(text, result.span), "-1 EAGAIN (Resource temporarily (really) unavailable)");
    let outcome = Outcome {
        value: Value::Number(-1),
        errno: Some("EAGAIN".to_owned()),
        note: Some("Resource temporarily (really) unavailable".to_owned()),
    };
    assert_eq!(result.value, outcome);
}

#[test]
fn results() {
    let table = [
        ("f() = 0", "0", None, None),
        ("f() = -1", "-1", None, None),
        ("f()=...", "...", None, None),
        ("f() = 0x802", "2050", None, None),
        ("f() = O_RDWR|O_NONBLOCK", "O_RDWR|O_NONBLOCK", None, None),
        ("f() = O_RDWR", "O_RDWR", None, None),
        ("f() = -1 EPIPE", "-1", Some("EPIPE"), None),
        ("f() = -1 E2BIG", "-1", Some("E2BIG"), None),
        ("f() = 0x2 (flags O_RDWR)", "2", None, Some("flags O_RDWR")),
        ("f() = 0 (Timeout)", "0", None, Some("Timeout")),
        ("f()\n = 3 // behind\n", "3", None, None),
    ];
    for (text, value, errno, note) in table {
        let outcome = call(text).result.expect(text).value;
        assert_eq!(
            (plain(&outcome.value).as_str(), outcome.errno.as_deref(), outcome.note.as_deref()),
            (value, errno, note),
            "{text}"
        );
    }
    assert_eq!(call("f()").result, None);
    for (text, place) in [
        ("f() =", ""),
        ("f() = \"a\"", "\"a\""),
        ("f() = [1]", "[1]"),
        ("f() = g(1)", "g(1)"),
        ("f() = -1 EAGAIN (open\n)", "("),
        ("f() = -1 EAGAIN more", "more"),
        ("f() = 1 2", "2"),
        ("f() = 1 g()", "g"),
        ("f() = -1 E", "E"),
        ("f() 3", "3"),
        ("f", ""),
        ("f\n()", ""),
        ("f() = ? ERESTART", "?"),
    ] {
        assert_eq!(slice(text, error(text).span), place, "{text}: {}", error(text));
    }
}

#[test]
fn values() {
    let table = [
        ("...", "..."),
        ("0", "0"),
        ("-5", "-5"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0xfF", "255"),
        ("-0x10", "-16"),
        ("SOCK_STREAM", "SOCK_STREAM"),
        ("_a1", "_a1"),
        ("A|B | 4\n| 0x8", "A|B|4|8"),
        ("\"\"", "\"\""),
        ("\"GET / // HTTP\"", "\"GET / // HTTP\""),
        (r#""\n\t\r\\\"\0\x41\xc3\xa9é""#, r#""\n\t\r\\\"\0Aéé""#),
        ("[]", "[]"),
        ("[ 1, [2], ... ]", "[1,[2],...]"),
        ("{}", "{}"),
        ("{onoff=1, linger = 0}", "{onoff=1,linger=0}"),
        ("{..., 1000}", "{...,1000}"),
        ("{A|B, 1}", "{A|B,1}"),
        ("{htons(1), x}", "{htons(1),x}"),
        (
            "{msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0}",
            "{msg_name=...,msg_iov=[{...,1000}],msg_flags=0}",
        ),
        (
            "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"1.2.3.4\")}",
            "{sa_family=AF_INET,sin_port=htons(80),sin_addr=inet_addr(\"1.2.3.4\")}",
        ),
        ("[{fd=3, events=POLLIN|POLLOUT, revents=0}, {fd=4}]", "[{fd=3,events=POLLIN|POLLOUT,revents=0},{fd=4}]"),
        ("htonl(INADDR_ANY)", "htonl(INADDR_ANY)"),
        ("f()", "f()"),
    ];
    for (text, expected) in table {
        assert_eq!(plain(&value(text)), expected, "{text}");
    }
    assert!(call("f()").arguments.is_empty());
    assert_eq!(call("f(1,\n 2)").arguments.len(), 2);
}

#[test]
fn values_that_are_none() {
    let table = [
        ("f(", ""),
        ("f(1", ""),
        ("f(1 2)", "2"),
        ("f(,)", ","),
        ("f(1,)", ")"),
        ("f([1, ])", "]"),
        ("f({a=})", "}"),
        ("f({a=1, a=2})", "a"),
        ("f({1=2})", "="),
        ("f({a=1)", ")"),
        ("f(A|)", ")"),
        ("f(A||B)", "|"),
        ("f(A|[1])", "["),
        ("f(-)", "-"),
        ("f(--1)", "-"),
        ("f(12ab)", "12ab"),
        ("f(0x)", "0x"),
        ("f(0644)", "0644"),
        ("f(9223372036854775808)", "9223372036854775808"),
        ("f(0xffffffffffffffff)", "0xffffffffffffffff"),
        ("f(1.5)", "."),
        ("f(\"a\n\")", "\""),
        ("f(\"a", "\""),
        (r#"f("a\q")"#, r"\q"),
        (r#"f("a\é")"#, r"\é"),
        (r#"f("\x4")"#, r"\x"),
        (r#"f("\012")"#, r"\0"),
        ("f(\"\\\n\")", "\\"),
        (r#"f("\xff")"#, r#""\xff""#),
        ("f(\"a\" \"b\")", "\""),
        ("f(\"a\"...)", "..."),
        ("f(~1)", "~"),
        ("f((1))", "("),
        ("f(a.b)", "."),
        ("f(é)", "é"),
        ("f(..)", "."),
    ];
    for (text, place) in table {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
    let deep = |n: usize| format!("f({}{})", "[".repeat(n), "]".repeat(n));
    assert!(parse(&deep(31), &Defines::new()).is_ok());
    assert!(parse(&format!("f({}1{})", "[".repeat(31), "]".repeat(31)), &Defines::new()).is_ok());
    assert_eq!(error(&deep(32)).span, Span { start: 33, end: 34 });
}

#[test]
fn flags() {
    let none = Flags::default;
    let table = [
        ("S", Flags { syn: true, ..none() }),
        ("S.", Flags { syn: true, ack: true, ..none() }),
        (".", Flags { ack: true, ..none() }),
        ("P.", Flags { psh: true, ack: true, ..none() }),
        ("F.", Flags { fin: true, ack: true, ..none() }),
        ("FP.", Flags { fin: true, psh: true, ack: true, ..none() }),
        ("R", Flags { rst: true, ..none() }),
        ("R.", Flags { rst: true, ack: true, ..none() }),
        ("SEW", Flags { syn: true, ece: true, cwr: true, ..none() }),
        ("EC.", Flags { ece: true, cwr: true, ack: true, ..none() }),
        ("U.", Flags { urg: true, ack: true, ..none() }),
        ("-", none()),
    ];
    for (letters, flags) in table {
        let text = format!("+0 > {letters} 1:1(0)");
        let found = segment(&text).flags;
        assert_eq!(found.value, flags, "{letters}");
        assert_eq!(slice(&text, found.span), letters);
    }
    for accurate in ["SEWA", "S5", "A.", "4P."] {
        let text = format!("> {accurate} 1:1(0) ack 1 <nop>");
        let Body::Other(word) = packet(&text).body else { panic!("{text}") };
        assert_eq!((word.value.as_str(), slice(&text, word.span)), (accurate, accurate));
    }
}

#[test]
fn segments() {
    let text = "0.1 < P. 1:1001(1000) ack 5 win 257 urg 3 <nop,nop,TS val 1 ecr 2>";
    let found = segment(text);
    assert_eq!(slice(text, packet(text).span), &text[6..]);
    let seq = found.seq.expect("numbers");
    assert_eq!((slice(text, seq.span), seq.value), ("1:1001(1000)", Range { start: 1, end: 1001, length: 1000 }));
    for (number, place, value) in [(found.ack, "ack 5", 5), (found.window, "win 257", 257), (found.urgent, "urg 3", 3)]
    {
        let number = number.expect(place);
        assert_eq!((slice(text, number.span), number.value), (place, value));
    }
    assert_eq!(slice(text, found.options.expect("options").span), "<nop,nop,TS val 1 ecr 2>");

    let bare = segment("> R");
    assert_eq!((bare.seq, bare.ack, bare.window, bare.urgent, bare.options), (None, None, None, None, None));
    let turned = segment("> . 1:1(0) <nop> win 5 ack 1");
    assert_eq!((turned.ack.map(|n| n.value), turned.window.map(|n| n.value)), (Some(1), Some(5)));
    assert_eq!(segment("> R ack 7").ack.map(|n| n.value), Some(7));
    let around = segment("< . 4294967295:4(5)").seq.expect("numbers").value;
    assert_eq!(around, Range { start: u32::MAX, end: 4, length: 5 });
    assert!(matches!(event("< S 0:0(0)").what, What::Inject(_)));
    assert!(matches!(event("> S 0:0(0)").what, What::Expect(_)));
}

#[test]
fn segments_that_are_none() {
    let table = [
        ("<", ""),
        ("0 >\nS 0:0(0)", ""),
        ("< SS 0:0(0)", "S"),
        ("< SX 0:0(0)", "SX"),
        ("< S- 0:0(0)", "S"),
        ("< tcp 0:0(0)", "tcp"),
        ("< é", "é"),
        ("< S 0:0", ""),
        ("< S 0:0(0", ""),
        ("< S 0(0)", "("),
        ("< S :0(0)", ":"),
        ("< S 0:4294967296(0)", "4294967296"),
        ("< S 0:-1(0)", "-"),
        ("< . 1:1001(999)", "1:1001(999)"),
        ("< . 1:1(0) ack", ""),
        ("< . 1:1(0) ack x", "x"),
        ("< . 1:1(0) ack 1 ack 1", "ack"),
        ("< . 1:1(0) win 65536", "65536"),
        ("< . 1:1(0) win 5 <nop> <nop>", "<"),
        ("< . 1:1(0) window 5", "window"),
        ("< . 1:1(0) 1:1(0)", "1"),
        ("< . 1:1(0)\nack 1", "1"),
    ];
    for (text, place) in table {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
}

#[test]
fn ecn_marks_and_addresses() {
    let marks = [("noecn", Ecn::No), ("ect0", Ecn::Ect0), ("ect1", Ecn::Ect1), ("ect01", Ecn::Ect01), ("ce", Ecn::Ce)];
    for (word, mark) in marks {
        assert_eq!(packet(&format!("< [{word}] . 1:1(0)")).header.ecn, Some(mark));
    }
    let both = Header { ecn: None, tos: Some(0x28), ttl: Some(64) };
    assert_eq!(packet("> [tos 0x28, ttl 64] . 1:1(0)").header, both);
    let table = [
        ("< 192.0.2.1:5000 > 192.0.2.2:80: S 0:0(0)", "192.0.2.1:5000", "192.0.2.2:80"),
        ("< 1.2.3.4:5>6.7.8.9:10: S 0:0(0)", "1.2.3.4:5", "6.7.8.9:10"),
        ("> (192.0.2.1:5000 > 192.0.2.2:80) S 0:0(0)", "192.0.2.1:5000", "192.0.2.2:80"),
        ("> [ce] 5000 > 80: S 0:0(0)", "5000", "80"),
        ("> [2001:db8::1]:5 > [2001:db8::2]:6: S 0:0(0)", "[2001:db8::1]:5", "[2001:db8::2]:6"),
        ("> ::1 > ::2: S 0:0(0)", "::1", "::2"),
        ("> 1.1.1.1 > 2.2.2.2 : S 0:0(0)", "1.1.1.1", "2.2.2.2"),
        ("> (::1:5 > ::2:6) S 0:0(0)", "::1:5", "::2:6"),
    ];
    for (text, source, destination) in table {
        let expected = Addresses { source: source.to_owned(), destination: destination.to_owned() };
        assert_eq!(packet(text).addresses, Some(expected), "{text}");
    }
    assert_eq!(packet("> S 0:0(0) <mss 1>").addresses, None);
    for (text, place) in [
        ("< [ecn] S 0:0(0)", "ecn"),
        ("< [dscp 1] S 0:0(0)", "dscp"),
        ("< [tos 256] S 0:0(0)", "256"),
        ("< [ttl 1, ttl 2] S 0:0(0)", "ttl"),
        ("< [tos 1, ect0] S 0:0(0)", "ect0"),
        ("< [ce S 0:0(0)", "S"),
        ("< (1 > 2 S 0:0(0)", "S"),
        ("< (1 2) S 0:0(0)", "2"),
        ("< 1.2.3.4 > 5.6.7.8 S 0:0(0)", "S"),
        ("< 1.2.3.4:99999 > 5.6.7.8:1: S 0:0(0)", "1.2.3.4:99999"),
        ("< here > there: S 0:0(0)", "here"),
        ("< 1 >", ""),
    ] {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
}

fn option(text: &str) -> TcpOption {
    let text = format!("< S 0:0(0) <{text}>");
    match segment(&text).options.map(|options| options.value) {
        Some(Options::List(mut options)) => {
            assert_eq!(options.len(), 1, "{text}");
            assert_eq!(slice(&text, options[0].span), &text[12..text.len() - 1]);
            options.remove(0).value
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn tcp_options() {
    let open = |cookie: &str, experimental| TcpOption::FastOpen { cookie: cookie.to_owned(), experimental };
    let table = [
        ("eol", TcpOption::End),
        ("nop", TcpOption::Nop),
        ("mss 1460", TcpOption::Mss(1460)),
        ("wscale 7", TcpOption::WindowScale(7)),
        ("sackOK", TcpOption::SackPermitted),
        ("sack 1:1001", TcpOption::Sack(vec![(1, 1001)])),
        ("sack 1:1001 2001:3001  5:6", TcpOption::Sack(vec![(1, 1001), (2001, 3001), (5, 6)])),
        ("TS val 100 ecr 4294967295", TcpOption::Timestamps { val: 100, ecr: u32::MAX }),
        ("FO", open("", false)),
        ("FO 0123abCD", open("0123abCD", false)),
        ("FOEXP", open("", true)),
        ("FOEXP aa", open("aa", true)),
        ("uto 300", TcpOption::UserTimeout { time: 300, minutes: false }),
        ("uto 32767m", TcpOption::UserTimeout { time: 32767, minutes: true }),
        ("kind 253", TcpOption::Raw { kind: 253, body: vec![] }),
        ("kind 0xfd 0a0B", TcpOption::Raw { kind: 253, body: vec![10, 11] }),
        ("md5 0x00 (whatever) é", TcpOption::Other("md5".to_owned())),
        ("MSS 5", TcpOption::Other("MSS".to_owned())),
    ];
    for (text, expected) in table {
        assert_eq!(option(text), expected, "{text}");
    }
    let list = |text: &str| segment(text).options.map(|options| options.value);
    assert_eq!(list("< S <...>"), Some(Options::Any));
    assert_eq!(list("< S < ... > ack 1"), Some(Options::Any));
    assert_eq!(list("< S <>"), Some(Options::List(Vec::new())));
    let Some(Options::List(many)) = list("< S 0:0(0) <mss 1460, // the size\n\tsackOK,\n# and\nnop >\n") else {
        panic!("a list")
    };
    assert_eq!(many.len(), 3);
    for (text, place) in [
        ("< S <mss", ""),
        ("< S <mss>", ">"),
        ("< S <mss 70000>", "70000"),
        ("< S <wscale 256>", "256"),
        ("< S <mss 1,>", ">"),
        ("< S <,>", ","),
        ("< S <5>", "5"),
        ("< S <sack>", ">"),
        ("< S <sack 1-2>", "-"),
        ("< S <sack 1:x>", "x"),
        ("< S <TS 1 2>", "1"),
        ("< S <TS val 1>", ">"),
        ("< S <FO 123>", "123"),
        ("< S <FO xyz0>", "xyz0"),
        ("< S <nop nop>", "nop"),
        ("< S <... nop>", "nop"),
        ("< S <odd 1", ""),
    ] {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
}

fn icmp(text: &str) -> Icmp {
    match packet(text).body {
        Body::Icmp(icmp) => icmp,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn icmp_errors() {
    let text = "< icmp unreachable frag_needed mtu 1400 [1:1001(1000)]";
    let found = icmp(text);
    let code = found.code.clone().expect("a code");
    assert_eq!((slice(text, found.kind.span), slice(text, code.span)), ("unreachable", "frag_needed"));
    assert_eq!((found.kind.value.as_str(), code.value.as_str(), found.mtu), ("unreachable", "frag_needed", Some(1400)));
    assert_eq!(found.quoted, Some(Range { start: 1, end: 1001, length: 1000 }));
    let short = icmp("> icmp packet_too_big mtu 1280");
    assert_eq!((short.code, short.mtu, short.quoted), (None, Some(1280), None));
    let turned = icmp("< [ce] icmp time_exceeded [0:0(0)] mtu 5");
    assert_eq!((turned.mtu, turned.quoted.is_some()), (Some(5), true));
    for (text, place) in [
        ("< icmp", ""),
        ("< icmp 3 4", "3"),
        ("< icmp a b c", "c"),
        ("< icmp a b mtu", ""),
        ("< icmp a b mtu 1 mtu 1", "mtu"),
        ("< icmp a [1:2(0)]", "1:2(0)"),
        ("< icmp a [1:2(1)", ""),
        ("< icmp a [1:2(1)] [1:2(1)]", "["),
    ] {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
}

#[test]
fn packets_named_only() {
    for (text, word) in [
        ("< udp (1000)", "udp"),
        ("> 1.1.1.1:5 > 2.2.2.2:6: udp (0)", "udp"),
        ("< icmp unreachable port_unreachable [udp (8)]", "udp"),
        ("< ipv4 192.168.1.1 > 192.168.1.2: S 0:0(0) win 1 <mss 1460,\n nop>", "ipv4"),
        ("< ipv6 2001:db8::1 > 2001:db8::2: gre: S 0:0(0)", "ipv6"),
        ("< gre: . 1:1(0)", "gre"),
        ("< mpls (label 0, tc 0, ttl 0) é: . 1:1(0) // x", "mpls"),
    ] {
        let Body::Other(found) = packet(text).body else { panic!("{text}") };
        assert_eq!((found.value.as_str(), slice(text, found.span)), (word, word));
    }
    for (text, place) in [
        ("< udp", ""),
        ("< udp 5", "5"),
        ("< udp (5", ""),
        ("< udp (70000)", "70000"),
        ("< gre", ""),
        ("< udp (5) more", "more"),
        ("< ipv4 1 > 2: S <nop", ""),
    ] {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
}

#[test]
fn one_event_a_line() {
    for (text, place) in [
        ("0 f() 0 g()", "0"),
        ("0 f() = 0 0 g()", "0"),
        ("0 < S 0:0(0) +0 g()", "+"),
        ("0", ""),
        ("0 // nothing\nf()", ""),
        ("* =", "="),
        ("; f()", ";"),
        ("}", "}"),
        ("f();", ";"),
        ("0 f() # not first", "#"),
    ] {
        let error = error(text);
        assert_eq!(slice(text, error.span), place, "{text}: {error}");
    }
    assert_eq!(script("0 f()\r\n+0 g()\r\n").events.len(), 2);
}

#[test]
fn a_text_is_at_most_16_mib() {
    let text = " ".repeat(parse::MAX_TEXT);
    assert!(parse(&text, &Defines::new()).is_ok());
    assert!(error(&(text + " ")).message.contains("16777217"));
}
