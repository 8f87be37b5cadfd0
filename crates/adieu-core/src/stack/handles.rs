//! Calls of the application for a handle.

use bytes::Bytes;

use super::index::Stage;
use super::{At, Flow, HandleId, Owner, Slot, Stack};
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Receipt, RecvSide, SendSide};
use crate::connection::{Connection, DrainBudget, Events, ReadError, Unwanted, WriteError};
use crate::opening::Pending;
use crate::time::Instant;

impl Stack {
    /// Takes the next handle with something to look at, and what.
    pub fn poll_notified(&mut self) -> Option<(HandleId, Events)> {
        while let Some(handle) = self.notified.pop_front() {
            if let Some(entry) = self.handle_mut(handle) {
                entry.notified = false;
                return Some((handle, core::mem::take(&mut entry.events)));
            }
        }
        None
    }

    /// Takes as much of `data` as there is room for; see [`Connection::write`].
    pub fn write(&mut self, now: Instant, handle: HandleId, data: &[u8]) -> Result<usize, WriteError> {
        let written = self.with(now, handle, |connection, now| connection.write(now, data));
        written.unwrap_or_else(|| Err(self.not_writable(handle)))
    }

    /// Takes `data` over without a copy; see [`Connection::write_chunk`].
    pub fn write_chunk(&mut self, now: Instant, handle: HandleId, data: Bytes) -> Result<(), (WriteError, Bytes)> {
        let mut data = Some(data);
        let written =
            self.with(now, handle, |connection, now| connection.write_chunk(now, data.take().unwrap_or_default()));
        written.unwrap_or_else(|| Err((self.not_writable(handle), data.unwrap_or_default())))
    }

    /// Fills the front of `out`; see [`Connection::read`].
    pub fn read(&mut self, now: Instant, handle: HandleId, out: &mut [u8]) -> Result<usize, ReadError> {
        let read = self.reading(now, handle, |connection| connection.read(out));
        read.unwrap_or_else(|| self.nothing_to_read(handle).map(|()| 0))
    }

    /// Fills the front of `out` and takes nothing; see [`Connection::peek`].
    pub fn peek(&self, handle: HandleId, out: &mut [u8]) -> Result<usize, ReadError> {
        match self.connection_of(handle) {
            Some(slot) => slot.is.peek(out),
            None => self.nothing_to_read(handle).map(|()| 0),
        }
    }

    /// Bytes in order that wait to be read.
    pub fn unread(&self, handle: HandleId) -> u64 {
        self.connection_of(handle).map_or(0, |slot| slot.is.unread())
    }

    /// Takes up to `most` bytes without a copy; see [`Connection::read_chunk`].
    pub fn read_chunk(&mut self, now: Instant, handle: HandleId, most: usize) -> Result<Option<Bytes>, ReadError> {
        let read = self.reading(now, handle, |connection| connection.read_chunk(most));
        read.unwrap_or_else(|| self.nothing_to_read(handle).map(|()| None))
    }

    /// Why a handle without a connection has nothing to read: not yet, never, or because it was closed (AP-11).
    fn nothing_to_read(&self, handle: HandleId) -> Result<(), ReadError> {
        let opening = self.opening_of(handle).and_then(|(number, _)| self.openings.get(number));
        match self.failed(handle) {
            Some(ending) => Err(ReadError::Ended(ending)),
            None if opening.is_some_and(|slot| slot.is.pending() == Pending::Close || slot.is.unwanted().is_some()) => {
                Ok(())
            }
            None => Err(ReadError::Blocked),
        }
    }

    /// Why a handle without a connection cannot be written to: not yet, or never.
    pub(super) fn not_writable(&self, handle: HandleId) -> WriteError {
        let blocked = if self.is_to_close(handle) { WriteError::ShutDown } else { WriteError::Blocked };
        self.failed(handle).map_or(blocked, WriteError::Ended)
    }

    fn failed(&self, handle: HandleId) -> Option<Ending> {
        self.receipt(handle).map(|receipt| receipt.ending)
    }

