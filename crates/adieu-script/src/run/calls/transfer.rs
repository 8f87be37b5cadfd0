//! Reading and writing.

use super::{Answer, Context, Made};
use crate::ast::{Spanned, Value};
use crate::run::failure::{Failure, Kind};
use crate::run::flows::pattern;
use crate::run::host::Id;
use crate::run::values::{field, number_or};

/// More than any script needs, so that none makes us hold a machine's memory.
const MOST: i64 = 64 * 1024 * 1024;
const MSG_OOB: i64 = 1;
const MSG_PEEK: i64 = 2;
const MSG_DONTWAIT: i64 = 0x40;

impl Context<'_> {
    /// How many bytes, and with which flags, by the form of the call.
    fn amount(&self) -> Result<(usize, i64), Box<Failure>> {
        let arguments = &self.call.arguments;
        let (bytes, flags) = match self.call.name.value.as_str() {
            "readv" | "writev" => (self.vectors(self.argument(1)?)?, 0),
            "recvmsg" | "sendmsg" => {
                let message = self.argument(1)?;
                let vectors = field(&message.value, "msg_iov", usize::MAX)
                    .ok_or_else(|| Failure::meaning(message.span, "msg_iov is needed here"))?;
                (self.vectors(vectors)?, number_or(arguments.get(2), 0)?)
            }
            _ => (self.number(2)?, number_or(arguments.get(3), 0)?),
        };
        if !(0..=MOST).contains(&bytes) {
            return Err(Failure::meaning(self.call.span, format!("0 to {MOST} bytes can be read or written at once")));
        }
        Ok((usize::try_from(bytes).unwrap_or(0), flags))
    }

    /// The sum of `[{..., 1000}, {..., 500}]`.
    fn vectors(&self, argument: &Spanned<Value>) -> Result<i64, Box<Failure>> {
        let needed = || Failure::meaning(argument.span, "a list such as [{..., 1000}] is needed here");
        let Value::List(list) = &argument.value else { return Err(needed()) };
        let mut all = 0_i64;
        for vector in list {
            let length = field(&vector.value, "iov_len", 1).ok_or_else(needed)?;
            all = all.saturating_add(number_or(Some(length), 0)?);
        }
        Ok(all)
    }

    /// Socket `number`, and whether it must not block.
    fn socket_of(&mut self, number: i64) -> Option<(Id, bool)> {
        self.scene.sockets.get(number).map(|socket| (socket.id, socket.nonblocking))
    }

    pub(super) fn receive(&mut self) -> Made {
        let (most, flags) = self.amount()?;
        let number = self.number(0)?;
        let Some((id, nonblocking)) = self.socket_of(number) else { return Ok(Answer::error("EBADF")) };
        if flags & MSG_OOB != 0 {
            // Urgent data is in line with all other.
            return Ok(Answer::error("EINVAL"));
        }
        let mut bytes = vec![0; most];
        let peek = flags & MSG_PEEK != 0;
        match self.scene.host.receive(id, &mut bytes, peek) {
            Ok(length) => {
                self.check_bytes(number, &bytes[..length], peek)?;
                Ok(Answer::ok(i64::try_from(length).unwrap_or(i64::MAX)))
            }
            Err("EAGAIN") => Ok(Answer::would_block(nonblocking || flags & MSG_DONTWAIT != 0)),
            Err(errno) => Ok(Answer::error(errno)),
        }
    }

    /// What comes in is numbered, so that a byte in the wrong place is seen.
    fn check_bytes(&mut self, number: i64, bytes: &[u8], peek: bool) -> Result<(), Box<Failure>> {
        let Some(socket) = self.scene.sockets.get(number) else { return Ok(()) };
        let first = socket.read.wrapping_add(1);
        let right = (first..).zip(bytes).all(|(number, byte)| pattern(number) == *byte);
        if !peek {
            socket.read = socket.read.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
        }
        if right {
            return Ok(());
        }
        Err(Failure::new(Kind::Result, self.call.span, "other bytes were read than the script has sent"))
    }

    pub(super) fn send(&mut self) -> Made {
        let (most, flags) = self.amount()?;
        let number = self.number(0)?;
        let Some((id, nonblocking)) = self.socket_of(number) else { return Ok(Answer::error("EBADF")) };
        let Some(flow) = self.scene.host.flow(id) else { return Ok(Answer::error("ENOTCONN")) };
        let begins = self.scene.flows.of(&flow).map_or(0, |numbered| numbered.written.len());
        if begins > usize::try_from(MOST).unwrap_or(usize::MAX) {
            return Err(Failure::meaning(self.call.span, format!("a script may write {MOST} bytes in all")));
        }
        let rest = most - self.progress.written;
        let bytes: Vec<u8> = (begins..begins + rest).map(|n| (n % 241) as u8).collect();
        let taken = match self.scene.host.send(id, &bytes, flags & MSG_OOB != 0) {
            Ok(taken) => taken,
            Err("EAGAIN") => 0,
            Err(errno) => return Ok(Answer::error(errno)),
        };
        if let Some(numbered) = self.scene.flows.of(&flow) {
            numbered.written.extend(&bytes[..taken]);
        }
        self.progress.written += taken;
        let done = i64::try_from(self.progress.written).unwrap_or(i64::MAX);
        let nonblocking = nonblocking || flags & MSG_DONTWAIT != 0;
        Ok(match (self.progress.written == most, nonblocking) {
            (true, _) => Answer::ok(done),
            (false, true) if done > 0 => Answer::ok(done),
            (false, nonblocking) => Answer::would_block(nonblocking),
        })
    }
}
