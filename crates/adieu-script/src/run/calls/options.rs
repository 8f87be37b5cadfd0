//! Options of sockets, and questions to them.

use std::time::Duration;

use super::{Answer, Context, Made};
use crate::ast::{Spanned, Value};
use crate::run::failure::{Failure, Kind};
use crate::run::host::Id;
use crate::run::parameters::LARGEST_BUFFER;
use crate::run::values::{boxed, errno_number, field, number_or};

pub(crate) const SOL_IP: i64 = 0;
pub(crate) const SOL_SOCKET: i64 = 1;
pub(crate) const SOL_TCP: i64 = 6;
pub(crate) const SOL_IPV6: i64 = 41;
pub(crate) const IP_TOS: i64 = 1;
pub(crate) const IPV6_TCLASS: i64 = 67;
const SO_ERROR: i64 = 4;
pub(crate) const SO_SNDBUF: i64 = 7;
pub(crate) const SO_RCVBUF: i64 = 8;
pub(crate) const SO_KEEPALIVE: i64 = 9;
pub(crate) const SO_OOBINLINE: i64 = 10;
const SO_LINGER: i64 = 13;
pub(crate) const TCP_NODELAY: i64 = 1;
pub(crate) const TCP_MAXSEG: i64 = 2;
pub(crate) const TCP_KEEPIDLE: i64 = 4;
pub(crate) const TCP_KEEPINTVL: i64 = 5;
pub(crate) const TCP_KEEPCNT: i64 = 6;
pub(crate) const TCP_SYNCNT: i64 = 7;
pub(crate) const TCP_LINGER2: i64 = 8;
const TCP_QUICKACK: i64 = 12;
pub(crate) const TCP_USER_TIMEOUT: i64 = 18;
pub(crate) const TCP_EXCHANGE_USER_TIMEOUT: i64 = 5482;
const SIOCATMARK: i64 = 0x8905;
const SIOCINQ: i64 = 0x541b;
const SIOCOUTQ: i64 = 0x5411;

/// Options that are kept and told, and change nothing that a script could see: what they ask for is always so, or never
/// matters in one process.
pub(crate) const WITHOUT_EFFECT: &[(i64, i64)] = &[
    (SOL_SOCKET, 2),         // SO_REUSEADDR: a listener never stands in its own way
    (SOL_SOCKET, 15),        // SO_REUSEPORT
    (SOL_TCP, TCP_QUICKACK), // that is for the whole stack (`Config::quick_acks`), and never undone by an option
];

impl Context<'_> {
    pub(super) fn set_option(&mut self) -> Made {
        let (number, level, name) = (self.number(0)?, self.number(1)?, self.number(2)?);
        let value = self.argument(3)?.clone();
        let Some(id) = self.id(number) else { return Ok(Answer::error("EBADF")) };
        if (level, name) == (SOL_SOCKET, SO_LINGER) {
            return self.set_linger(id, &value);
        }
        let wanted = boxed(&value)?.unwrap_or(0);
        let size = || match u32::try_from(wanted) {
            Ok(size) if size <= LARGEST_BUFFER => Ok(size),
            _ => Err(Failure::meaning(value.span, format!("a size of 0 to {LARGEST_BUFFER} bytes is needed here"))),
        };
        let sized = level == SOL_SOCKET && matches!(name, SO_RCVBUF | SO_SNDBUF);
        let value = if sized { i64::from(size()?) } else { wanted };
        match self.scene.host.set_option(id, level, name, value) {
            Some(Ok(())) => {}
            Some(Err(errno)) => return Ok(Answer::error(errno)),
            None => return Err(Failure::not_built(self.call.span, &self.option_name())),
        }
        if (level, name) == (SOL_TCP, TCP_QUICKACK) && self.scene.host.is_exact() {
            self.scene.notes.push("TCP_QUICKACK: acknowledgments wait by the stack's rules alone".into());
        }
        if let Some(socket) = self.scene.sockets.get(number) {
            socket.options.insert((level, name), wanted);
        }
        Ok(Answer::ok(0))
    }

    fn option_name(&self) -> String {
        match self.call.arguments.get(2).map(|argument| &argument.value) {
            Some(Value::Symbol(name)) => format!("the option {name}"),
            _ => "this option".into(),
        }
    }

    /// `{onoff=1, linger=0}`
    fn set_linger(&mut self, id: Id, value: &Spanned<Value>) -> Made {
        let part =
            |names: [&str; 2], place| field(&value.value, names[0], place).or(field(&value.value, names[1], place));
        let (Some(on), Some(time)) = (part(["onoff", "l_onoff"], 0), part(["linger", "l_linger"], 1)) else {
            return Err(Failure::meaning(value.span, "{onoff=1, linger=0} is needed here"));
        };
        let (on, time) = (number_or(Some(on), 0)?, number_or(Some(time), 0)?);
        let time = (on != 0).then(|| Duration::from_secs(time.unsigned_abs()));
        Ok(Answer::of(self.scene.host.set_linger(id, time)))
    }

    pub(super) fn get_option(&mut self) -> Made {
        let (number, level, name) = (self.number(0)?, self.number(1)?, self.number(2)?);
        let expected = self.argument(3)?.clone();
        let Some(id) = self.id(number) else { return Ok(Answer::error("EBADF")) };
        let kept = self.scene.sockets.get(number).and_then(|socket| socket.options.get(&(level, name)).copied());
        let value = match (level, name) {
            (SOL_SOCKET, SO_ERROR) => self.scene.host.take_error(id).map_or(0, errno_number),
            _ => match self.scene.host.get_option(id, level, name) {
                Some(Ok(value)) => value,
                Some(Err(errno)) => return Ok(Answer::error(errno)),
                None if kept.is_some() => kept.unwrap_or(0),
                None if WITHOUT_EFFECT.contains(&(level, name)) => 0,
                None => return Err(Failure::not_built(self.call.span, &self.option_name())),
            },
        };
        self.told(&expected, value)?;
        Ok(Answer::ok(0))
    }

    /// Holds a number that a call has written against what the script expects there.
    fn told(&self, expected: &Spanned<Value>, value: i64) -> Result<(), Box<Failure>> {
        match boxed(expected)? {
            Some(wanted) if wanted != value => {
                let call = &self.call.name.value;
                Err(Failure::new(Kind::Result, expected.span, format!("{call} has told another number"))
                    .expected(wanted.to_string())
                    .got(value.to_string()))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn ioctl(&mut self) -> Made {
        let (number, request) = (self.number(0)?, self.number(1)?);
        let expected = self.argument(2)?.clone();
        let Some(id) = self.id(number) else { return Ok(Answer::error("EBADF")) };
        let value = match request {
            SIOCATMARK => match self.scene.host.at_mark(id) {
                Some(at_mark) => at_mark.map(u64::from),
                None => return Err(Failure::not_built(self.call.span, "SIOCATMARK on this system")),
            },
            SIOCINQ => self.scene.host.unread(id),
            SIOCOUTQ => self.scene.host.unacknowledged(id),
            _ => return Err(Failure::not_built(self.call.span, "this request of ioctl")),
        };
        let value = match value {
            Ok(value) => value,
            Err(errno) => return Ok(Answer::error(errno)),
        };
        self.told(&expected, i64::try_from(value).unwrap_or(i64::MAX))?;
        Ok(Answer::ok(0))
    }
}
