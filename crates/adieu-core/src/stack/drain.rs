//! The exit of a program: full close of everything, then a reset for what remains (OR-6); and what ends when an
//! address, or the device, goes (3.35).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::tombstones::Tombstones;
use super::{Flow, Owner, Stack};
use crate::connection::Now;
use crate::connection::close::State;
use crate::connection::ending::{Cause, Ending, Released};
use crate::opening::Pending;
use crate::time::Instant;

impl Stack {
    /// Closes every listener, every connection and every attempt. What was written still goes out; received bytes that
    /// nobody has read make it a reset, as with every full close (UD-1). Run the stack on until
    /// [`is_drained`](Self::is_drained), or until patience ends with [`abort_all`](Self::abort_all).
    pub fn close_all(&mut self, now: Instant) {
        self.advance(now);
        self.unlisten_all();
        for number in self.all_openings() {
            self.close_opening_number(number, Pending::Close);
        }
        for number in self.all_connections() {
            let now = Now::of(self.now, &self.config, self.held);
            if let Some(slot) = self.connections.get_mut(number) {
                slot.is.close(now);
                self.after_connection(number);
                self.account(number);
            }
        }
    }

    /// Gives up every connection that has not ended, with a reset each.
    pub fn abort_all(&mut self, now: Instant) {
        self.advance(now);
        self.unlisten_all();
        for number in self.all_openings() {
            let given_up = self.openings.get(number).map(|slot| slot.is.given_up(Cause::StackShutdown));
            let reset = matches!(given_up, Some(Ending::Aborted { .. }));
            if let Some(ending) = given_up {
                self.fail_opening(number, ending, reset);
            }
        }
        for number in self.all_connections() {
            self.remove_connection(number, Cause::StackShutdown, true);
        }
        for number in self.abandoned.iter().map(|(number, _, _)| number).collect::<Vec<_>>() {
            self.abort_abandoned(number, Cause::StackShutdown, true);
        }
    }

    /// Whether every connection has ended. Records in TIME-WAIT may remain; they only answer.
    pub fn is_drained(&self) -> bool {
        let live = self.openings.len() + self.abandoned.len();
        live == 0 && self.connections.iter().all(|(_, slot)| slot.is.ended().is_some())
    }

    fn unlisten_all(&mut self) {
        for listener in self.listeners.all() {
            self.unlisten(self.now, listener);
        }
    }

    /// Openings of the application; those of listeners go with the listeners.
    fn all_openings(&self) -> Vec<u32> {
        let ours = self.openings.iter().filter(|(_, slot)| !matches!(slot.owner, Owner::Listener(_)));
        ours.map(|(number, _)| number).collect()
    }

    fn all_connections(&self) -> Vec<u32> {
        self.connections.iter().filter(|(_, slot)| slot.is.ended().is_none()).map(|(number, _)| number).collect()
    }

    // ---- an address, or the device, goes (3.35; ET-6) ----------------------------------------------------------

    /// An address is ours no more: what has it ends with [`Cause::AddressRemoved`], its records in TIME-WAIT and in
    /// quarantine go, too. Where packets from it can still leave (`reachable`), the next polls bring a reset for each
    /// connection. Listeners stay: they have what they listen at back when the address comes back.
    pub fn remove_address(&mut self, now: Instant, address: IpAddr, reachable: bool) {
        self.advance(now);
        self.config.addresses.retain(|ours| *ours != address);
        self.remove(Cause::AddressRemoved, reachable, |flow| flow.local_address == address);
    }

    /// The device is gone: everything ends with [`Cause::InterfaceRemoved`], and nothing is sent any more of what was
    /// before. Listeners stay.
    pub fn device_gone(&mut self, now: Instant) {
        self.advance(now);
        self.remove(Cause::InterfaceRemoved, false, |_| true);
        self.tombstones = Tombstones::new();
        self.replies.clear();
    }

    /// Ends all that has such a flow, with a reset or in silence; no record of it stays.
    fn remove(&mut self, cause: Cause, reset: bool, has: impl Fn(&Flow) -> bool) {
        let openings = self.openings.iter().filter(|(_, slot)| has(&slot.flow));
        for number in openings.map(|(number, _)| number).collect::<Vec<_>>() {
            self.remove_opening(number, cause, reset);
        }
        let connections = self.connections.iter().filter(|(_, slot)| slot.indexed && has(&slot.flow));
        for number in connections.map(|(number, _)| number).collect::<Vec<_>>() {
            self.remove_connection(number, cause, reset);
        }
        let abandoned = self.abandoned.iter().filter(|(_, flow, _)| has(flow));
        for number in abandoned.map(|(number, _, _)| number).collect::<Vec<_>>() {
            self.abort_abandoned(number, cause, reset);
        }
        let records = self.waits.iter().filter(|(_, flow, _)| has(flow));
        for number in records.map(|(number, _, _)| number).collect::<Vec<_>>() {
            self.drop_record(number, Released::Immediately);
        }
    }

    /// A SYN that was not answered calls for no reset (AB-1).
    fn remove_opening(&mut self, number: u32, cause: Cause, reset: bool) {
        if let Some(state) = self.openings.get(number).map(|slot| slot.is.state()) {
            self.fail_opening(number, Ending::Aborted { cause, state }, reset && state != State::SynSent);
        }
    }

    fn remove_connection(&mut self, number: u32, cause: Cause, reset: bool) {
        let now = Now::of(self.now, &self.config, self.held);
        let Some(slot) = self.connections.get_mut(number) else { return };
        match reset {
            true => slot.is.abort(now, cause),
            false => slot.is.vanish(now, cause),
        }
        self.after_connection(number);
    }

    /// Gives up what is left of an orphan in FIN-WAIT-2.
    fn abort_abandoned(&mut self, number: u32, cause: Cause, reset: bool) {
        let farewell = self.abandoned.get(number).filter(|_| reset).map(|record| record.reset(self.now));
        self.end_abandoned(number, Ending::Aborted { cause, state: State::FinWait2 }, farewell);
    }
}