    /// Half-close: no more data from us; see [`Connection::shut_down`].
    /// Before the handshake is answered there is nothing to half-close: the attempt is cancelled (CL-3).
    pub fn shut_down(&mut self, now: Instant, handle: HandleId) {
        self.advance(now);
        if !self.close_opening(handle, Pending::ShutDown) {
            self.with(now, handle, |connection, now| connection.shut_down(now));
        }
    }

    /// No more reading; see [`Connection::shut_down_read`].
    pub fn shut_down_read(&mut self, now: Instant, handle: HandleId, unwanted: Unwanted) {
        let opening = self.opening_of(handle).and_then(|(number, _)| self.openings.get_mut(number));
        if let Some(slot) = opening {
            return slot.is.refuse(unwanted);
        }
        self.with(now, handle, |connection, now| connection.shut_down_read(now, unwanted));
    }

    /// Full close that survives unread input; see [`Connection::close_drain`]. An attempt is given up as with
    /// [`close`](Self::close).
    pub fn close_drain(&mut self, now: Instant, handle: HandleId, budget: DrainBudget) {
        self.advance(now);
        if !self.close_opening(handle, Pending::Close) {
            self.with(now, handle, |connection, now| connection.close_drain(now, budget));
        }
    }

    /// What became of both directions so far; `None` where there is no connection yet, or never was one.
    pub fn sides(&self, handle: HandleId) -> Option<(SendSide, RecvSide)> {
        let connection = &self.connection_of(handle)?.is;
        Some((connection.send_side(), connection.recv_side()))
    }

    /// Full close; the handle stays, for the receipt. See [`Connection::close`].
    pub fn close(&mut self, now: Instant, handle: HandleId) {
        self.advance(now);
        if !self.close_opening(handle, Pending::Close) {
            self.with(now, handle, |connection, now| connection.close(now));
        }
    }

    /// Closes what is not a connection yet: at once in SYN-SENT, once established in SYN-RECEIVED (CL-3, CL-4). Whether
    /// there was such a thing.
    fn close_opening(&mut self, handle: HandleId, how: Pending) -> bool {
        let opening = self.opening_of(handle).map(|(number, _)| number);
        opening.is_some_and(|number| self.close_opening_number(number, how))
    }

    pub(super) fn close_opening_number(&mut self, number: u32, how: Pending) -> bool {
        let Some(slot) = self.openings.get_mut(number) else { return false };
        match slot.is.state() {
            State::SynSent => self.fail_opening(number, Ending::Cancelled { state: State::SynSent }, false),
            state if how == Pending::Close && slot.is.zero_linger() => {
                self.fail_opening(number, Ending::Aborted { cause: Cause::LingerZero, state }, true);
            }
            _ => slot.is.defer(how),
        }
        true
    }

    /// Whether a full close gives the connection up with a reset instead (`SO_LINGER` with 0 s). Default: no.
    pub fn set_zero_linger(&mut self, now: Instant, handle: HandleId, zero: bool) {
        let opening = self.opening_of(handle).and_then(|(number, _)| self.openings.get_mut(number));
        match opening {
            Some(slot) => slot.is.set_zero_linger(zero),
            None => _ = self.with(now, handle, |connection, _| connection.set_zero_linger(zero)),
        }
    }

    /// Gives the connection up with a reset; see [`Connection::abort`].
    pub fn abort(&mut self, now: Instant, handle: HandleId) {
        self.abort_because(now, handle, Cause::AbortCall);
    }

    /// Gives up a closed connection with a reset, because not all of it was acknowledged within the time that its
    /// application would wait (`SO_LINGER`; LM-6).
    pub fn linger_expired(&mut self, now: Instant, handle: HandleId) {
        self.abort_because(now, handle, Cause::LingerExpired);
    }

    fn abort_because(&mut self, now: Instant, handle: HandleId, cause: Cause) {
        self.advance(now);
        let opening =
            self.opening_of(handle).and_then(|(number, state)| Some((number, state, self.openings.get(number)?)));
        match opening.map(|(number, state, slot)| (number, state, slot.is.given_up(cause))) {
            Some((number, state, ending)) => self.fail_opening(number, ending, state == State::SynReceived),
            None => _ = self.with(now, handle, |connection, now| connection.abort(now, cause)),
        }
    }

