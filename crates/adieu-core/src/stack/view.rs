//! A flow in numbers, for who checks from outside what must hold within: a model checker, an oracle.

use super::index::Stage;
use super::{Flow, Stack};
use crate::connection::close::State;
use crate::connection::ending::Ending;
use crate::seq::{Offset, Seq};

/// What has a flow, handle or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FlowView {
    /// SYN-SENT or SYN-RECEIVED.
    Opening {
        /// Which of the two.
        state: State,
        /// Our initial number.
        iss: Seq,
        /// The peer's, once its SYN is here.
        irs: Option<Seq>,
    },
    /// From ESTABLISHED on.
    Connection(Numbers),
    /// FIN-WAIT-2 without an owner, as a record.
    Abandoned {
        /// SND.NXT.
        send_next: Seq,
        /// RCV.NXT.
        recv_next: Seq,
    },
    /// A record in TIME-WAIT, or in quarantine.
    Record {
        /// Whether it is TIME-WAIT.
        time_wait: bool,
        /// SND.NXT.
        send_next: Seq,
        /// RCV.NXT.
        recv_next: Seq,
    },
}

/// A connection's numbers. Offsets count from the SYN of their direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers {
    /// The RFC's state.
    pub state: State,
    /// How it has ended, while a reset is still to leave.
    pub ended: Option<Ending>,
    /// ISS and IRS.
    pub initial: (Seq, Seq),
    /// SND.UNA.
    pub una: Offset,
    /// SND.NXT.
    pub next: Offset,
    /// After the last byte taken from the application.
    pub written: Offset,
    /// Where our FIN lies, once it is queued.
    pub fin: Option<Offset>,
    /// SND.WND.
    pub send_window: u32,
    /// RCV.NXT.
    pub received: Offset,
    /// The right edge that was announced: RCV.NXT + RCV.WND.
    pub edge: Offset,
    /// Whether the peer's FIN lies before RCV.NXT.
    pub peer_finished: bool,
    /// Its timers that run.
    pub armed: Armed,
}

/// Which timers of a connection run (section 4.6 of the requirements).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Armed {
    /// Retransmission.
    pub retransmit: bool,
    /// The probe of the tail, or the search for what was overtaken.
    pub early: bool,
    /// Persist.
    pub persist: bool,
    /// Delayed acknowledgment.
    pub ack: bool,
    /// Keepalive, or an orphan's patience in FIN-WAIT-2.
    pub idle: bool,
    /// The watchdog of a half-closed connection and of orphans.
    pub watch: bool,
}

impl Stack {
    /// What has a flow now.
    pub fn view(&self, flow: &Flow) -> Option<FlowView> {
        let tag = self.find(flow)?;
        Some(match tag.stage() {
            Stage::Opening => {
                let opening = &self.openings.get(tag.number())?.is;
                let (iss, irs) = opening.initial();
                FlowView::Opening { state: opening.state(), iss, irs }
            }
            Stage::Connection => FlowView::Connection(self.connections.get(tag.number())?.is.numbers()),
            Stage::Abandoned => {
                let legacy = self.abandoned.get(tag.number())?.legacy(false);
                FlowView::Abandoned { send_next: legacy.send_next, recv_next: legacy.recv_next }
            }
            Stage::Record => {
                let record = self.waits.get(tag.number())?;
                let (send_next, recv_next) = record.numbers();
                FlowView::Record { time_wait: record.wait().is_time_wait(), send_next, recv_next }
            }
        })
    }
}
