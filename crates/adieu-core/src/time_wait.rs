//! TIME-WAIT: a record, not a connection. It sends the last ACK again, keeps segments of the old connection from a new
//! one, and goes (RFC 9293 sections 3.4.2, 3.5 and 3.10.7.4; section 1.11 of the requirements).

use crate::connection::stamps::{Stamps, later};
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::wire::tcp::Header;
use crate::wire::{Flags, Options, Segment, Timestamps};

/// All that is left of a connection, but for its addresses and ports. Times are milliseconds modulo 2^32.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TimeWait {
    send_next: Seq,
    recv_next: Seq,
    entered: u32,
    expires: u32,
    replied: u32,
    pub(crate) links: Links,
    /// TS.Recent and our offset, where timestamps were in use (TW-1).
    recent: u32,
    offset: u32,
    window: u16,
    wait: Wait,
    marks: Marks,
}

/// Two facts in a byte: an ACK is owed, timestamps were in use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Marks(u8);

impl Marks {
    const OWED: u8 = 1;
    const STAMPED: u8 = 2;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// What a connection leaves to its record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Legacy {
    /// SND.NXT.
    pub(crate) send_next: Seq,
    /// RCV.NXT.
    pub(crate) recv_next: Seq,
    /// The window field announced last.
    pub(crate) window: u16,
    /// TS.Recent and our offset.
    pub(crate) stamps: Option<(u32, u32)>,
}

/// A record's neighbours in its queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Links {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

/// Which of the two waits a record is in: each is a queue of its own, in order of expiry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Wait {
    /// 2 x MSL.
    Normal,
    /// The longer one where 3.5 x RTO demands it (TW-2).
    Long,
}

/// What a segment is to a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing happens.
    Silence,
    /// The last ACK is owed.
    Answer,
    /// The last ACK is owed, and the wait begins anew: the peer has not heard it.
    Restart,
    /// A SYN that can only be of a new connection; our initial number must lie beyond this (TW-10).
    Reopen(Seq),
}

/// A repeated FIN is answered at most this often (TW-6).
const FIN_REPLY: u32 = 100;
/// Anything else outside the window is answered at most this often (TW-4).
const OTHER_REPLY: u32 = 500;
/// However often the peer's FIN comes again, the record goes after this many waits (limit 3.5).
const LONGEST: u32 = 4;
/// How far beyond the old connection's numbers the next one begins (TW-10).
const ISS_GAP: u32 = 65_537;

impl TimeWait {
    pub(crate) fn new(legacy: Legacy, now: Instant, wait: Wait) -> Self {
        let Legacy { send_next, recv_next, window, stamps } = legacy;
        let (recent, offset) = stamps.unwrap_or_default();
        let now = now.as_wrapping_millis();
        Self {
            send_next,
            recv_next,
            entered: now,
            expires: now,
            replied: now.wrapping_sub(OTHER_REPLY),
            links: Links { before: u32::MAX, after: u32::MAX },
            recent,
            offset,
            window,
            wait,
            marks: Marks(if stamps.is_some() { Marks::STAMPED } else { 0 }),
        }
    }

    pub(crate) fn wait(&self) -> Wait {
        self.wait
    }

