//! Waiting for sockets.

use std::time::Duration;

use super::{Answer, Context, Made};
use crate::ast::Value;
use crate::run::failure::{Failure, Kind};
use crate::run::values::{field, number_or};

pub(crate) const IN: i64 = 1;
pub(crate) const PRI: i64 = 2;
pub(crate) const OUT: i64 = 4;
pub(crate) const ERR: i64 = 8;
pub(crate) const HUP: i64 = 0x10;
pub(crate) const NVAL: i64 = 0x20;
pub(crate) const RDNORM: i64 = 0x40;
pub(crate) const WRNORM: i64 = 0x100;
pub(crate) const RDHUP: i64 = 0x2000;

impl Context<'_> {
    /// `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 0) = 1`
    pub(super) fn poll(&mut self) -> Made {
        let timeout = self.number(2)?;
        let list = self.argument(0)?;
        let Value::List(entries) = &list.value else {
            return Err(Failure::meaning(list.span, "a list such as [{fd=4, events=POLLIN}] is needed here"));
        };
        let (mut ready, mut seen) = (0, Vec::new());
        for entry in entries {
            let number = number_or(field(&entry.value, "fd", 0), -1)?;
            let events = number_or(field(&entry.value, "events", 1), 0)?;
            let happened = self.ready(number) & (events | ERR | HUP | NVAL);
            ready += i64::from(happened != 0);
            seen.push(happened);
        }
        let until = self.progress.began + Duration::from_millis(timeout.unsigned_abs());
        self.progress.wake = (timeout >= 0).then_some(until);
        let over = timeout >= 0 && self.scene.host.now() >= until;
        if ready == 0 && !over {
            return Ok(Answer::Blocks);
        }
        for (entry, happened) in entries.iter().zip(seen) {
            let Some(expected) = field(&entry.value, "revents", 2) else { continue };
            let wanted = number_or(Some(expected), happened)?;
            if wanted != happened {
                return Err(Failure::new(Kind::Result, expected.span, "poll has seen something else")
                    .expected(names(wanted))
                    .got(names(happened)));
            }
        }
        Ok(Answer::ok(ready))
    }

    /// All that holds of a socket now.
    fn ready(&mut self, number: i64) -> i64 {
        self.scene.sockets.get(number).map_or(NVAL, |socket| self.scene.host.ready(socket.id))
    }
}

/// Events as a script writes them.
fn names(events: i64) -> String {
    let all = [
        (IN, "POLLIN"),
        (PRI, "POLLPRI"),
        (OUT, "POLLOUT"),
        (ERR, "POLLERR"),
        (HUP, "POLLHUP"),
        (NVAL, "POLLNVAL"),
        (RDNORM, "POLLRDNORM"),
        (WRNORM, "POLLWRNORM"),
        (RDHUP, "POLLRDHUP"),
    ];
    let set: Vec<&str> = all.iter().filter(|(bit, _)| events & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "0".into() } else { set.join("|") }
}
