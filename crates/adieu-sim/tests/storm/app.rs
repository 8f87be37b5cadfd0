//! The applications: they write, read, close and abort as their programs say, and check what they are told at once.

use adieu_core::{Ending, Instant, ReadError, State, WriteError};
use adieu_sim::World;
use adieu_sim::coverage::{Call, Linger, Watcher};
use adieu_trace::Side;

use crate::draw::{Deed, Dice, Reading};
use crate::ends::{Connection, byte};

/// One application's turn at one end of a connection.
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) dice: &'a mut Dice,
    pub(crate) watcher: &'a mut Watcher,
    pub(crate) side: Side,
    pub(crate) connection: &'a mut Connection,
}

impl Turn<'_> {
    fn now(&self) -> Instant {
        self.world.now()
    }

    fn fail(&self, what: &str) -> ! {
        let end = &self.connection.ends[self.side as usize];
        panic!("{what}: connection {} {:?} at {:?}: {end:#?}", self.connection.number, self.side, self.now());
    }

    /// Something happened: those who read eagerly do, and those who have nothing more to do go.
    pub(crate) fn react(&mut self) {
        let end = self.connection.end(self.side);
        if end.handle.is_none() {
            return;
        }
        if self.reads_now() {
            self.read(usize::MAX);
        }
        self.close_if_done();
    }

    fn reads_now(&mut self) -> bool {
        let now = self.now();
        let end = self.connection.end(self.side);
        match end.program.reading {
            Reading::Eager => true,
            Reading::Slow(_) => false,
            Reading::After(time) => now >= end.started + time,
        }
    }

    /// It looks: writes something, reads something, and does what is due.
    pub(crate) fn look(&mut self) {
        let (now, side) = (self.now(), self.side);
        let mut busy = false;
        if self.connection.end(side).look <= now {
            busy |= self.write();
            if let Reading::Slow(most) = self.connection.end(side).program.reading {
                busy |= self.read(most);
            }
        }
        self.react();
        while let Some((at, deed)) = self.due_deed() {
            if at > now {
                break;
            }
            self.connection.end(side).deeds += 1;
            self.perform(deed);
        }
        let end = self.connection.end(side);
        if end.look <= now {
            end.pause(now, busy, self.dice);
        }
    }

    fn due_deed(&mut self) -> Option<(Instant, Deed)> {
        let end = self.connection.end(self.side);
        let (at, deed) = *end.program.deeds.get(end.deeds).filter(|_| end.handle.is_some())?;
        Some((end.started + at, deed))
    }

    // ---- the calls ---------------------------------------------------------------------------------------------

    pub(crate) fn perform(&mut self, deed: Deed) {
        let (now, side) = (self.now(), self.side);
        let Some(handle) = self.connection.end(side).handle else { return };
        let before = self.world.host(side).stack.receipt(handle);
        let end = self.connection.end(side);
        if before.is_none() {
            end.aborted |= deed == Deed::Abort;
            if deed != Deed::Abort {
                end.worked = if end.shut { end.worked } else { now };
                end.half_closed |= deed == Deed::ShutDown;
                end.shut = true;
            }
        }
        if matches!(deed, Deed::Close | Deed::Release) && end.closed.is_none() {
            end.closed = Some(now);
        }
        let call = match deed {
            Deed::ShutDown => Call::ShutDown,
            Deed::Close => Call::Close(Linger::Off),
            Deed::Release => Call::Release(Linger::Off),
            Deed::Abort => Call::Abort,
        };
        self.watcher.calls(self.world, side, handle, call);
        match deed {
            Deed::ShutDown => self.world.shut_down(side, handle),
            Deed::Close => self.world.close(side, handle),
            Deed::Release => return self.release(),
            Deed::Abort => self.world.abort(side, handle),
        }
        let after = self.world.host(side).stack.receipt(handle);
        if before.is_some() && before.map(|r| r.ending) != after.map(|r| r.ending) {
            self.fail("INV-6: a call has changed an ending");
        }
        if deed == Deed::Abort && after.is_none() {
            self.fail("1.2.2: an abort leaves the connection alive");
        }
    }

    fn release(&mut self) {
        let side = self.side;
        let Some(handle) = self.connection.end(side).handle.take() else { return };
        self.world.release(side, handle);
        if self.world.host(side).stack.receipt(handle).is_some() || self.world.host(side).stack.flow(handle).is_some() {
            self.fail("a handle outlives its release");
        }
        self.connection.end(side).released = true;
    }

    /// Writes one piece; whether any of it was taken.
    fn write(&mut self) -> bool {
        let (now, side, number) = (self.now(), self.side, self.connection.number);
        let end = self.connection.end(side);
        let Some(handle) = end.handle else { return false };
        let most = end.program.piece.min(end.program.total.saturating_sub(end.written));
        if most == 0 {
            return false;
        }
        let (from, len) = (end.written, self.dice.range(1, most));
        let piece: Vec<u8> = (from..from + len).map(|offset| byte(number, side, offset)).collect();
        let stack = &mut self.world.host(side).stack;
        let room = stack.room(handle);
        let result = stack.write(now, handle, &piece);
        let shown = stack.receipt(handle).map(|receipt| receipt.ending);
        match result {
            Ok(n) => {
                if n == 0 || n != room.min(piece.len()) || self.connection.end(side).shut || shown.is_some() {
                    self.fail("AP-3: a write was taken that must not be");
                }
                let end = self.connection.end(side);
                end.written += n as u64;
                end.worked = now;
                return true;
            }
            Err(WriteError::Blocked) if room == 0 && shown.is_none() => {}
            Err(WriteError::ShutDown) if self.connection.end(side).shut => {}
            Err(WriteError::Ended(ending)) if shown == Some(ending) => self.told(ending),
            Err(error) => self.fail(&format!("1.14: write says {error:?}, room {room}, ending {shown:?}")),
        }
        false
    }

    /// An error has named an ending: it names the same one each time (AP-4).
    fn told(&mut self, ending: Ending) {
        let end = self.connection.end(self.side);
        if end.failed.is_some_and(|before| before != ending) {
            self.fail("INV-6: an application was told two endings");
        }
        end.failed = Some(ending);
    }

    /// Reads up to `most` bytes, or all there is; whether anything came.
    fn read(&mut self, most: usize) -> bool {
        let (now, side) = (self.now(), self.side);
        let mut buffer = [0; 4096];
        let mut any = false;
        while let Some(handle) = self.connection.end(side).handle {
            let room = buffer.len().min(most);
            match self.world.host(side).stack.read(now, handle, &mut buffer[..room]) {
                Ok(0) => {
                    self.at_end();
                    break;
                }
                Ok(n) => {
                    any = true;
                    self.heard(&buffer[..n]);
                }
                Err(ReadError::Blocked) => {
                    if self.connection.end(side).saw_end || self.connection.end(side).failed.is_some() {
                        self.fail("AP-2: an end of stream or an error is not sticky");
                    }
                    break;
                }
                Err(ReadError::Ended(ending)) => {
                    let own = matches!(ending, Ending::Aborted { .. });
                    if self.connection.end(side).saw_end && !own && self.connection.end(side).closed.is_none() {
                        self.fail("AP-5: an end of stream has become an error");
                    }
                    self.told(ending);
                    break;
                }
            }
            if most != usize::MAX {
                break;
            }
        }
        any
    }

    /// INV-1: what was read goes on where the peer's stream was left off.
    fn heard(&mut self, bytes: &[u8]) {
        let (side, number) = (self.side, self.connection.number);
        let written = self.connection.ends[side.other() as usize].written;
        let end = self.connection.end(side);
        let from = end.read;
        let same = (from..).zip(bytes).all(|(offset, got)| *got == byte(number, side.other(), offset));
        end.read += bytes.len() as u64;
        if end.read > written || !same {
            self.fail("INV-1: bytes that the peer's application has not written");
        }
        let end = self.connection.end(side);
        if end.saw_end || end.closed.is_some() {
            self.fail("INV-2: bytes after the end of the stream, or after a full close");
        }
    }

    /// INV-2, INV-3: the end of the stream only after every byte, and only where the writer closed gracefully.
    fn at_end(&mut self) {
        let side = self.side;
        if self.connection.end(side).closed.is_some() {
            return; // Our own full close: nothing is said of the peer.
        }
        let peer = &self.connection.ends[side.other() as usize];
        let (written, shut) = (peer.written, peer.shut);
        let end = self.connection.end(side);
        end.saw_end = true;
        if end.read != written || !shut {
            self.fail("INV-2: an end of stream before the stream's end");
        }
    }

    /// A gentle application's way out: all written, all read, all closed. Every application goes once it has failed.
    fn close_if_done(&mut self) {
        let side = self.side;
        let Some(handle) = self.connection.end(side).handle else { return };
        let opening = matches!(self.world.host(side).stack.state(handle), State::SynSent);
        let end = self.connection.end(side);
        let done = end.written == end.program.total;
        let gentle = end.program.is_gentle();
        if gentle && done && !opening && !end.shut && (end.program.shut_down_early || end.saw_end) {
            self.perform(Deed::ShutDown);
        }
        let end = self.connection.end(side);
        let over = end.saw_end && end.shut || end.failed.is_some();
        if gentle && over {
            if end.closed.is_none() && end.failed.is_none() && self.dice.chance(50) {
                return self.perform(Deed::Close);
            }
            let ended = self.world.host(side).stack.receipt(handle).is_some();
            if ended || self.dice.chance(20) {
                self.perform(Deed::Release);
            }
        }
    }
}
