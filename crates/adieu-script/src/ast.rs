//! A packet script as data. Everything keeps its place in the text, so that whatever fails can be shown there.

use core::time::Duration;

/// A place in the text of the script: bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
}

/// Something, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spanned<T> {
    /// Where.
    pub span: Span,
    /// What.
    pub value: T,
}

/// A whole script.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// Lines that begin with `--`, in order.
    pub options: Vec<Spanned<Setting>>,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// The script says `// timers: none`: it holds at any speed of the clock.
    pub timers_none: bool,
}

/// `--name` or `--name=value`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Without the dashes.
    pub name: String,
    /// Behind the equals sign.
    pub value: Option<String>,
}

/// One event of the script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The event from its time on to its last character.
    pub span: Span,
    /// When.
    pub time: Time,
    /// When a call that blocks returns: what stands behind the three dots.
    pub ends: Option<Time>,
    /// What.
    pub what: What,
}

/// When something happens. Times count from the script's beginning; relative ones from the event before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Time {
    /// `0.1`
    At(Duration),
    /// `+0.1`, and a line without any time: `+0`
    After(Duration),
    /// `*`: at any time.
    Any,
    /// `0.1~0.2`
    Between(Duration, Duration),
    /// `+0.1~+0.2`
    AfterBetween(Duration, Duration),
}

/// What happens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// `< ..`: a packet comes in.
    Inject(Packet),
    /// `> ..`: a packet goes out.
    Expect(Packet),
    /// A system call.
    Call(Call),
    /// `%{ .. }%`: what stands between, without the braces.
    Code(Spanned<String>),
    /// Between backticks: a command for a shell.
    Shell(Spanned<String>),
}

/// A packet, TCP or ICMP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// The packet without its direction.
    pub span: Span,
    /// Between square brackets, with commas between: what the IP header says.
    pub header: Header,
    /// Addresses and ports, where the script gives them: `1.2.3.4:5 > 6.7.8.9:10:` or ports alone.
    pub addresses: Option<Addresses>,
    /// What is in it.
    pub body: Body,
}

/// What a script says of an IP header.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// ECN bits, as in `[ect0]`.
    pub ecn: Option<Ecn>,
    /// `tos 0x28`: the whole byte, called traffic class in IPv6, ECN bits included.
    pub tos: Option<u8>,
    /// `ttl 64`: the hop limit in IPv6.
    pub ttl: Option<u8>,
}

/// Explicit addresses of a packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// As written, for instance `192.0.2.1:5000`.
    pub source: String,
    /// As written.
    pub destination: String,
}

/// The two ECN bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ecn {
    /// `noecn`
    No,
    /// `ect0`
    Ect0,
    /// `ect1`
    Ect1,
    /// `ce`
    Ce,
    /// `ect01`: ECT(0) or ECT(1)
    Ect01,
}

/// What a packet carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// A TCP segment.
    Tcp(Segment),
    /// An ICMP error.
    Icmp(Icmp),
    /// Something the language knows and we do not: the word that says what, `udp`, `ipv4`, `ipv6`, `gre` or `mpls`, and
    /// the flags of a segment where they have those of accurate ECN.
    Other(Spanned<String>),
}

/// A TCP segment. Numbers are relative to the initial ones, as everywhere in the language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Control bits.
    pub flags: Spanned<Flags>,
    /// `start:end(length)`. Absent in a few forms, such as that of a bare `R`.
    pub seq: Option<Spanned<Range>>,
    /// `ack N`; the place is that of the word and the number, here and below
    pub ack: Option<Spanned<u32>>,
    /// `win N`, the field as it is on the wire, not scaled
    pub window: Option<Spanned<u32>>,
    /// `urg N`
    pub urgent: Option<Spanned<u32>>,
    /// Between angle brackets; `None` where there are none at all.
    pub options: Option<Spanned<Options>>,
}

