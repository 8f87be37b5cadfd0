//! TIME-WAIT: a record, not a connection. It sends the last ACK again, keeps segments of the old connection from a new
//! one, and goes (RFC 9293 sections 3.4.2, 3.5 and 3.10.7.4; section 1.11 of the requirements).
//!
//! **How long** (TW-21). The two jobs have a lower bound each, and the wait must satisfy both (RFC 7323 appendix B.2).
//! The last ACK can be asked for as long as the peer repeats its FIN: that follows the peer's retransmission time, of
//! which ours is the best guess there is. A FIN is repeated after one and after three of these times, so 3.5 hold out
//! for two repeats. Old segments follow the network: one that left just before the close lives for an MSL, and what it
//! provokes for another. So 2 x MSL is needed whatever the round trip is, and on a slow path more
//! ([`Config::time_wait`](crate::Config::time_wait), TW-2).
//!
//! **Why timestamps do not replace it** (TW-19). PAWS throws an old segment away by its timestamp. But an old segment
//! that comes here is answered, and the answer is made now: with our present timestamp and the last numbers of a
//! connection that is over, an old duplicate has become an ACK that looks new (RFC 1337, on its remedy F2). Once the
//! record is gone and the same ports have a new connection, no timestamp tells such an ACK from a true one. Nor does
//! PAWS know what the connection before has seen: TS.Recent goes with the connection, unless a record keeps it (TW-20).
//! So replies from here are few (TW-4 to TW-6), the present timestamp stands in them only because they are replies, and
//! the record stays its time though both ends have timestamps.

use core::hash::{Hash, Hasher};

use crate::connection::stamps::{Stamps, later};
use crate::digest::{Digest, Moment};
use crate::seq::Seq;
use crate::stack::Parted;
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
    /// When it last answered; in quarantine, up to when its answers are spent.
    replied: u32,
    pub(crate) links: Links,
    /// TS.Recent and our offset, where timestamps were in use (TW-1).
    recent: u32,
    offset: u32,
    window: u16,
    wait: Wait,
    marks: Marks,
}

/// Facts in a byte.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Marks(u8);

impl Marks {
    /// An ACK is owed.
    const OWED: u8 = 1;
    /// Timestamps were in use.
    const STAMPED: u8 = 2;
    /// A new connection has the addresses and ports, and is not established yet (TW-9).
    const SHADOWED: u8 = 4;
    /// We opened the connection: the local port is one of those that can run out.
    const ACTIVE: u8 = 8;
    /// It came from another stack, and its wait was the long one there.
    const LONG: u8 = 16;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    fn set(&mut self, mark: u8, on: bool) {
        self.0 = if on { self.0 | mark } else { self.0 & !mark };
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

impl Links {
    pub(crate) const NONE: Self = Self { before: u32::MAX, after: u32::MAX };
}

/// A record's neighbours in its queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Links {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

/// What a record waits for. Records with the same wait stay equally long, so a queue of them is in order of expiry.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Wait {
    /// After an attempt of ours that was given up: its SYN may still open something at the peer (EO-2).
    Attempt,
    /// Quarantine after our reset: whatever comes is answered with another one (AB-5).
    Quarantine,
    /// Quarantine that began under another configuration.
    Aside,
    /// TIME-WAIT, 2 x MSL.
    Normal,
    /// TIME-WAIT, the longer one where 3.5 x RTO demands it (TW-2).
    Long,
    /// TIME-WAIT that began in another stack, or under another configuration: each of these ends when it ends.
    Imported,
}

impl Wait {
    pub(crate) const ALL: [Self; 6] =
        [Self::Attempt, Self::Quarantine, Self::Aside, Self::Normal, Self::Long, Self::Imported];

    /// Whether it is TIME-WAIT.
    pub(crate) fn is_time_wait(self) -> bool {
        self >= Self::Normal
    }
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
    /// A SYN that can only be of a new connection; our initial number must lie beyond [`TimeWait::floor`] (TW-10).
    Reopen,
    /// It deserves what a segment without a connection does: a reset (AB-5).
    Reset,
}

/// A repeated FIN is answered at most this often (TW-6).
const FIN_REPLY: u32 = 100;
/// Anything else outside the window is answered at most this often (TW-4).
const OTHER_REPLY: u32 = 500;
/// However often the peer's FIN comes again, the record goes after this many waits (limit 3.5).
const LONGEST: u32 = 4;
/// In quarantine, resets go out so often on average, and four at once (AB-7, RS-7).
const RESET_EVERY: u32 = 250;
/// A connection of ours may take over after this long without a word from us: its timestamps are all later (TW-13).
pub(crate) const REUSE_AFTER: u32 = 1000;
/// How far beyond the old connection's numbers the next one begins (TW-10).
const ISS_GAP: u32 = 65_537;

impl TimeWait {
    /// What `legacy` leaves, to stay for `stay`.
    pub(crate) fn new(legacy: Legacy, now: Instant, wait: Wait, stay: Duration) -> Self {
        let Legacy { send_next, recv_next, window, stamps } = legacy;
        let (recent, offset) = stamps.unwrap_or_default();
        let entered = now.as_wrapping_millis();
        let mut record = Self {
            send_next,
            recv_next,
            entered,
            expires: entered,
            replied: entered.wrapping_sub(REUSE_AFTER),
            links: Links::NONE,
            recent,
            offset,
            window,
            wait,
            marks: Marks(if stamps.is_some() { Marks::STAMPED } else { 0 }),
        };
        record.begin_wait(now, stay);
        record
    }

