//! The exit of a program: full close of everything, then a reset for what remains (OR-6).

use alloc::vec::Vec;

use super::{Owner, Stack};
use crate::connection::Now;
use crate::connection::ending::{Cause, Ending};
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
            let now = Now { time: self.now, config: &self.config };
            if let Some(slot) = self.connections.get_mut(number) {
                slot.is.close(now);
                self.after_connection(number);
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
            let now = Now { time: self.now, config: &self.config };
            if let Some(slot) = self.connections.get_mut(number) {
                slot.is.abort(now, Cause::StackShutdown);
                self.after_connection(number);
            }
        }
    }

    /// Whether every connection has ended. Records in TIME-WAIT may remain; they only answer.
    pub fn is_drained(&self) -> bool {
        self.openings.len() == 0 && self.connections.iter().all(|(_, slot)| slot.is.ended().is_some())
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
}
