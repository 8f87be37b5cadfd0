//! Settings of a handle, and what its connection shows of itself.

use super::index::Stage;
use super::{At, BindError, HandleId, ListenerId, Slot, Stack};
use crate::connection::{Connection, WriteError};
use crate::info::Info;
use crate::opening::Pending;
use crate::settings::Settings;
use crate::time::Instant;
use crate::wire::ip::header_len;
use crate::wire::tcp;
use core::net::SocketAddr;

impl Stack {
    /// How a handle's connection is doing; `None` where there is none. Of one that has ended it says how it was then.
    pub fn info(&self, handle: HandleId) -> Option<Info> {
        let slot = self.connection_of(handle)?;
        let headers = u16::try_from(header_len(slot.flow.local_address) + tcp::HEADER).unwrap_or(u16::MAX);
        let info = slot.is.info(self.now, &self.config, self.config.mtu, headers);
        Some(Info { state: self.state(handle), ..info })
    }

    /// Whether what has ended is the connection whose record is in its place; a later one may have come and gone there.
    pub(super) fn has_record(&self, slot: &Slot<Connection>) -> bool {
        let tag = self.find(&slot.flow).filter(|tag| tag.stage() == Stage::Record);
        let record = tag.and_then(|tag| self.waits.get(tag.number()));
        let ended = slot.is.receipt().map(|receipt| receipt.spent.ended());
        record.zip(ended).is_some_and(|(record, ended)| record.is_since(ended))
    }

    /// What the application has chosen for a handle.
    pub fn settings(&self, handle: HandleId) -> Settings {
        let opening = || self.opening_of(handle).and_then(|(number, _)| self.openings.get(number));
        match self.connection_of(handle) {
            Some(slot) => slot.is.settings(),
            None => opening().map_or_else(Settings::default, |slot| slot.is.settings()),
        }
    }

    /// Whether the application has closed what is not a connection yet (AP-3, CL-4).
    pub(super) fn is_to_close(&self, handle: HandleId) -> bool {
        let opening = self.opening_of(handle).and_then(|(number, _)| self.openings.get(number));
        opening.is_some_and(|slot| slot.is.pending() != Pending::Nothing)
    }

    /// Chooses for a handle, from now on. What counts only on a SYN comes too late once that has left.
    pub fn set(&mut self, now: Instant, handle: HandleId, settings: Settings) {
        self.advance(now);
        match self.handle(handle).map(|entry| &entry.at) {
            Some(At::Opening(number)) => {
                if let Some(slot) = self.openings.get_mut(*number) {
                    slot.is.set(settings);
                }
            }
            Some(At::Connection(_)) => _ = self.with(now, handle, |connection, now| connection.set(now, settings)),
            Some(At::Failed(_)) | None => {}
        }
    }

    /// Listens with settings that accepted connections inherit; see [`listen`](Self::listen).
    pub fn listen_with(&mut self, local: SocketAddr, settings: Settings) -> Result<ListenerId, BindError> {
        let listener = self.listen(local)?;
        self.listeners.set(listener, settings);
        Ok(listener)
    }

    /// Writes `data` as urgent: the urgent pointer designates the octet after it (RFC 9293 section 3.8.5). New
    /// applications should not need it (RFC 6093; SHLD-13).
    pub fn write_urgent(&mut self, now: Instant, handle: HandleId, data: &[u8]) -> Result<usize, WriteError> {
        let written = self.with(now, handle, |connection, now| connection.write_urgent(now, data));
        written.unwrap_or_else(|| Err(self.not_writable(handle)))
    }

    /// Bytes still to be read up to the end of the urgent data, where there is any left (RFC 9293 MUST-33).
    pub fn urgent_ahead(&self, handle: HandleId) -> Option<u64> {
        self.connection_of(handle)?.is.urgent_ahead()
    }
}