    /// What another stack's record becomes here; what it has not said is taken for the worst.
    pub(crate) fn arrived(parted: &Parted, now: Instant) -> Self {
        let mut record = Self::new(parted.legacy, now, Wait::Imported, Duration::from_millis(u64::from(parted.left)));
        record.entered = now.as_wrapping_millis().wrapping_sub(parted.age);
        // The first repeated FIN is answered at once.
        record.replied = now.as_wrapping_millis().wrapping_sub(FIN_REPLY);
        record.marks.set(Marks::LONG, parted.long);
        record.marks.set(Marks::ACTIVE, parted.active);
        record
    }

    /// The record as another stack can take it over.
    pub(crate) fn part(&self, now: Instant) -> Parted {
        let now = now.as_wrapping_millis();
        let (send_next, recv_next, window) = (self.send_next, self.recv_next, self.window);
        let stamps = self.is_stamped().then_some((self.recent, self.offset));
        Parted {
            legacy: Legacy { send_next, recv_next, window, stamps },
            long: self.is_long(),
            active: self.is_active(),
            age: now.wrapping_sub(self.entered),
            left: if before(now, self.expires) { self.expires.wrapping_sub(now) } else { 0 },
        }
    }

    pub(crate) fn wait(&self) -> Wait {
        self.wait
    }

    /// In which queue it stands: one for each wait, with and without timestamps.
    pub(crate) fn queue(&self) -> usize {
        self.wait as usize * 2 + usize::from(self.is_stamped())
    }

    /// Whether it is the record of a connection that ended at `time`.
    pub(crate) fn is_since(&self, time: Instant) -> bool {
        self.wait.is_time_wait() && self.entered == time.as_wrapping_millis()
    }

    /// RCV.NXT, and the window field announced last.
    pub(crate) fn receives(&self) -> (Seq, u64) {
        (self.recv_next, u64::from(self.window))
    }

    /// Whether timestamps tell segments of the old connection from those of a new one.
    pub(crate) fn is_stamped(&self) -> bool {
        self.marks.has(Marks::STAMPED)
    }

    /// Whether a new connection has the addresses and ports, and may still fail.
    pub(crate) fn is_shadowed(&self) -> bool {
        self.marks.has(Marks::SHADOWED)
    }

    pub(crate) fn set_shadowed(&mut self, shadowed: bool) {
        self.marks.set(Marks::SHADOWED, shadowed);
    }

    /// Whether we had opened the connection.
    pub(crate) fn is_active(&self) -> bool {
        self.marks.has(Marks::ACTIVE)
    }

    pub(crate) fn set_active(&mut self, active: bool) {
        self.marks.set(Marks::ACTIVE, active);
    }

    /// SND.NXT and RCV.NXT.
    pub(crate) fn numbers(&self) -> (Seq, Seq) {
        (self.send_next, self.recv_next)
    }

    /// Where our numbers of a new connection may begin (TW-10).
    pub(crate) fn floor(&self) -> Seq {
        self.send_next + ISS_GAP
    }

    /// The offset of our timestamps, which a new connection keeps, so that its timestamps are later ones (TW-10).
    pub(crate) fn offset(&self) -> Option<u32> {
        self.is_stamped().then_some(self.offset)
    }

    /// Whether a connection of ours may take the addresses and ports over (TW-13).
    pub(crate) fn is_reusable(&self, now: Instant) -> bool {
        let now = now.as_wrapping_millis();
        let long_ago = |then: u32| before(then.wrapping_add(REUSE_AFTER), now);
        self.is_stamped() && !self.is_shadowed() && long_ago(self.entered) && long_ago(self.replied)
    }

