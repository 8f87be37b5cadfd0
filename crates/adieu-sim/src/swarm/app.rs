//! The applications: they write, read, close and abort as their programs say, and check what they are told at once.

use adieu_core::{Duration, Ending, Events, HandleId, Instant, ReadError, State, WriteError};
use adieu_trace::Side;

use super::ends::{App, Ends, byte};
use super::instant::Instants;
use super::plan::{Deed, Impatience, Reading};
use crate::World;
use crate::coverage::{Call, Linger, Watcher};

/// One application's turn.
pub(super) struct Turn<'a> {
    pub(super) world: &'a mut World,
    pub(super) ends: &'a mut Ends,
    pub(super) watcher: &'a mut Watcher,
    pub(super) instants: &'a mut Instants,
    pub(super) at: usize,
}

impl Turn<'_> {
    fn now(&self) -> Instant {
        self.world.now()
    }

    /// What its host's clock says.
    fn clock(&self) -> Instant {
        self.world.time(self.side())
    }

    pub(super) fn side(&self) -> Side {
        self.ends.get(self.at).side
    }

    fn app(&mut self) -> &mut App {
        &mut self.ends.get_mut(self.at).app
    }

    fn handle(&self) -> Option<HandleId> {
        self.ends.get(self.at).app.handle
    }

    pub(super) fn fail(&self, what: &str) -> ! {
        panic!("{what}: end {} at {:?}: {:#?}", self.at, self.now(), self.ends.get(self.at));
    }

    /// It was told that something happened: those who read eagerly do, and those who have nothing more to do go.
    pub(super) fn react(&mut self) {
        if self.handle().is_none() {
            return;
        }
        self.app().told = Events::default();
        if self.reads_now() {
            self.read(usize::MAX);
        }
        self.close_if_done();
    }

    fn reads_now(&mut self) -> bool {
        let now = self.now();
        let app = self.app();
        match app.program.reading {
            Reading::Eager => true,
            Reading::Slow(_) => false,
            Reading::After(time) => now >= app.started + time,
        }
    }

    /// It looks: writes something, reads something, and does what is due.
    pub(super) fn look(&mut self) {
        let now = self.now();
        let mut busy = false;
        if self.app().look <= now {
            busy |= self.write();
            if let Reading::Slow(most) = self.app().program.reading {
                busy |= self.read(most);
            }
        }
        self.react();
        while let Some((at, deed)) = self.due_deed() {
            if at > now {
                break;
            }
            self.app().deeds += 1;
            self.perform(deed);
        }
        let app = self.app();
        if app.look <= now {
            app.pause(now, busy);
        }
    }

    fn due_deed(&mut self) -> Option<(Instant, Deed)> {
        let app = self.app();
        let (at, deed) = *app.program.deeds.get(app.deeds).filter(|_| app.handle.is_some())?;
        Some((app.started + at, deed))
    }

    // ---- the calls ---------------------------------------------------------------------------------------------

    pub(super) fn perform(&mut self, deed: Deed) {
        let (now, side) = (self.now(), self.side());
        let Some(handle) = self.handle() else { return };
        self.note_drain(deed);
        let before = self.world.host(side).stack.receipt(handle);
        if before.is_none() {
            self.remember(deed, now);
        }
        let closes = matches!(deed, Deed::Close | Deed::CloseDrain(_) | Deed::Linger(..) | Deed::Release);
        let app = self.app();
        if closes && app.closed.is_none() {
            app.closed = Some(now);
        }
        if let Deed::LingerOver(impatience) = deed {
            return self.lose_patience(handle, impatience);
        }
        if let Some(call) = self.call(deed) {
            self.watcher.called(self.world, side, handle, call);
        }
        let asked = self.asked(deed, handle);
        let clock = self.clock();
        match deed {
            Deed::ShutDown => self.world.shut_down(side, handle),
            Deed::ShutDownRead(unwanted) => self.world.shut_down_read(side, handle, unwanted),
            Deed::Close => self.world.close(side, handle),
            Deed::CloseDrain(budget) => self.world.close_drain(side, handle, budget),
            Deed::ZeroLinger => self.world.host(side).stack.set_zero_linger(clock, handle, true),
            Deed::Linger(patience, then) => self.linger(handle, patience, then),
            Deed::Abort => self.world.abort(side, handle),
            Deed::Release => {
                self.release();
                return self.check_asked(handle, asked);
            }
            Deed::LingerOver(_) => {}
        }
        self.see_state();
        self.check_asked(handle, asked);
        let after = self.world.host(side).stack.receipt(handle);
        if before.is_some() && before.map(|r| r.ending) != after.map(|r| r.ending) {
            self.fail("INV-6: a call has changed an ending");
        }
        if deed == Deed::Abort && after.is_none() {
            self.fail("1.2.2: an abort leaves the connection alive");
        }
    }

    /// What the call is to those who count.
    fn call(&mut self, deed: Deed) -> Option<Call> {
        let linger = if self.app().zero_linger { Linger::Zero } else { Linger::Off };
        Some(match deed {
            Deed::ShutDown => Call::ShutDown,
            Deed::ShutDownRead(_) => Call::ShutDownRead,
            Deed::Close => Call::Close(linger),
            Deed::Linger(..) => Call::Close(if linger == Linger::Zero { linger } else { Linger::For }),
            Deed::CloseDrain(_) => Call::CloseDrain,
            Deed::Release => Call::Release(linger),
            Deed::Abort => Call::Abort,
            Deed::ZeroLinger | Deed::LingerOver(_) => return None,
        })
    }

    /// A full close, and patience for some time.
    fn linger(&mut self, handle: HandleId, patience: Duration, then: Impatience) {
        let (now, side) = (self.now(), self.side());
        self.world.close(side, handle);
        let app = self.app();
        let over = (now + patience).since(app.started);
        let deeds = &mut app.program.deeds;
        let place = app.deeds + deeds[app.deeds..].partition_point(|(at, _)| *at <= over);
        deeds.insert(place, (over, Deed::LingerOver(then)));
    }

    /// That time is over: what is not acknowledged will not be waited for (LM-6).
    fn lose_patience(&mut self, handle: HandleId, then: Impatience) {
        let side = self.side();
        let stack = &self.world.host(side).stack;
        if stack.is_finished(handle) || stack.receipt(handle).is_some() || self.app().drains {
            return;
        }
        match then {
            Impatience::Continue => self.watcher.called(self.world, side, handle, Call::LingerContinued),
            Impatience::Abort => {
                self.watcher.called(self.world, side, handle, Call::LingerExpired);
                self.app().impatient = true;
                self.world.linger_expired(side, handle);
                if self.world.host(side).stack.receipt(handle).is_none() {
                    self.fail("LM-6: an abort leaves the connection alive");
                }
            }
        }
        self.see_state();
    }

    /// What the application has done, before it is done.
    fn remember(&mut self, deed: Deed, now: Instant) {
        let app = self.app();
        match deed {
            Deed::Abort => app.aborted = true,
            Deed::LingerOver(_) => {}
            Deed::ZeroLinger => app.zero_linger = true,
            Deed::ShutDownRead(_) => app.deaf = true,
            Deed::ShutDown | Deed::Close | Deed::CloseDrain(_) | Deed::Linger(..) | Deed::Release => {
                app.worked = if app.shut { app.worked } else { now };
                app.half_closed |= deed == Deed::ShutDown;
                app.drains |= matches!(deed, Deed::CloseDrain(_));
                app.shut = true;
            }
        }
    }

    /// The state that a call has led to.
    fn see_state(&mut self) {
        let end = self.ends.get(self.at);
        if self.ends.youngest(end.side, &end.flow) == Some(self.at) {
            let (side, flow) = (end.side, end.flow);
            let state = self.world.host(side).stack.flow_state(&flow);
            let end = self.ends.get_mut(self.at);
            // An attempt that is given up leaves the record as it was that it had begun over (TW-9).
            end.gone |= matches!(end.state, State::SynSent | State::SynReceived) && state == State::TimeWait;
            end.state = if end.gone { State::Closed } else { state };
        }
    }

    fn release(&mut self) {
        let side = self.side();
        let Some(handle) = self.app().handle.take() else { return };
        self.world.release(side, handle);
        if self.world.host(side).stack.receipt(handle).is_some() || self.world.host(side).stack.flow(handle).is_some() {
            self.fail("1.16: a handle outlives its release");
        }
        self.app().released = true;
        self.see_state();
    }

    /// Writes one piece; whether any of it was taken.
    fn write(&mut self) -> bool {
        let (now, clock, side, at) = (self.now(), self.clock(), self.side(), self.at);
        let app = self.app();
        let Some(handle) = app.handle else { return false };
        let most = app.program.piece.min(app.program.total.saturating_sub(app.written));
        if most == 0 {
            return false;
        }
        let (from, len) = (app.written, app.dice.range(1, most));
        let piece: Vec<u8> = (from..from + len).map(|offset| byte(at, offset)).collect();
        let stack = &mut self.world.host(side).stack;
        let room = stack.room(handle);
        let over = stack.receipt(handle).is_some();
        let result = stack.write(clock, handle, &piece);
        let shown = stack.receipt(handle).map(|receipt| receipt.ending);
        let shut = self.app().shut;
        match result {
            Ok(n) => {
                if n == 0 || n != room.min(piece.len()) || shut || over {
                    self.fail("AP-3: a write was taken that must not be");
                }
                let app = self.app();
                app.written += n as u64;
                app.worked = now;
                return true;
            }
            Err(WriteError::Blocked) if room == 0 && shown.is_none() => {}
            Err(WriteError::ShutDown) if shut => {}
            Err(WriteError::Ended(ending)) if shown == Some(ending) => self.told(ending),
            Err(error) => self.fail(&format!("1.14: write says {error:?}, room {room}, ending {shown:?}")),
        }
        false
    }

    /// An error has named an ending: it names the same one each time (AP-4).
    fn told(&mut self, ending: Ending) {
        if self.app().failed.is_some_and(|before| before != ending) {
            self.fail("INV-6: an application was told two endings");
        }
        self.app().failed = Some(ending);
    }

    /// Reads up to `most` bytes, or all there is; whether anything came.
    fn read(&mut self, most: usize) -> bool {
        let (clock, side) = (self.clock(), self.side());
        let mut buffer = [0; 4096];
        let mut any = false;
        while let Some(handle) = self.handle() {
            let room = buffer.len().min(most);
            match self.world.host(side).stack.read(clock, handle, &mut buffer[..room]) {
                Ok(0) => {
                    self.at_end();
                    break;
                }
                Ok(n) => {
                    any = true;
                    self.heard(&buffer[..n]);
                }
                Err(ReadError::Blocked) => {
                    if self.app().saw_end || self.app().failed.is_some() {
                        self.fail("AP-2: an end of stream or an error is not sticky");
                    }
                    break;
                }
                Err(ReadError::Ended(ending)) => {
                    let own = matches!(ending, Ending::Aborted { .. });
                    if self.app().saw_end && !own && self.app().closed.is_none() {
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

    /// INV-1, INV-8: what was read goes on where the stream of this connection's peer was left off.
    fn heard(&mut self, bytes: &[u8]) {
        let Some(writer) = self.ends.writer(self.at) else { self.fail("INV-8: bytes from nobody") };
        let written = self.ends.get(writer).app.written;
        let app = self.app();
        let from = app.read;
        let same = (from..).zip(bytes).all(|(offset, got)| *got == byte(writer, offset));
        app.read += bytes.len() as u64;
        if app.read > written || !same {
            self.fail("INV-1: bytes that the peer's application has not written");
        }
        let app = self.app();
        if app.saw_end || app.closed.is_some() || app.deaf {
            self.fail("INV-2: bytes after the end of the stream, or after a full close");
        }
    }

    /// INV-2, INV-3: the end of the stream only after every byte, and only where the writer closed gracefully.
    fn at_end(&mut self) {
        if self.app().closed.is_some() || self.app().deaf {
            return; // Our own doing: nothing is said of the peer.
        }
        let peer = self.ends.writer(self.at).map(|writer| &self.ends.get(writer).app);
        let whole = peer.is_some_and(|peer| peer.shut && peer.written == self.ends.get(self.at).app.read);
        self.app().saw_end = true;
        if !whole {
            self.fail("INV-2: an end of stream before the stream's end");
        }
    }

    /// A gentle application's way out: all written, all read, all closed. Every application goes once it has failed.
    fn close_if_done(&mut self) {
        let side = self.side();
        let Some(handle) = self.handle() else { return };
        let opening = self.world.host(side).stack.state(handle) == State::SynSent;
        let app = self.app();
        let done = app.written == app.program.total;
        let gentle = app.program.is_gentle();
        if gentle && done && !opening && !app.shut && (app.program.shut_down_early || app.saw_end) {
            self.perform(Deed::ShutDown);
        }
        let app = self.app();
        let over = app.saw_end && app.shut || app.failed.is_some();
        if gentle && over {
            if app.closed.is_none() && app.failed.is_none() && app.dice.chance(50) {
                return self.perform(Deed::Close);
            }
            let ended = self.world.host(side).stack.receipt(handle).is_some();
            if ended || self.app().dice.chance(20) {
                self.perform(Deed::Release);
            }
        }
    }

    /// L8: whoever could go on was told so.
    pub(super) fn check_told(&mut self) {
        let side = self.side();
        let Some(handle) = self.handle() else { return };
        let app = self.app();
        let waits = app.program.is_gentle() && matches!(app.program.reading, Reading::Eager) && !app.deaf;
        let told = app.told;
        let unread = self.world.host(side).stack.unread(handle);
        if waits && unread > 0 && app_is_open(self.app()) {
            self.fail(&format!("L8: {unread} bytes are here, and its reader was not told; it heard {told:?}"));
        }
    }
}

fn app_is_open(app: &App) -> bool {
    app.closed.is_none() && app.failed.is_none() && !app.saw_end
}
