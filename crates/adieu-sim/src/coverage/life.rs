//! One incarnation of a connection at one end, as far as its packets tell.

use adieu_core::wire::Flags;
use adieu_core::{Instant, Seq, State};

use crate::Summary;

/// What is known of an incarnation, from its own SYN on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) iss: Seq,
    pub(super) irs: Option<Seq>,
    pub(super) began: Instant,
    /// Our SYN, and the peer's.
    own: Offer,
    theirs: Offer,
    /// The number of our FIN, and how many copies of it were sent.
    pub(super) fin: Option<Seq>,
    pub(super) fins_sent: u8,
    /// The number of the peer's FIN, and how many copies of it came.
    pub(super) peer_fin: Option<Seq>,
    pub(super) fins_heard: u8,
    /// The number after the last that was sent, and the furthest acknowledgment.
    sent: Seq,
    pub(super) acked: Option<Seq>,
    /// The latest timestamp of the peer's that was echoed: TS.Recent is not older. The latest that came: it is not
    /// later.
    pub(super) echoed: Option<u32>,
    pub(super) heard: Option<u32>,
    /// Our application reads no more.
    pub(super) deaf: bool,
    pub(super) released: bool,
}

/// What a SYN offered.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    stamps: bool,
    sack: bool,
}

impl Offer {
    fn of(syn: &Summary) -> Self {
        Self { stamps: syn.timestamps.is_some(), sack: syn.sack_permitted }
    }
}

impl Life {
    /// It begins with a SYN of ours; `heard` is the last SYN that came, which this one may answer.
    pub(super) fn begin(at: Instant, syn: &Summary, heard: Option<&Summary>) -> Self {
        let mut life = Self {
            iss: syn.seq,
            irs: None,
            began: at,
            own: Offer::of(syn),
            theirs: Offer::default(),
            fin: None,
            fins_sent: 0,
            peer_fin: None,
            fins_heard: 0,
            sent: syn.end(),
            acked: None,
            echoed: None,
            heard: None,
            deaf: false,
            released: false,
        };
        if let Some(theirs) = heard.filter(|heard| syn.ack == Some(heard.seq + 1)) {
            life.meet(theirs);
        }
        life
    }

    /// The peer's SYN is taken.
    pub(super) fn meet(&mut self, syn: &Summary) {
        self.irs = Some(syn.seq);
        self.theirs = Offer::of(syn);
        self.heard = syn.timestamps.map(|stamps| stamps.value);
    }

    /// A segment of this incarnation has left.
    pub(super) fn sent(&mut self, segment: &Summary) {
        if segment.has(Flags::RST) {
            return;
        }
        if segment.end().distance(self.sent) > 0 {
            self.sent = segment.end();
        }
        if let Some(ack) = segment.ack.filter(|ack| self.acked.is_none_or(|acked| ack.distance(acked) > 0)) {
            self.acked = Some(ack);
        }
        let echo = segment.timestamps.filter(|_| segment.ack.is_some()).map(|stamps| stamps.echo);
        latest(&mut self.echoed, echo);
        if segment.has(Flags::FIN) {
            self.fin = Some(segment.seq + segment.len);
            self.fins_sent = self.fins_sent.saturating_add(1);
        }
    }

    /// A segment that may be of this incarnation has come.
    pub(super) fn heard(&mut self, segment: &Summary) {
        if segment.has(Flags::RST) || segment.has(Flags::SYN) {
            return;
        }
        latest(&mut self.heard, segment.timestamps.map(|stamps| stamps.value));
        if segment.has(Flags::FIN) {
            let number = segment.seq + segment.len;
            if self.peer_fin != Some(number) {
                (self.peer_fin, self.fins_heard) = (Some(number), 0);
            }
            self.fins_heard = self.fins_heard.saturating_add(1);
        }
    }

    /// Whether a segment acknowledges our FIN.
    pub(super) fn is_fin_acked_by(&self, segment: &Summary) -> bool {
        self.fin.is_some_and(|fin| segment.ack == Some(fin + 1))
    }

