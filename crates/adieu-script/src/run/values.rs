//! Arguments and constants.

use super::failure::Failure;
use crate::ast::{Span, Spanned, Value};

/// Numbers that scripts know by name. Those of Linux; only equality of names matters here.
const CONSTANTS: &[(&str, i64)] = &[
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("SOCK_STREAM", 1),
    ("SOCK_NONBLOCK", 0o4000),
    ("SOCK_CLOEXEC", 0o2_000_000),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_IP", 0),
    ("IPPROTO_IPV6", 41),
    ("SOL_IPV6", 41),
    ("IP_TOS", 1),
    ("IPV6_TCLASS", 67),
    ("SHUT_RD", 0),
    ("SHUT_WR", 1),
    ("SHUT_RDWR", 2),
    ("F_GETFD", 1),
    ("F_SETFD", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_NONBLOCK", 0o4000),
    ("MSG_OOB", 1),
    ("MSG_PEEK", 2),
    ("MSG_DONTWAIT", 0x40),
    ("MSG_NOSIGNAL", 0x4000),
    ("MSG_WAITALL", 0x100),
    ("POLLIN", 1),
    ("POLLPRI", 2),
    ("POLLOUT", 4),
    ("POLLERR", 8),
    ("POLLHUP", 0x10),
    ("POLLNVAL", 0x20),
    ("POLLRDNORM", 0x40),
    ("POLLWRNORM", 0x100),
    ("POLLRDHUP", 0x2000),
    ("SOL_SOCKET", 1),
    ("SOL_TCP", 6),
    ("SOL_IP", 0),
    ("SO_REUSEADDR", 2),
    ("SO_ERROR", 4),
    ("SO_SNDBUF", 7),
    ("SO_RCVBUF", 8),
    ("SO_KEEPALIVE", 9),
    ("SO_OOBINLINE", 10),
    ("SO_LINGER", 13),
    ("SO_REUSEPORT", 15),
    ("TCP_NODELAY", 1),
    ("TCP_MAXSEG", 2),
    ("TCP_CORK", 3),
    ("TCP_KEEPIDLE", 4),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 6),
    ("TCP_SYNCNT", 7),
    ("TCP_LINGER2", 8),
    ("TCP_DEFER_ACCEPT", 9),
    ("TCP_WINDOW_CLAMP", 10),
    ("TCP_INFO", 11),
    ("TCP_QUICKACK", 12),
    ("TCP_CONGESTION", 13),
    ("TCP_USER_TIMEOUT", 18),
    // Ours: RFC 5482 names no socket option, and no other system has one.
    ("TCP_EXCHANGE_USER_TIMEOUT", 5482),
    ("TCPI_OPT_TIMESTAMPS", 1),
    ("TCPI_OPT_SACK", 2),
    ("TCPI_OPT_WSCALE", 4),
    ("TCPI_OPT_ECN", 8),
    ("TCPI_OPT_ECN_SEEN", 16),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCP_INFINITE_SSTHRESH", 0x7fff_ffff),
    ("SIOCATMARK", 0x8905),
    ("SIOCINQ", 0x541b),
    ("FIONREAD", 0x541b),
    ("SIOCOUTQ", 0x5411),
    ("TIOCOUTQ", 0x5411),
    ("EINTR", 4),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("EWOULDBLOCK", 11),
    ("EACCES", 13),
    ("EINVAL", 22),
    ("EPIPE", 32),
    ("ENONET", 64),
    ("EPROTO", 71),
    ("ENOTSOCK", 88),
    ("EMSGSIZE", 90),
    ("ENOPROTOOPT", 92),
    ("EOPNOTSUPP", 95),
    ("EADDRINUSE", 98),
    ("EADDRNOTAVAIL", 99),
    ("ENETUNREACH", 101),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOBUFS", 105),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
];

/// The number of a name.
pub(crate) fn constant(name: &str) -> Option<i64> {
    let tcp_state = |state: &str| {
        let states = [
            "ESTABLISHED",
            "SYN_SENT",
            "SYN_RECV",
            "FIN_WAIT1",
            "FIN_WAIT2",
            "TIME_WAIT",
            "CLOSE",
            "CLOSE_WAIT",
            "LAST_ACK",
            "LISTEN",
            "CLOSING",
        ];
        states.iter().position(|known| *known == state).and_then(|place| i64::try_from(place + 1).ok())
    };
    let known = CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    known.or_else(|| tcp_state(name.strip_prefix("TCP_")?))
}

/// The error number of a name.
pub(crate) fn errno_number(name: &str) -> i64 {
    constant(name).unwrap_or(0)
}

/// The name of an error number of Linux, as far as scripts know it.
pub fn error_name(number: i32) -> Option<&'static str> {
    let known = CONSTANTS.iter().find(|(name, known)| name.starts_with('E') && *known == i64::from(number));
    known.map(|(name, _)| *name)
}

/// The number an argument stands for; `None` for `...`.
pub(crate) fn number(argument: &Spanned<Value>) -> Result<Option<i64>, Box<Failure>> {
    number_of(&argument.value, argument.span)
}

fn number_of(value: &Value, span: Span) -> Result<Option<i64>, Box<Failure>> {
    match value {
        Value::Ellipsis => Ok(None),
        Value::Number(number) => Ok(Some(*number)),
        Value::Symbol(name) => match constant(name) {
            Some(number) => Ok(Some(number)),
            None => Err(Failure::not_built(span, &format!("the constant {name}"))),
        },
        Value::Flags(parts) => {
            let mut all = 0;
            for part in parts {
                all |= number_of(part, span)?.unwrap_or(0);
            }
            Ok(Some(all))
        }
        Value::Function(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("htons" | "htonl", [argument]) => number(argument),
            _ => Err(Failure::not_built(span, &format!("the function {name}"))),
        },
        Value::Text(_) | Value::List(_) | Value::Struct(_) => Err(Failure::meaning(span, "a number is needed here")),
    }
}

/// A number, or what stands for `...`.
pub(crate) fn number_or(argument: Option<&Spanned<Value>>, default: i64) -> Result<i64, Box<Failure>> {
    match argument {
        Some(argument) => Ok(number(argument)?.unwrap_or(default)),
        None => Ok(default),
    }
}

/// The number in `[number]`.
pub(crate) fn boxed(argument: &Spanned<Value>) -> Result<Option<i64>, Box<Failure>> {
    match &argument.value {
        Value::List(list) => match list.as_slice() {
            [one] => number(one),
            _ => Err(Failure::meaning(argument.span, "one number between brackets is needed here")),
        },
        Value::Ellipsis
        | Value::Number(_)
        | Value::Symbol(_)
        | Value::Flags(_)
        | Value::Text(_)
        | Value::Struct(_)
        | Value::Function(..) => number(argument),
    }
}

/// A field of a structure by name; where fields have no names, by its place.
pub(crate) fn field<'a>(value: &'a Value, name: &str, place: usize) -> Option<&'a Spanned<Value>> {
    let Value::Struct(fields) = value else { return None };
    let named = fields.iter().find(|(known, _)| known.as_deref() == Some(name));
    let by_place = fields.get(place).filter(|(known, _)| known.is_none());
    named.or(by_place).map(|(_, value)| value)
}
