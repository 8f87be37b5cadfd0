//! Explicit congestion notification (RFC 3168): routers mark packets where they would drop them, the receiver echoes
//! the marks, and the sender slows down as for a loss.

use alloc::boxed::Box;

use super::ending::Noted;
use super::timers::Timer;
use super::{Connection, Now};
use crate::seq::Offset;
use crate::wire::{Flags, Segment};

/// Marks of congestion in both directions, where both SYNs have agreed on them. Nothing of it outlives the connection:
/// a TIME-WAIT record has no data to mark and no window to reduce.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Signals(Option<Box<Marks>>);

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Marks {
    /// Up to here everything had left when an echo was last heeded: what it says of this window is known.
    heeded_to: Offset,
    /// New data of ours may be marked. Where it may not, a SYN of ours that was sent again did not ask.
    sends: bool,
    /// A mark has come, and the peer has not said yet that it knows.
    echo: bool,
    /// The peer is to be told that the window was reduced.
    news: bool,
    /// A window of one segment is still too much: the next one waits for a retransmission time.
    held: bool,
    counts: Noted<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    received: u32,
    heeded: u32,
}

impl Signals {
    /// As both SYNs have agreed: whether our data may be marked, and whether marks on the peer's count.
    pub(super) fn new((sends, hears): (bool, bool)) -> Self {
        let fresh = || {
            let counts = Noted::new(Counts::default());
            Box::new(Marks { heeded_to: Offset::SYN, sends, echo: false, news: false, held: false, counts })
        };
        Self(hears.then(fresh))
    }

    /// Whether new data of ours may be marked.
    pub(super) fn sends(&self) -> bool {
        self.0.as_ref().is_some_and(|marks| marks.sends)
    }

    /// Marks that came, and reductions for marks on what we sent.
    pub(super) fn counts(&self) -> (u32, u32) {
        let counts = self.0.as_ref().map(|marks| *marks.counts.for_receipt()).unwrap_or_default();
        (counts.received, counts.heeded)
    }

    /// What can matter from now on, with `una` acknowledged.
    pub(super) fn relevant(&self, una: Offset) -> Option<Marks> {
        let heeded = |to: Offset| if to < una { Offset::SYN } else { to };
        self.0.as_ref().map(|marks| Marks { heeded_to: heeded(marks.heeded_to), ..**marks })
    }

    /// Every segment says ECE from a mark on until the peer's CWR.
    pub(super) fn echoes(&self) -> bool {
        self.0.as_ref().is_some_and(|marks| marks.echo)
    }

    /// Whether this segment echoes a mark on data of ours.
    pub(super) fn is_echo(&self, segment: &Segment<'_>) -> bool {
        segment.flags.has(Flags::ECE) && self.sends()
    }

    /// The end of the window whose congestion was answered already.
    pub(super) fn heeded_to(&self) -> Offset {
        self.0.as_ref().map_or(Offset::SYN, |marks| marks.heeded_to)
    }

    /// The window was reduced, for whatever sign of congestion: the next new data says so (CWR).
    pub(super) fn reduced(&mut self) {
        if let Some(marks) = &mut self.0 {
            marks.news = marks.sends;
        }
    }

    /// Whether the next new data says that the window was reduced.
    pub(super) fn has_news(&self) -> bool {
        self.0.as_ref().is_some_and(|marks| marks.news)
    }

    pub(super) fn take_news(&mut self) -> bool {
        self.0.as_mut().is_some_and(|marks| core::mem::take(&mut marks.news))
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|marks| marks.held)
    }

    /// The wait is over, if there was one.
    pub(super) fn release(&mut self) -> bool {
        self.0.as_mut().is_some_and(|marks| core::mem::take(&mut marks.held))
    }

    fn hold(&mut self) {
        if let Some(marks) = &mut self.0 {
            marks.held = true;
        }
    }

    /// Data within the window, marked or not. A CWR ends the echo of what came before it; the mark on the segment that
    /// carries it is a new one (RFC 3168 section 6.1.3).
    pub(super) fn arrived(&mut self, segment: &Segment<'_>) {
        let Some(marks) = self.0.as_mut().filter(|_| !segment.payload.is_empty()) else { return };
        if segment.flags.has(Flags::CWR) {
            marks.echo = false;
        }
        if segment.marked {
            marks.echo = true;
            // Of what the device has merged, all counts as marked.
            let segments = u32::try_from(segment.payload.wire_segments()).unwrap_or(u32::MAX);
            marks.counts.note(|counts| counts.received = counts.received.wrapping_add(segments));
        }
    }
}

impl Connection {
    /// The peer says that data of ours was marked: one reduction for a window of data, be it for marks or for losses
    /// (RFC 3168 section 6.1.2). What had left before the last one was answered with it; the segment behind it is
    /// the first that can have told the peer so.
    pub(super) fn handle_echo(&mut self, now: Now<'_>, ack: Offset, flight: u64) {
        let next = self.send.next();
        let Some(marks) = self.ecn.0.as_mut() else { return };
        if ack <= marks.heeded_to.max(self.trouble.recover) {
            return;
        }
        marks.heeded_to = next;
        marks.news = true;
        marks.counts.note(|counts| counts.heeded = counts.heeded.wrapping_add(1));
        self.congestion.on_congestion_experienced(flight.min(self.congestion.window()));
        if let Some(flight) = self.send.flight_mut() {
            flight.reduced = now.time;
        }
    }

    /// After an echo with a window of one segment the retransmission timer begins anew, and new data waits for it (RFC
    /// 3168 section 6.1.2): there is no smaller window than that.
    pub(super) fn hold_back(&mut self, now: Now<'_>) {
        if self.congestion.window() > u64::from(self.send.mss()) {
            return;
        }
        if self.send.outstanding() > 0 {
            return self.timers.arm(Timer::Retransmit, self.retransmit_at(now));
        }
        self.timers.stop(Timer::Persist);
        self.ecn.hold();
    }

    /// Whether new data waits because a single segment was too much. A FIN does not: it is no load. Nor does what is in
    /// flight, such as a probe of a closed window, and may have to go again.
    pub(super) fn is_held(&self) -> bool {
        self.ecn.is_held() && self.send.outstanding() == 0 && self.send.unsent() > 0
    }
}
