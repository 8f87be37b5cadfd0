//! Options of sockets on our stack.

use std::time::Duration;

use adieu_core::{Keepalive, Settings};

use super::Machine;
use crate::run::calls::options::{
    IP_TOS, IPV6_TCLASS, SO_KEEPALIVE, SO_OOBINLINE, SO_RCVBUF, SO_SNDBUF, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP,
    TCP_EXCHANGE_USER_TIMEOUT, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_LINGER2, TCP_MAXSEG, TCP_NODELAY,
    TCP_SYNCNT, TCP_USER_TIMEOUT, WITHOUT_EFFECT,
};
use crate::run::host::{Id, Outcome};

/// What a program has chosen for a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Choices {
    pub(super) settings: Settings,
    /// When keepalive would ask, whether it is on or off.
    keepalive: Keepalive,
}

/// What an MSS is where nobody has said anything (RFC 9293 MUST-15).
const DEFAULT_MSS: u16 = 536;

impl Choices {
    pub(super) fn new(keepalive: Keepalive) -> Self {
        Self { settings: Settings::default(), keepalive }
    }

    /// Changes one option; `None` where there is no such option.
    fn set(&mut self, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
        let within = |least: i64, most: i64| if (least..=most).contains(&value) { Ok(value) } else { Err("EINVAL") };
        let seconds = || within(1, 32767).map(|value| Duration::from_secs(value.unsigned_abs()));
        let settings = &mut self.settings;
        let mut change = || -> Outcome<bool> {
            match (level, name) {
                (SOL_TCP, TCP_NODELAY) => settings.nodelay = value != 0,
                (SOL_SOCKET, SO_KEEPALIVE) => settings.keepalive = (value != 0).then_some(self.keepalive),
                (SOL_TCP, TCP_KEEPIDLE) => self.keepalive.idle = seconds()?,
                (SOL_TCP, TCP_KEEPINTVL) => self.keepalive.interval = seconds()?,
                (SOL_TCP, TCP_KEEPCNT) => self.keepalive.probes = u8::try_from(within(1, 127)?).unwrap_or(u8::MAX),
                (SOL_TCP, TCP_USER_TIMEOUT) => {
                    let time = Duration::from_millis(within(0, i32::MAX.into())?.unsigned_abs());
                    settings.user_timeout = Some(time).filter(|time| !time.is_zero());
                }
                (SOL_TCP, TCP_EXCHANGE_USER_TIMEOUT) => settings.exchange_user_timeout = value != 0,
                (SOL_TCP, TCP_MAXSEG) if value == 0 => settings.max_segment = None,
                (SOL_TCP, TCP_MAXSEG) => settings.max_segment = u16::try_from(within(48, 32767)?).ok(),
                (SOL_IP, IP_TOS) | (SOL_IPV6, IPV6_TCLASS) => {
                    settings.dscp = u8::try_from(within(0, 255)? >> 2).unwrap_or(0);
                }
                // Urgent data is always in line.
                (SOL_SOCKET, SO_OOBINLINE) => within(1, i64::MAX).map(drop)?,
                _ => return Ok(false),
            }
            Ok(true)
        };
        match change() {
            Ok(false) => return None,
            Ok(true) => {}
            Err(errno) => return Some(Err(errno)),
        }
        let times = self.keepalive;
        self.settings.keepalive = self.settings.keepalive.map(|_| times);
        Some(Ok(()))
    }

    /// What an option is; `None` where there is no such option.
    fn get(&self, level: i64, name: i64) -> Option<i64> {
        let settings = &self.settings;
        let number = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
        Some(match (level, name) {
            (SOL_TCP, TCP_NODELAY) => settings.nodelay.into(),
            (SOL_SOCKET, SO_KEEPALIVE) => settings.keepalive.is_some().into(),
            (SOL_TCP, TCP_KEEPIDLE) => number(self.keepalive.idle.as_secs().into()),
            (SOL_TCP, TCP_KEEPINTVL) => number(self.keepalive.interval.as_secs().into()),
            (SOL_TCP, TCP_KEEPCNT) => self.keepalive.probes.into(),
            (SOL_TCP, TCP_USER_TIMEOUT) => number(settings.user_timeout.map_or(0, |time| time.as_millis())),
            (SOL_TCP, TCP_EXCHANGE_USER_TIMEOUT) => settings.exchange_user_timeout.into(),
            (SOL_TCP, TCP_MAXSEG) => settings.max_segment.unwrap_or(DEFAULT_MSS).into(),
            (SOL_IP, IP_TOS) | (SOL_IPV6, IPV6_TCLASS) => i64::from(settings.dscp) << 2,
            (SOL_SOCKET, SO_OOBINLINE) => 1,
            _ => return None,
        })
    }
}