    /// Whether a restart of an imported record is by the long wait.
    pub(crate) fn is_long(&self) -> bool {
        self.wait == Wait::Long || self.marks.has(Marks::LONG)
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
    pub(crate) fn expiry(&self) -> u32 {
        self.expires
    }

    /// Others will wait for another time than this one does.
    pub(crate) fn set_aside(&mut self) {
        self.marks.set(Marks::LONG, self.is_long());
        self.wait = if self.wait.is_time_wait() { Wait::Imported } else { Wait::Aside };
    }

    /// Its time is over.
    pub(crate) fn end_now(&mut self, now: Instant) {
        self.expires = now.as_wrapping_millis();
    }

    /// An imported record has heard from its peer here: from now on it waits as others do.
    pub(crate) fn is_ours_now(&mut self) {
        if self.wait == Wait::Imported {
            self.wait = if self.marks.has(Marks::LONG) { Wait::Long } else { Wait::Normal };
        }
    }

    /// Whether an ACK is to be sent.
    pub(crate) fn owes_ack(&self) -> bool {
        self.marks.has(Marks::OWED)
    }

    /// The last ACK of the closing is still to be sent.
    pub(crate) fn owe_ack(&mut self) {
        self.marks.0 |= Marks::OWED;
    }

    /// Whether a segment is a reset that a connection would believe (RFC 5961 section 3.2).
    pub(crate) fn is_exact_reset(&self, segment: &Segment<'_>) -> bool {
        self.wait.is_time_wait() && segment.flags.has(Flags::RST) && segment.seq == self.recv_next
    }

    /// `stamping` says whether a new connection would have timestamps.
    pub(crate) fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>, stamping: bool) -> Verdict {
        let has = |flag| segment.flags.has(flag);
        let now = now.as_wrapping_millis();
        if !self.wait.is_time_wait() {
            return self.in_quarantine(now, segment);
        }
        if has(Flags::RST) {
            return Verdict::Silence; // RFC 1337: nothing assassinates the wait (TW-7, RA-13).
        }
        if has(Flags::SYN) {
            let reopen = !has(Flags::ACK) && self.is_new(segment, stamping);
            return if reopen { Verdict::Reopen } else { self.answer(now, OTHER_REPLY) };
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
            // Whoever repeats its FIN now has ours, or we would not be here: what acknowledges less is old.
            let current = !old && segment.ack == self.send_next;
            return if current { self.restart(stamp) } else { Verdict::Answer };
        }
        if segment.is_empty() && segment.seq == self.recv_next && sent && !old {
            self.recent = stamp.unwrap_or(self.recent); // TW-20
            return Verdict::Silence; // TW-5: two ends that wait must fall silent.
        }
        self.answer(now, OTHER_REPLY)
    }

    /// Nothing is here any more but the memory of a reset. Whatever comes shows that the peer has not heard it, or not
    /// believed it: it is answered as where there is no connection, and a peer that challenges hears the exact number
    /// (AB-5, AB-7). A SYN is a new connection's.
    fn in_quarantine(&mut self, now: u32, segment: &Segment<'_>) -> Verdict {
        if segment.flags.has(Flags::RST) {
            return Verdict::Silence;
        }
        if segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK) {
            return Verdict::Reopen;
        }
        self.reset_again(now)
    }

    /// A reset, if those of this time are not spent; `replied` is up to when they are.
    pub(crate) fn reset_again(&mut self, now: u32) -> Verdict {
        let spent = if before(self.replied, now) { now } else { self.replied };
        if before(now.wrapping_add(3 * RESET_EVERY), spent) {
            return Verdict::Silence;
        }
        self.replied = spent.wrapping_add(RESET_EVERY);
        Verdict::Reset
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
        let now = now.as_wrapping_millis();
        if self.wait.is_time_wait() { self.answer(now, OTHER_REPLY) } else { self.reset_again(now) }
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
pub(crate) fn before(a: u32, b: u32) -> bool {
    let distance = b.wrapping_sub(a);
    distance != 0 && distance < u32::MAX / 2
}

impl Digest for TimeWait {
    fn digest<H: Hasher>(&self, moment: &Moment<'_>, state: &mut H) {
        let Self { send_next, recv_next, entered, expires, replied, links: _, recent, offset, window, wait, marks } =
            self;
        (send_next, recv_next, recent, offset, window, wait, marks).hash(state);
        // It restarts up to a number of waits, the longest of which bounds them all.
        let longest = moment.config.time_wait(Duration::MAX).max(Duration::from_millis(u64::from(REUSE_AFTER)));
        moment.ago(*entered, longest.saturating_mul(LONGEST + 1), state);
        expires.wrapping_sub(moment.millis()).hash(state);
        // In quarantine it may lie ahead.
        if before(moment.millis(), *replied) {
            replied.wrapping_sub(moment.millis()).hash(state);
        } else {
            moment.ago(*replied, Duration::from_millis(u64::from(REUSE_AFTER.max(OTHER_REPLY))), state);
        }
    }
}
