//! What is remembered of one end of one connection, beside the code that is checked: the ghost variables.

use adieu_core::{Ending, FlowView, HandleId, State};

/// One end of an incarnation.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Which one of its side: the tag of every byte it writes.
    pub(crate) tag: u8,
    /// What the application holds, while it does.
    pub(crate) handle: Option<HandleId>,
    /// The other side opened it.
    pub(crate) passive: bool,
    /// The application has it, or had it.
    pub(crate) accepted: bool,
    /// ISS.
    pub(crate) iss: u32,
    /// IRS, once it is known.
    pub(crate) irs: Option<u32>,
    /// Where it stands.
    pub(crate) stage: Stage,
    /// It got beyond the handshake.
    pub(crate) established: bool,
    /// Our SYN was acknowledged by a segment within the window.
    pub(crate) confirmed: bool,
    /// Bytes the TCP took: W.
    pub(crate) written: u8,
    /// The application has closed its direction: n = W.
    pub(crate) finished: bool,
    /// Bytes that came in order: R.
    pub(crate) received: u8,
    /// Bytes the application has read: D.
    pub(crate) read: u8,
    /// After the last byte of data that any segment has brought.
    pub(crate) arrived: u8,
    /// Bytes of ours that are acknowledged.
    pub(crate) acked: u8,
    /// Our FIN is acknowledged.
    pub(crate) fin_acked: bool,
    /// The peer's FIN is here.
    pub(crate) peer_finished: bool,
    /// The application gave up both directions.
    pub(crate) closed: bool,
    /// It asked for a reset.
    pub(crate) aborted: bool,
    /// How it ended.
    pub(crate) ending: Option<Ending>,
    /// Its record in TIME-WAIT is gone.
    pub(crate) expired: bool,
    /// SND.UNA, SND.NXT, RCV.NXT and the right edge, as seen last.
    pub(crate) numbers: [u64; 4],
    /// How far the application's view of both directions has moved on: open, closing, aborted, complete.
    pub(crate) sides: [u8; 2],
}

/// Where one end stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stage {
    /// SYN-SENT or SYN-RECEIVED.
    Opening(State),
    /// ESTABLISHED or closing.
    Open(State),
    /// A record in TIME-WAIT.
    Waiting,
    /// A record that answers with resets.
    Quarantined,
    /// Nothing.
    Gone,
}

impl Stage {
    /// Whether a connection is there, not just a record.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Opening(_) | Self::Open(_))
    }
}

impl End {
    pub(crate) fn new(tag: u8, view: &FlowView) -> Self {
        let (iss, irs) = initial(view).unwrap_or_default();
        Self {
            tag,
            handle: None,
            passive: true,
            accepted: false,
            iss,
            irs,
            stage: Stage::Gone,
            established: false,
            confirmed: false,
            written: 0,
            finished: false,
            received: 0,
            read: 0,
            arrived: 0,
            acked: 0,
            fin_acked: false,
            peer_finished: false,
            closed: false,
            aborted: false,
            ending: None,
            expired: false,
            numbers: [0; 4],
            sides: [0; 2],
        }
    }

    /// The RFC's state of what got beyond the handshake.
    pub(crate) fn joint_state(&self) -> Option<State> {
        match self.stage {
            _ if !self.established => None,
            Stage::Open(state) => Some(state),
            Stage::Waiting => Some(State::TimeWait),
            Stage::Opening(_) | Stage::Quarantined | Stage::Gone => Some(State::Closed),
        }
    }

    /// Whether `other` is the other end of the same incarnation, by the numbers of both SYNs.
    pub(crate) fn is_peer_of(&self, other: &Self) -> bool {
        self.irs == Some(other.iss) && other.irs == Some(self.iss)
    }

    /// Whether `other` may be the other end: one SYN has arrived, and the other never did.
    pub(crate) fn may_be_peer_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.irs == Some(other.iss), other.irs == Some(self.iss));
        ours && (theirs || other.irs.is_none()) || theirs && self.irs.is_none()
    }

    /// The byte that stands at `at` of what this end, on `side`, writes: side, incarnation and place.
    pub(crate) fn byte(&self, side: usize, at: u8) -> u8 {
        (if side == 0 { 0 } else { 0x80 }) | (self.tag & 7) << 4 | (at & 15)
    }

    /// What tells states apart. Numbers of what is live stand in the stack.
    pub(crate) fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        use std::hash::Hash;
        (self.tag, self.handle.is_some(), self.passive, self.accepted, self.iss, self.irs, self.stage).hash(state);
        (self.established, self.confirmed, self.written, self.finished, self.received, self.read).hash(state);
        (self.arrived, self.acked, self.fin_acked, self.peer_finished, self.closed, self.aborted).hash(state);
        (self.ending, self.expired, self.sides).hash(state);
    }
}

/// Our initial number and the peer's, where a view shows them.
pub(crate) fn initial(view: &FlowView) -> Option<(u32, Option<u32>)> {
    match view {
        FlowView::Opening { iss, irs, .. } => Some((iss.0, irs.map(|irs| irs.0))),
        FlowView::Connection(numbers) => Some((numbers.initial.0.0, Some(numbers.initial.1.0))),
        FlowView::Abandoned { .. } | FlowView::Record { .. } => None,
    }
}