    /// Whether a segment of ours acknowledges the peer's FIN.
    pub(super) fn acks_peer_fin(&self, segment: &Summary) -> bool {
        !segment.has(Flags::RST) && self.peer_fin.is_some_and(|fin| segment.ack == Some(fin + 1))
    }

    /// Timestamps were agreed on: both SYNs had them.
    pub(super) fn is_stamped(&self) -> bool {
        self.own.stamps && self.theirs.stamps
    }

    pub(super) fn has_sack(&self) -> bool {
        self.own.sack && self.theirs.sack
    }

    /// The numbers we sent went through 2^32.
    pub(super) fn send_wraps(&self) -> bool {
        self.sent.0 < self.iss.0
    }

    /// The numbers we received did.
    pub(super) fn receive_wraps(&self) -> bool {
        self.irs.zip(self.acked).is_some_and(|(irs, acked)| acked.0 < irs.0)
    }

    /// Whether `other` is the same incarnation at the other end.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.irs == Some(other.iss) && other.irs == Some(self.iss)
    }
}

fn latest(known: &mut Option<u32>, stamp: Option<u32>) {
    if let Some(stamp) = stamp.filter(|stamp| known.is_none_or(|known| is_later(*stamp, known))) {
        *known = Some(stamp);
    }
}

/// Serial order of timestamps (RFC 7323 section 5.2).
pub(super) fn is_later(a: u32, b: u32) -> bool {
    Seq(a).distance(Seq(b)) > 0
}

/// The incarnations of one flow at one end: the last one, and the one before, which comes back where an attempt in
/// TIME-WAIT comes to nothing (TW-9).
#[derive(Debug, Default)]
pub(super) struct Lives {
    pub(super) now: Option<Life>,
    pub(super) before: Option<Life>,
    /// The last SYN that came.
    pub(super) syn: Option<Summary>,
    pub(super) state: Option<State>,
    /// An incarnation has begun whose SYN has not left yet.
    unsaid: bool,
    /// The last incarnation was an attempt that has gone: a record that is there all of a sudden, because another
    /// program has it from the one before, is of one before that.
    attempted: bool,
    /// Somebody has forged a segment: what it did is nobody's fault.
    pub(super) forged: bool,
}

impl Lives {
    /// A SYN leaves: an incarnation begins, unless it is sent again.
    pub(super) fn syn_sent(&mut self, at: Instant, syn: &Summary) {
        self.unsaid = false;
        if let Some(now) = self.now.as_mut().filter(|now| now.iss == syn.seq) {
            // Both SYNs have crossed, and it was met when the peer's came.
            if let Some(theirs) = self.syn.filter(|theirs| now.irs.is_none() && syn.ack == Some(theirs.seq + 1)) {
                now.meet(&theirs);
            }
            return;
        }
        let new = Life::begin(at, syn, self.syn.as_ref());
        let old = self.now.replace(new);
        if let Some(old) = old.filter(|old| old.irs.is_some()) {
            self.before = Some(old);
        }
    }

    /// The present incarnation, or the last one; `None` while nothing is known of the present one.
    pub(super) fn present(&self) -> Option<&Life> {
        self.now.as_ref().filter(|_| !self.unsaid)
    }

    /// The flow was in one state and is in another; whether that is news.
    pub(super) fn moved(&mut self, before: State, after: State) -> bool {
        let opening = |state| matches!(state, State::SynSent | State::SynReceived);
        match (opening(before), opening(after)) {
            (false, true) => self.unsaid = true,
            (true, false) => self.unsaid = false,
            (false, false) | (true, true) => {}
        }
        let imported = before == State::Closed && self.attempted;
        self.attempted = opening(before) && after == State::Closed || self.attempted && before == after;
        if (opening(before) || imported) && after == State::TimeWait {
            // TW-9: the record that the attempt had hidden is back.
            self.now = self.before.take().or(self.now);
        }
        self.state.replace(after) != Some(after)
    }

    /// The incarnation that ended at `time`.
    pub(super) fn ended_at(&self, time: Instant) -> Option<&Life> {
        self.now.as_ref().filter(|now| now.began <= time).or(self.before.as_ref())
    }
}
