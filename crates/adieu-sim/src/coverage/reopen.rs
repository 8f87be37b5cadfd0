//! TW-8's table, recomputed from outside: which row a SYN in TIME-WAIT falls into, and whether what happened is what
//! the row says.

use adieu_core::wire::Flags;
use adieu_core::{Glance, State};

use super::columns::Row;
use super::life::{Life, is_later};
use crate::Summary;

/// The row of a SYN that finds the record of `life`. `None` where it is not for the table (TW-12, no place at the
/// listener, quiet time), or where TS.Recent or RCV.NXT cannot be told from outside.
pub(super) fn row(syn: &Summary, before: &Glance, life: &Life) -> Option<Row> {
    let asks = syn.has(Flags::SYN) && !syn.has(Flags::ACK) && !syn.has(Flags::RST);
    if !asks || before.state != State::TimeWait || !before.admits {
        return None;
    }
    // The peer's FIN lies just before what we acknowledged last, once that has left.
    let next = life.acked.filter(|acked| before.recv_next == Some(*acked))?;
    let beyond = syn.seq.distance(next) >= 0;
    let new = syn.timestamps.filter(|_| before.stamps);
    Some(match (life.is_stamped(), new) {
        (true, Some(stamp)) => stamped(stamp.value, life, beyond)?,
        (true, None) if beyond => Row::StampGoneBeyond,
        (true, None) => Row::StampGone,
        (false, Some(_)) => Row::StampNew,
        (false, None) if beyond => Row::NoStampBeyond,
        (false, None) => Row::NoStamp,
    })
}

/// TS.Recent lies between what was echoed and what came: between them nothing is said.
fn stamped(value: u32, life: &Life, beyond: bool) -> Option<Row> {
    let (low, high) = life.echoed.zip(life.heard)?;
    if is_later(value, high) {
        Some(Row::LaterStamp)
    } else if is_later(low, value) {
        Some(Row::OldStamp)
    } else if low == high {
        Some(if beyond { Row::SameStampBeyond } else { Row::OldStamp })
    } else {
        None
    }
}

/// What is wrong with a flow that is in `after` now, if anything.
pub(super) fn objection(row: Row, after: State) -> Option<String> {
    let expected = if row.accepts() { State::SynReceived } else { State::TimeWait };
    (after != expected).then(|| format!("TW-8: a SYN in TIME-WAIT ({row}) leads to {after}"))
}