impl Machine {
    pub(super) fn choose(&mut self, id: Id, level: i64, name: i64, value: i64) -> Option<Outcome<()>> {
        match (level, name) {
            (SOL_SOCKET, SO_RCVBUF | SO_SNDBUF) => {
                let Ok(size) = u32::try_from(value) else { return Some(Err("EINVAL")) };
                self.stack.reconfigure(|config| match name {
                    SO_RCVBUF => config.receive_buffer = size.max(1),
                    _ => config.send_buffer = size.max(1),
                });
                return Some(Ok(()));
            }
            (SOL_TCP, TCP_LINGER2) => {
                let time = Duration::from_secs(value.unsigned_abs());
                self.stack.reconfigure(|config| config.fin_wait_2 = time);
                return Some(Ok(()));
            }
            (SOL_TCP, TCP_SYNCNT) => {
                let count = u8::try_from(value).unwrap_or(u8::MAX);
                self.stack.reconfigure(|config| config.syn_retries = count);
                return Some(Ok(()));
            }
            _ if WITHOUT_EFFECT.contains(&(level, name)) => return Some(Ok(())),
            _ => {}
        }
        let Some(socket) = self.sockets.get_mut(&id) else { return Some(Err("EBADF")) };
        let before = socket.choices.settings;
        let done = socket.choices.set(level, name, value);
        let settings = socket.choices.settings;
        if settings != before
            && let Some(handle) = self.stream(id)
        {
            self.stack.set(self.now, handle, settings);
        }
        done
    }

    pub(super) fn chosen(&self, id: Id, level: i64, name: i64) -> Option<i64> {
        let segment = || Some(self.stack.info(self.stream(id)?)?.send_mss);
        if (level, name) == (SOL_TCP, TCP_MAXSEG)
            && let Some(segment) = segment()
        {
            return Some(segment.into());
        }
        self.sockets.get(&id)?.choices.get(level, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_there_is() {
        let mut choices = Choices::new(Keepalive::default());
        for (level, name, value) in [
            (SOL_TCP, TCP_NODELAY, 1),
            (SOL_SOCKET, SO_KEEPALIVE, 1),
            (SOL_TCP, TCP_KEEPIDLE, 10),
            (SOL_TCP, TCP_KEEPINTVL, 3),
            (SOL_TCP, TCP_KEEPCNT, 4),
            (SOL_TCP, TCP_USER_TIMEOUT, 1500),
            (SOL_TCP, TCP_MAXSEG, 1000),
            (SOL_IP, IP_TOS, 0x28),
        ] {
            assert_eq!(choices.set(level, name, value), Some(Ok(())), "{level} {name}");
            assert_eq!(choices.get(level, name), Some(value), "{level} {name}");
        }
        let settings = choices.settings;
        let keepalive = settings.keepalive.unwrap();
        assert_eq!((keepalive.idle, keepalive.probes), (Duration::from_secs(10), 4), "set after it was switched on");
        assert_eq!((settings.user_timeout, settings.dscp), (Some(Duration::from_millis(1500)), 10));
        assert_eq!(choices.set(SOL_TCP, TCP_KEEPCNT, 0), Some(Err("EINVAL")));
        assert_eq!(choices.set(SOL_TCP, TCP_MAXSEG, 20), Some(Err("EINVAL")));
        assert_eq!(choices.set(SOL_SOCKET, SO_OOBINLINE, 0), Some(Err("EINVAL")));
        assert_eq!(choices.set(SOL_TCP, 3, 1), None, "TCP_CORK");
        choices.set(SOL_TCP, TCP_USER_TIMEOUT, 0);
        assert_eq!(choices.settings.user_timeout, None);
    }
}