    /// Lets the handle go: a full close, if there was none, which goes on without it (CL-11).
    pub fn release(&mut self, now: Instant, handle: HandleId) {
        self.advance(now);
        if !self.close_opening(handle, Pending::Close) {
            self.with(now, handle, |connection, now| connection.dropped(now));
        }
        if self.handle_mut(handle).is_none() {
            return;
        }
        match self.handles.remove(handle.number).map(|entry| entry.at) {
            Some(At::Opening(number)) => {
                if let Some(slot) = self.openings.get_mut(number) {
                    slot.owner = Owner::Nobody;
                }
            }
            Some(At::Connection(number)) => {
                if let Some(slot) = self.connections.get_mut(number) {
                    slot.owner = Owner::Nobody;
                    self.after_connection(number);
                    self.account(number);
                }
            }
            Some(At::Failed(_)) | None => {}
        }
    }

    /// The state of a handle's connection: CLOSED once it has ended, TIME-WAIT while its record stays.
    pub fn state(&self, handle: HandleId) -> State {
        match self.handle(handle).map(|entry| &entry.at) {
            Some(At::Opening(number)) => self.openings.get(*number).map_or(State::Closed, |slot| slot.is.state()),
            Some(At::Connection(number)) => {
                self.connections.get(*number).map_or(State::Closed, |slot| self.state_of(slot))
            }
            Some(At::Failed(_)) | None => State::Closed,
        }
    }

    fn state_of(&self, slot: &Slot<Connection>) -> State {
        match slot.is.ended() {
            None => slot.is.state(),
            Some(_) if self.has_record(slot) => State::TimeWait,
            Some(_) => State::Closed,
        }
    }

    /// The state of whatever has this flow now, handle or not.
    pub fn flow_state(&self, flow: &Flow) -> State {
        let Some(tag) = self.find(flow) else { return State::Closed };
        match tag.stage() {
            Stage::Opening => self.openings.get(tag.number()).map_or(State::Closed, |slot| slot.is.state()),
            Stage::Connection => {
                let live = self.connections.get(tag.number()).filter(|slot| slot.is.ended().is_none());
                live.map_or(State::Closed, |slot| slot.is.state())
            }
            Stage::Record => {
                let waits = self.waits.get(tag.number()).is_some_and(|record| record.wait().is_time_wait());
                if waits { State::TimeWait } else { State::Closed }
            }
            Stage::Abandoned => State::FinWait2,
        }
    }

    /// Both ends of a handle's connection; `None` where it never became one, or the handle is not known.
    pub fn flow(&self, handle: HandleId) -> Option<Flow> {
        match self.handle(handle)?.at {
            At::Opening(number) => self.openings.get(number).map(|slot| slot.flow),
            At::Connection(number) => self.connections.get(number).map(|slot| slot.flow),
            At::Failed(_) => None,
        }
    }

    /// Whether every byte written, and the FIN, is at the peer's TCP.
    pub fn is_finished(&self, handle: HandleId) -> bool {
        self.connection_of(handle).is_some_and(|slot| slot.is.is_finished())
    }

    /// Bytes written that the peer's TCP has not acknowledged; 0 where there is no connection.
    pub fn unacknowledged(&self, handle: HandleId) -> u64 {
        self.connection_of(handle).map_or(0, |slot| slot.is.unacknowledged())
    }

    /// Bytes that [`write`](Self::write) would take now.
    pub fn room(&self, handle: HandleId) -> usize {
        self.connection_of(handle).map_or(0, |slot| slot.is.room(self.step()))
    }

    /// The receipt of a handle's connection, once it has ended.
    pub fn receipt(&self, handle: HandleId) -> Option<Receipt> {
        match &self.handle(handle)?.at {
            At::Opening(_) => None,
            At::Connection(number) => self.connections.get(*number)?.is.receipt(),
            At::Failed(receipt) => Some(**receipt),
        }
    }

    /// The receipts of connections that have ended, handle or not: each once, in order, as they were at the ending.
    pub fn poll_receipt(&mut self) -> Option<(Flow, Receipt)> {
        self.receipts.pop_front()
    }
}
