//! Datagrams that came in pieces, put together (RFC 1122 section 3.3.2, RFC 8200 section 4.5).
//!
//! What we send is not cut where that can be helped, and nor is what a peer sends that searches its path. But some
//! paths do cut, and hosts must put together; kernels hand pieces to a TUN as they are. All of it is bounded: in
//! octets, in pieces of one datagram, and in time. A datagram whose pieces overlap is dropped as a whole (RFC 5722, for
//! IPv4, too): nobody cuts so who means well.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::Stack;
use crate::digest::{Digest, Moment};
use crate::time::{Duration, Instant};
use crate::wire::fragment::{Piece, Whole};
use crate::wire::ip::CE;

/// How long the rest may take: what RFC 1122 and RFC 8200 say.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most pieces of one datagram: a full one on a link of 576 octets has 119.
const PIECES: usize = 128;
/// Octets that a datagram counts for beside its own.
const OVERHEAD: usize = 1024;

/// Datagrams of which something is missing, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragments {
    waiting: VecDeque<Waiting>,
    held: usize,
}

#[derive(Clone, Debug, Hash)]
struct Waiting {
    whole: Whole,
    began: Instant,
    /// What came, at its place.
    bytes: Vec<u8>,
    /// Where it lies, in order: first octet and the one behind the last.
    pieces: Vec<(usize, usize)>,
    /// Its length, once the last piece is here.
    length: Option<usize>,
    ecn: u8,
}

impl Fragments {
    /// Takes a piece, and gives the whole packet if it was the last that was missing. The oldest give way to the newest
    /// where all would hold more than `most` octets. How many datagrams were given up is added to `dropped`.
    fn add(&mut self, now: Instant, piece: &Piece<'_>, most: usize, dropped: &mut u64) -> Option<Vec<u8>> {
        *dropped += self.expire(now);
        let found = self.waiting.iter().position(|waiting| waiting.whole == piece.whole);
        let mut waiting = found.and_then(|place| self.waiting.remove(place)).unwrap_or_else(|| Waiting {
            whole: piece.whole,
            began: now,
            bytes: Vec::new(),
            pieces: Vec::new(),
            length: None,
            ecn: piece.ecn,
        });
        if found.is_some() {
            self.held -= waiting.size();
        }
        if !waiting.take(piece) {
            *dropped += 1;
            return None;
        }
        if waiting.is_complete() {
            return Some(waiting.whole.packet(&waiting.bytes, waiting.ecn));
        }
        self.held += waiting.size();
        let place = found.unwrap_or(self.waiting.len());
        self.waiting.insert(place, waiting);
        while self.held > most
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.held -= oldest.size();
            *dropped += 1;
        }
        None
    }

    /// Gives up what has waited for too long, and says how many that were.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        while self.next_expiry() <= now
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.held -= oldest.size();
            expired += 1;
        }
        expired
    }

    /// When that is due next.
    pub(super) fn next_expiry(&self) -> Instant {
        self.waiting.front().map_or(Instant::NEVER, |oldest| oldest.began + PATIENCE)
    }
}

impl Waiting {
    /// What it counts for, octets and all that goes with them: so few may wait at a time that looking through them is
    /// no work.
    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    /// Whether a piece fits those that are here. The same one come twice does.
    fn take(&mut self, piece: &Piece<'_>) -> bool {
        let (start, end) = (piece.offset, piece.offset + piece.body.len());
        let last = if piece.more { self.length } else { Some(end) };
        let furthest = self.pieces.last().map_or(0, |piece| piece.1).max(end);
        let lengths_agree = self.length.is_none_or(|length| last == Some(length));
        if !lengths_agree || last.is_some_and(|length| furthest > length) {
            return false;
        }
        let place = self.pieces.partition_point(|piece| piece.0 < start);
        if self.pieces.get(place) == Some(&(start, end)) {
            return self.bytes[start..end] == *piece.body;
        }
        let before = place.checked_sub(1).and_then(|place| self.pieces.get(place));
        let overlaps = before.is_some_and(|piece| piece.1 > start) || self.pieces.get(place).is_some_and(|p| p.0 < end);
        if overlaps || self.pieces.len() == PIECES {
            return false;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(piece.body);
        self.pieces.insert(place, (start, end));
        self.length = last;
        if piece.ecn == CE {
            self.ecn = CE; // A mark on any piece is one on the whole (RFC 3168 section 5.3).
        }
        true
    }

    fn is_complete(&self) -> bool {
        let octets = self.pieces.iter().map(|(start, end)| end - start).sum::<usize>();
        self.length == Some(octets)
    }
}

impl Stack {
    /// A piece of a datagram; the whole, if it is complete now. Only what is for us waits for its rest.
    pub(super) fn piece(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let piece = Piece::parse(bytes).filter(|_| self.config.fragments > 0);
        let Some(piece) = piece.filter(|piece| self.is_for_us(piece.whole.source, piece.whole.destination)) else {
            self.stats.fragments_dropped += 1;
            return None;
        };
        self.stats.fragments += 1;
        let most = self.config.fragments as usize;
        let whole = self.fragments.add(self.now, &piece, most, &mut self.stats.fragments_dropped);
        self.stats.reassembled += u64::from(whole.is_some());
        whole
    }
}

impl Digest for Fragments {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { waiting, held: _ } = self;
        for Waiting { whole, began, bytes, pieces, length, ecn } in waiting {
            (whole, bytes, pieces, length, ecn).hash(state);
            moment.at(*began + PATIENCE, state);
        }
    }
}
