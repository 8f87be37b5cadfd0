//! A trace and its receipts for programs.
//!
//! [`json()`] gives a [`Document`], which any `serde` format writes. Fields stand in the order below, none is ever left
//! out, and what there is not is `null`. `docs/trace-json.md` is the same for those who read the result.
//!
//! ```text
//! version   1
//! ends      [left, right], each:
//!   side, name, address      "left" or "right"; "client"; "10.0.0.1:49152"
//! events    in the order they happened, each with at_ns, kind, side, and by its kind:
//!   "segment"  flags         among "SYN", "FIN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"
//!              seq, ack      relative to the initial number of its direction; ack is null without the ACK flag
//!              len, window   bytes of data; the window in bytes
//!              arrives_ns    null where the wire loses it
//!              again         whether it takes numbers that were sent before
//!   "state"    from, to      names of RFC 9293
//!   "app"      text          what an application did or saw
//! receipts  [left, right], each null or:
//!   ending, text, graceful   a stable name; in words; whether both directions were completed
//!   state                    the one it ended in
//!   closed_first             "this-end", "peer", "both", or null where neither end closed
//!   sent, acknowledged, undelivered, received, unread   bytes
//!   discarded, unsent        bytes that came and were thrown away; bytes that never left
//!   at_first_fin             [sent, received] in bytes when the first FIN was sent or came; null where none did, or
//!                            where it was not kept
//!   fin_acknowledged, fin_received, reset_sent   which of these happened
//!   zeek, completeness       what Zeek's conn_state and Wireshark's tcp.completeness would be
//!   retransmissions          times that a segment was sent again
//!   began_ns, ended_ns       first state, ending
//!   states                   in order, each with state and ns. TIME-WAIT begins with the ending: its ns is 0
//! ```
//!
//! Times are nanoseconds since the origin of the trace. The version is raised when a field changes its meaning, its
//! type or its name, or goes. New fields, new kinds of events and new endings may come with the same version.

use adieu_core::wire::Flags;
use adieu_core::{Closer, Duration, Ending, Instant, Order};
use serde::Serialize;

use crate::{SegmentSeen, Side, Trace, What};

/// The version of the schema.
pub const VERSION: u32 = 1;

/// A trace and its receipts.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// [`VERSION`].
    pub version: u32,
    /// Left and right end.
    pub ends: [End; 2],
    /// What happened, in the order it happened.
    pub events: Vec<Event>,
    /// What each end's connection left behind, where it has ended.
    pub receipts: [Option<Receipt>; 2],
}

/// One end of the connection.
#[derive(Clone, Debug, Serialize)]
pub struct End {
    /// `left` or `right`.
    pub side: &'static str,
    /// What it is called.
    pub name: String,
    /// Address and port.
    pub address: String,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When.
    pub at_ns: u64,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happened; the tag is called `kind`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// A segment left an end.
    Segment {
        /// Which end sent it.
        side: &'static str,
        /// Names of the control bits that are set.
        flags: Vec<&'static str>,
        /// Sequence number, relative.
        seq: u32,
        /// Acknowledgment number, relative.
        ack: Option<u32>,
        /// Bytes of data.
        len: usize,
        /// The window in bytes.
        window: u32,
        /// When it arrives; `None` where the wire loses it.
        arrives_ns: Option<u64>,
        /// Whether it takes numbers that were sent before.
        again: bool,
    },
    /// An end changed its state.
    State {
        /// Which end.
        side: &'static str,
        /// From which state.
        from: &'static str,
        /// To which state.
        to: &'static str,
    },
    /// What an application did or saw.
    App {
        /// Which end.
        side: &'static str,
        /// In words.
        text: String,
    },
}

