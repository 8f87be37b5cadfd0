//! How a scenario ends: the goodbye is checked, everything let go of, and the outcome put together.

use adieu::{Flow, Leftover, Receipt, State};
use adieu_trace::{Side, human};

use super::place::Place;
use super::stage::{CLIENT, SOON, Stage};
use crate::output::grouped;
use crate::tour::{Outcome, Pair};

impl Stage {
    /// Checks a goodbye that `first` has begun: both ends' states, and our receipt.
    pub(super) async fn check_goodbye(&mut self, first: Side) {
        let second = first.other();
        self.until(|stage| stage.state(second) == State::Closed && stage.state(first) >= State::TimeWait).await;
        let waits = self.went(first, &[State::FinWait2, State::TimeWait]);
        let done = self.went(second, &[State::CloseWait, State::LastAck, State::Closed]);
        let [first_name, second_name] = [first, second].map(|side| self.who(side));
        self.check(
            format!("{second_name}, which closed second, is done at once; {first_name}, which closed first, waits"),
            waits && done,
        );
        let name = if first == self.adieu { "graceful-local-first" } else { "graceful-peer-first" };
        let receipt = self.receipt();
        let graceful = receipt.is_some_and(|receipt| receipt.ending.name() == name && receipt.undelivered() == 0);
        self.check("our receipt says graceful, who closed first, and that every byte was acknowledged", graceful);
    }

    /// "the client" or "the server".
    pub(super) fn who(&self, side: Side) -> &'static str {
        if side == CLIENT { "the client" } else { "the server" }
    }

    /// Lets go of everything, and waits until nothing is left at our end; what the kernel keeps is its own.
    pub(super) async fn finish(mut self, place: &Place) -> Outcome {
        self.ends = [None, None];
        self.listener = None;
        let waited = self.state(self.adieu) == State::TimeWait;
        let patience = self.time_wait + SOON;
        let empty = self.until_within(patience, |stage| stage.net.held() == Leftover::default()).await;
        self.look();
        if waited {
            self.check_stay();
        }
        self.check("in the end adieu holds nothing: no connection, record, timer, byte or port", empty);
        let linux = self.linux();
        let socket = self.watch.seen().socket();
        if let Some(stays) = socket.and_then(|socket| socket.stays) {
            let state = self.state(linux);
            self.note(linux, format!("({state} for {} s more)", stays.as_secs()));
        }
        let receipt = self.receipt();
        let mut receipts = [None, None];
        receipts[self.adieu as usize] = receipt;
        let counted: Vec<String> =
            place.counters().iter().map(|(name, value)| format!("{name} {}", grouped(*value))).collect();
        let mut remarks = vec![format!("Linux has counted: {}.", counted.join(", "))];
        if !self.unusual.is_empty() {
            remarks.push(format!("So that it is short (default): {}.", self.unusual));
        }
        let others = self.others();
        let trace = self.watch.seen().take();
        Outcome { trace, receipts, others, remarks, checks: self.checks }
    }

    /// Checks how long we were in TIME-WAIT. A repeated FIN begins it anew, and on a busy machine a look comes late.
    fn check_stay(&mut self) {
        let wait = self.time_wait;
        let stay = self.watch.seen().stay(self.adieu, State::TimeWait);
        let range = wait * 4 / 5..wait * 2 + SOON;
        self.check(format!("TIME-WAIT lasted {}", human(wait)), stay.is_some_and(|stay| range.contains(&stay)));
    }

    /// Our receipts of further connections.
    fn others(&mut self) -> Vec<Pair> {
        let flow = self.watch.seen().flow();
        let first = self.receipts.iter().position(|(of, _)| Some(*of) == flow);
        let rest = self.receipts.iter().enumerate().filter(|(place, _)| Some(*place) != first);
        let pair = |(_, (flow, receipt)): (usize, &(Flow, Receipt))| {
            let mut receipts = [None, None];
            receipts[self.adieu as usize] = Some(*receipt);
            Pair { what: format!("{} <-> {}", flow.local(), flow.remote()), receipts }
        };
        rest.map(pair).collect()
    }
}
