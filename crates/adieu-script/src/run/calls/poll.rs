//! Waiting for sockets.

use std::time::Duration;

use adieu_core::State;

use super::{Answer, Context, Made};
use crate::ast::Value;
use crate::run::failure::{Failure, Kind};
use crate::run::sockets::Is;
use crate::run::values::{field, number_or};

const IN: i64 = 1;
const OUT: i64 = 4;
const ERR: i64 = 8;
const HUP: i64 = 0x10;
const NVAL: i64 = 0x20;
const RDNORM: i64 = 0x40;
const WRNORM: i64 = 0x100;
const RDHUP: i64 = 0x2000;

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
        let over =
            timeout >= 0 && self.machine.now() >= self.progress.began + Duration::from_millis(timeout.unsigned_abs());
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
        let Some(socket) = self.sockets.get(number) else { return NVAL };
        let handle = match socket.is {
            Is::Fresh => return OUT | HUP | WRNORM,
            Is::Listening(listener, _) => {
                return if self.machine.stack.is_acceptable(listener) { IN | RDNORM } else { 0 };
            }
            Is::Stream(handle) => handle,
        };
        let stack = &self.machine.stack;
        let mut happened = 0;
        if stack.receipt(handle).is_none() && matches!(stack.state(handle), State::SynSent | State::SynReceived) {
            return 0;
        }
        let end = stack.peek(handle, &mut [0; 1]);
        if !matches!(end, Err(adieu_core::ReadError::Blocked)) {
            happened |= IN | RDNORM;
        }
        let finished =
            matches!(stack.state(handle), State::CloseWait | State::Closing | State::LastAck | State::TimeWait);
        let over = stack.receipt(handle).is_some();
        if finished || over {
            happened |= RDHUP;
        }
        let shut = matches!(
            stack.state(handle),
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait
        );
        if stack.room(handle) > 0 || shut || over {
            happened |= OUT | WRNORM;
        }
        if over || (finished && shut) {
            happened |= HUP;
        }
        if self.sockets.has_error(number, self.machine) {
            happened |= ERR;
        }
        happened
    }
}

/// Events as a script writes them.
fn names(events: i64) -> String {
    let all = [
        (IN, "POLLIN"),
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