    /// Begins the wait, anew or for the first time, unless it would then end beyond the cap; whether it did.
    pub(crate) fn begin_wait(&mut self, now: Instant, wait: Duration) -> bool {
        let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX / 8);
        let latest = self.entered.wrapping_add(wait.saturating_mul(LONGEST)).wrapping_add(1);
        // A part of a millisecond counts as a whole one: never too early.
        let part = u32::from(!now.as_nanos().is_multiple_of(1_000_000));
        let expires = now.as_wrapping_millis().wrapping_add(wait).wrapping_add(part);
        let allowed = !before(latest, expires);
        if allowed {
            self.expires = expires;
        }
        allowed
    }

    /// When the record goes.
    pub(crate) fn expires(&self, now: Instant) -> Instant {
        let left = self.expires.wrapping_sub(now.as_wrapping_millis());
        if before(self.expires, now.as_wrapping_millis()) {
            return now;
        }
        let whole = Instant::from_millis(now.as_nanos() / 1_000_000);
        whole + Duration::from_millis(u64::from(left))
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        !before(now.as_wrapping_millis(), self.expires)
    }

    /// The last ACK of the closing is still to be sent.
    pub(crate) fn owe_ack(&mut self) {
        self.marks.0 |= Marks::OWED;
    }

    /// Whether a segment is a reset that a connection would believe (RFC 5961 section 3.2).
    pub(crate) fn is_exact_reset(&self, segment: &Segment<'_>) -> bool {
        segment.flags.has(Flags::RST) && segment.seq == self.recv_next
    }

    /// `stamping` says whether a new connection would have timestamps.
    pub(crate) fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>, stamping: bool) -> Verdict {
        let has = |flag| segment.flags.has(flag);
        let now = now.as_wrapping_millis();
        if has(Flags::RST) {
            return Verdict::Silence; // RFC 1337: nothing assassinates the wait (TW-7, RA-13).
        }
        if has(Flags::SYN) {
            let reopen = !has(Flags::ACK) && self.is_new(segment, stamping);
            return if reopen { Verdict::Reopen(self.send_next + ISS_GAP) } else { self.answer(now, OTHER_REPLY) };
        }
        let stamp = segment.options.timestamps.map(|stamp| stamp.value);
        if !has(Flags::ACK) || self.marks.has(Marks::STAMPED) && stamp.is_none() {
            return Verdict::Silence;
        }
        let old = self.marks.has(Marks::STAMPED) && stamp.is_some_and(|value| later(self.recent, value));
        let sent = segment.ack.distance(self.send_next) <= 0;
        if has(Flags::FIN) && segment.end() == self.recv_next && sent {
            // TW-3: looked at before the sequence check, which would throw the repeated FIN away as old; but an old
            // duplicate of it restarts nothing.
            self.answer(now, FIN_REPLY);
            return if old { Verdict::Answer } else { self.restart(stamp) };
        }
        if segment.is_empty() && segment.seq == self.recv_next && sent && !old {
            self.recent = stamp.unwrap_or(self.recent); // TW-20
            return Verdict::Silence; // TW-5: two ends that wait must fall silent.
        }
        self.answer(now, OTHER_REPLY)
    }

    /// The repeated FIN's timestamp is the latest word of the old connection (TW-20).
    fn restart(&mut self, stamp: Option<u32>) -> Verdict {
        self.recent = stamp.unwrap_or(self.recent);
        Verdict::Restart
    }

    /// Whether a SYN can only be of a new connection (RFC 6191 section 2; TW-8's table).
    fn is_new(&self, syn: &Segment<'_>, stamping: bool) -> bool {
        let beyond = syn.seq.distance(self.recv_next) >= 0;
        match (self.marks.has(Marks::STAMPED), syn.options.timestamps.filter(|_| stamping)) {
            (true, Some(stamp)) => later(stamp.value, self.recent) || stamp.value == self.recent && beyond,
            // Segments of the old connection have no timestamps, and one with timestamps drops those.
            (false, Some(_)) => true,
            (_, None) => beyond,
        }
    }

    /// A SYN that may not reopen the connection: nobody listens (TW-12).
    pub(crate) fn refuse_syn(&mut self, now: Instant) -> Verdict {
        self.answer(now.as_wrapping_millis(), OTHER_REPLY)
    }

    fn answer(&mut self, now: u32, at_most_every: u32) -> Verdict {
        if now.wrapping_sub(self.replied) < at_most_every {
            return Verdict::Silence;
        }
        self.replied = now;
        self.marks.0 |= Marks::OWED;
        Verdict::Answer
    }

    /// The ACK that is owed, if one is.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Header> {
        let owed = self.marks.has(Marks::OWED);
        self.marks.0 &= !Marks::OWED;
        let stamp = || Timestamps { value: Stamps::clock(self.offset, now), echo: self.recent };
        let timestamps = self.marks.has(Marks::STAMPED).then(stamp);
        owed.then(|| Header {
            options: Options { timestamps, ..Options::default() },
            ..Header::bare(self.send_next, Some(self.recv_next), self.window)
        })
    }
}

/// Serial order of milliseconds.
fn before(a: u32, b: u32) -> bool {
    let distance = b.wrapping_sub(a);
    distance != 0 && distance < u32::MAX / 2
}