/// Control bits as letters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// `S`
    pub syn: bool,
    /// `F`
    pub fin: bool,
    /// `R`
    pub rst: bool,
    /// `P`
    pub psh: bool,
    /// `.`
    pub ack: bool,
    /// `U`
    pub urg: bool,
    /// `E`: ECE
    pub ece: bool,
    /// `W` or `C`: CWR
    pub cwr: bool,
}

/// Sequence numbers from `start` to before `end`, with `length` bytes of data. SYN and FIN are not counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// Of the first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
    /// Between parentheses.
    pub length: u32,
}

/// The options of a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Options {
    /// `<...>`: whatever they are.
    Any,
    /// In order; an empty list is `<>`.
    List(Vec<Spanned<TcpOption>>),
}

/// One option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TcpOption {
    /// `eol`
    End,
    /// `nop`
    Nop,
    /// `mss 1460`
    Mss(u32),
    /// `wscale 7`
    WindowScale(u32),
    /// `sackOK`
    SackPermitted,
    /// `sack 1:1001 2001:3001`; more than one pair is separated by blanks
    Sack(Vec<(u32, u32)>),
    /// `TS val 100 ecr 200`
    Timestamps {
        /// Our clock.
        val: u32,
        /// The peer's, echoed.
        ecr: u32,
    },
    /// `FO 0123abcd` or `FO` (a request), the option kind 34; `FOEXP ..` the experimental one
    FastOpen {
        /// As hexadecimal digits; empty for a request.
        cookie: String,
        /// `FOEXP`
        experimental: bool,
    },
    /// `uto 300` or `uto 5m`, the option kind 28 of RFC 5482: seconds, or minutes
    UserTimeout {
        /// 15 bits.
        time: u16,
        /// Its unit is the minute.
        minutes: bool,
    },
    /// `kind 253` or `kind 253 0a0b`: any option by its number, and what it holds as hexadecimal digits
    Raw {
        /// The first byte.
        kind: u8,
        /// What follows its length.
        body: Vec<u8>,
    },
    /// Another one, by its first word; the place is that of the whole option.
    Other(String),
}

/// An ICMP error, for instance `icmp unreachable frag_needed mtu 1400 [1:1001(1000)]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Icmp {
    /// `unreachable`, `time_exceeded`, `packet_too_big`, .. of either family
    pub kind: Spanned<String>,
    /// `frag_needed`, `host_unreachable`, ..
    pub code: Option<Spanned<String>>,
    /// `mtu N`
    pub mtu: Option<u32>,
    /// Between square brackets: the sequence numbers of the segment it quotes.
    pub quoted: Option<Range>,
}

/// A system call and its result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// From the name to the end of the result.
    pub span: Span,
    /// `socket`, ..
    pub name: Spanned<String>,
    /// Between the parentheses.
    pub arguments: Vec<Spanned<Value>>,
    /// Behind the equals sign; `None` where none is given.
    pub result: Option<Spanned<Outcome>>,
}

/// What a call returns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The number, or `...`, `F_..|O_..`.
    pub value: Value,
    /// `ECONNRESET` of `-1 ECONNRESET (Connection reset by peer)`.
    pub errno: Option<String>,
    /// The text between the parentheses.
    pub note: Option<String>,
}

/// An argument.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `...`: the runner's choice; as a result: not checked.
    Ellipsis,
    /// Decimal, or hexadecimal after `0x`.
    Number(i64),
    /// `SOCK_STREAM`
    Symbol(String),
    /// `O_RDWR|O_NONBLOCK`: two or more, symbols or numbers
    Flags(Vec<Value>),
    /// `"text"`, escapes resolved; it is UTF-8 after that, too
    Text(String),
    /// `[a, b]`
    List(Vec<Spanned<Value>>),
    /// `{a, b}`, or `{name=value, ..}`: the name is `None` where there is none. Of `msg_iov(1)=..` and
    /// `msg_name(...)=..` the names are `msg_iov` and `msg_name`: the count repeats the value, and is dropped
    Struct(Vec<(Option<String>, Spanned<Value>)>),
    /// `htons(8080)`, `inet_addr("192.0.2.1")`: a function of constants
    Function(String, Vec<Spanned<Value>>),
}
