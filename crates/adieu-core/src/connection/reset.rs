//! Resets: the judgement of one that came, and the one we send.

use super::close::State;
use super::ending::{Cause, Ending};
use super::recv::Position;
use super::{Connection, Farewell, Now};
use crate::wire::Segment;

impl Connection {
    /// RFC 5961 section 3.2: exactly at RCV.NXT a reset counts; elsewhere in the window it draws a challenge that a
    /// real peer answers with an exact one; outside it is nothing. It is never answered with a reset (RA-17).
    pub(super) fn handle_reset(&mut self, now: Now<'_>, segment: &Segment<'_>, position: Position) {
        let distance = segment.seq.distance(self.recv.next_seq());
        // RA-7: some stacks send FIN, then RST with the FIN's own number.
        let at_fin = distance == -1 && self.close.is_fin_received();
        let in_window = position == Position::Acceptable && distance > 0;
        if distance == 0 || at_fin {
            let state = self.state();
            self.end(now, Ending::ResetByPeer { state });
            self.check();
        } else if in_window {
            self.ack.owe_challenge(now);
        }
    }

    /// Ends the connection in silence, because no reset can leave any more (3.35); one that was due does not, either.
    pub(crate) fn vanish(&mut self, now: Now<'_>, cause: Cause) {
        if core::mem::replace(&mut self.farewell, Farewell::None) == Farewell::Due {
            self.ledger.note(|ledger| ledger.reset_sent = false);
        }
        if self.ended.is_none() {
            let state = self.state();
            self.end(now, Ending::Aborted { cause, state });
            self.check();
        }
    }

    /// Ends the connection and tells the peer.
    pub(super) fn reset_and_end(&mut self, now: Now<'_>, why: Ending) {
        if self.ended.is_some() {
            return;
        }
        // AB-3: with our FIN acknowledged in CLOSING or LAST-ACK the connection is over; no such state is ever visible.
        debug_assert!(!matches!(self.state(), State::TimeWait | State::Closed));
        self.farewell = Farewell::Due;
        self.ledger.note(|ledger| ledger.reset_sent = true);
        self.end(now, why);
        self.check();
    }
}