/// What a connection left behind at one end.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The ending's stable name.
    pub ending: &'static str,
    /// The ending in words.
    pub text: String,
    /// Whether both directions were completed.
    pub graceful: bool,
    /// The state the connection ended in.
    pub state: &'static str,
    /// `this-end`, `peer` or `both`; `None` where neither end closed.
    pub closed_first: Option<&'static str>,
    /// Bytes taken from the application.
    pub sent: u64,
    /// Of those, acknowledged by the peer's TCP.
    pub acknowledged: u64,
    /// Of those, not acknowledged.
    pub undelivered: u64,
    /// Bytes that came in order from the peer.
    pub received: u64,
    /// Of those, not read by the application.
    pub unread: u64,
    /// Bytes that came and were thrown away.
    pub discarded: u64,
    /// Bytes that never left.
    pub unsent: u64,
    /// Bytes sent and received when the first FIN was sent or came.
    pub at_first_fin: Option<(u64, u64)>,
    /// Whether our FIN was acknowledged.
    pub fin_acknowledged: bool,
    /// Whether the peer's FIN came.
    pub fin_received: bool,
    /// Whether the peer was told by a reset.
    pub reset_sent: bool,
    /// Zeek's `conn_state`.
    pub zeek: &'static str,
    /// Wireshark's `tcp.completeness`.
    pub completeness: u8,
    /// Times that a segment was sent again.
    pub retransmissions: u32,
    /// When the first state began.
    pub began_ns: u64,
    /// When the connection ended.
    pub ended_ns: u64,
    /// The states it was in, in order.
    pub states: Vec<Stay>,
}

/// A stay in a state.
#[derive(Clone, Debug, Serialize)]
pub struct Stay {
    /// The state's name.
    pub state: &'static str,
    /// How long.
    pub ns: u64,
}

/// `trace` and the receipts of its left and right end, where there are any.
pub fn json(trace: &Trace, receipts: [Option<&adieu_core::Receipt>; 2]) -> Document {
    let end = |side: Side| {
        let end = &trace.ends[side as usize];
        End { side: name(side), name: end.name.clone(), address: end.address.to_string() }
    };
    let events = trace.events.iter().map(|event| Event { at_ns: event.at.as_nanos(), kind: kind(&event.what) });
    Document {
        version: VERSION,
        ends: [end(Side::Left), end(Side::Right)],
        events: events.collect(),
        receipts: receipts.map(|receipt| receipt.map(Receipt::of)),
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

fn kind(what: &What) -> Kind {
    match what {
        What::Segment(segment) => {
            let SegmentSeen { from, arrives, flags, seq, ack, len, window, again } = *segment;
            let arrives_ns = arrives.map(Instant::as_nanos);
            Kind::Segment { side: name(from), flags: names(flags), seq, ack, len, window, arrives_ns, again }
        }
        What::State { side, from, to } => Kind::State { side: name(*side), from: from.name(), to: to.name() },
        What::App { side, text } => Kind::App { side: name(*side), text: text.clone() },
    }
}

fn names(flags: Flags) -> Vec<&'static str> {
    let all = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::ACK, "ACK"),
        (Flags::URG, "URG"),
        (Flags::from_bits(0x40), "ECE"),
        (Flags::from_bits(0x80), "CWR"),
    ];
    all.into_iter().filter_map(|(flag, name)| flags.has(flag).then_some(name)).collect()
}

impl Receipt {
    /// A receipt's fields, for documents of one's own.
    pub fn of(receipt: &adieu_core::Receipt) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let closed_first = match (receipt.ending, receipt.closed_first) {
            (Ending::Graceful { order: Order::Simultaneous }, _) => Some("both"),
            (_, Some(Closer::Us)) => Some("this-end"),
            (_, Some(Closer::Peer)) => Some("peer"),
            (_, None) => None,
        };
        let states = receipt.spent.iter().map(|(state, stay)| Stay { state: state.name(), ns: nanos(stay) });
        Self {
            ending: receipt.ending.name(),
            text: receipt.ending.to_string(),
            graceful: receipt.ending.is_graceful(),
            state: receipt.ending.state().name(),
            closed_first,
            sent: receipt.sent,
            acknowledged: receipt.acknowledged,
            undelivered: receipt.undelivered(),
            received: receipt.received,
            unread: receipt.unread,
            discarded: receipt.discarded,
            unsent: receipt.unsent,
            at_first_fin: receipt.at_first_fin,
            fin_acknowledged: receipt.fin_acknowledged,
            fin_received: receipt.fin_received,
            reset_sent: receipt.reset_sent,
            zeek: receipt.zeek(),
            completeness: receipt.completeness(),
            retransmissions: receipt.retransmissions,
            began_ns: receipt.spent.began().as_nanos(),
            ended_ns: receipt.spent.ended().as_nanos(),
            states: states.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
