//! Segments that nobody has sent, aimed at a flow by what its own segments have told.

use adieu_core::wire::tcp::{Control, Header};
use adieu_core::wire::{Flags, Options, Timestamps};
use adieu_core::{Flow, Seq};
use adieu_trace::Side;

use crate::forged;
use crate::sightings::End;

/// A number that a forged segment carries, measured by what a receiver takes. As somebody on the path knows it:
/// acknowledgments that are delayed or on their way make a difference.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Number {
    /// Sequence number: the next one the receiver waits for, RCV.NXT. Acknowledgment: all that it has sent, SND.NXT.
    /// In an ICMP quote: the first that is not acknowledged, SND.UNA.
    Exact,
    /// So many before that; an acknowledgment or a quote: so many before SND.UNA.
    Old(u32),
    /// So many after RCV.NXT, at most the last in the window; an acknowledgment or a quote: after SND.UNA, at most the
    /// last that was sent.
    InWindow(u32),
    /// So many after the last that is in the window, at least one; an acknowledgment or a quote: so many after the last
    /// that was sent.
    Outside(u32),
    /// Counted from the initial number of its direction, as in the trace: the SYN is 0.
    Relative(u32),
}

impl Number {
    /// Where `exact` is in a stretch from `first` to before `end`, of a direction that began at `initial`.
    fn resolve(self, exact: Seq, [first, end]: [Seq; 2], initial: Seq) -> Seq {
        match self {
            Self::Exact => exact,
            Self::Old(n) => first - n,
            Self::InWindow(n) => {
                let most = u32::try_from(end.distance(first) - 1).unwrap_or(0);
                first + n.min(most)
            }
            Self::Outside(n) => end + n.max(1) - 1,
            Self::Relative(n) => initial + n,
        }
    }

    /// The sequence number of a segment to `to`.
    fn as_seq(self, ends: &[End; 2], to: Side) -> Option<Seq> {
        let (own, peer) = (&ends[to as usize], &ends[to.other() as usize]);
        let initial = peer.initial?;
        let next = own.acked.unwrap_or(initial + 1);
        Some(self.resolve(next, [next, own.edge.unwrap_or(next)], initial))
    }

    /// A number that `to` has sent: what a segment to it acknowledges.
    fn as_ack(self, ends: &[End; 2], to: Side) -> Option<Seq> {
        let [una, next, initial] = sent_by(ends, to)?;
        Some(self.resolve(next, [una, next + 1], initial))
    }

    /// A number that `to` has sent: of a segment that a router quotes.
    pub(crate) fn as_quoted(self, ends: &[End; 2], to: Side) -> Option<Seq> {
        let [una, next, initial] = sent_by(ends, to)?;
        Some(self.resolve(una, [una, next], initial))
    }
}

/// SND.UNA, SND.NXT and ISS of an end.
fn sent_by(ends: &[End; 2], side: Side) -> Option<[Seq; 3]> {
    let (own, peer) = (&ends[side as usize], &ends[side.other() as usize]);
    let initial = own.initial?;
    Some([peer.acked.unwrap_or(initial), own.next?, initial])
}

/// A segment that none of the hosts has sent, on any flow. As it is sent by default it would be taken: the next number,
/// all acknowledged, and the timestamps that the flow uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Aimed<'a> {
    /// Control bits.
    pub flags: Flags,
    /// Sequence number.
    pub seq: Number,
    /// Acknowledgment number; it counts only with [`Flags::ACK`].
    pub ack: Number,
    /// The window field.
    pub window: u16,
    /// The data.
    pub data: &'a [u8],
    /// With the timestamps that the flow has used last, if any: what is not stamped is no segment of a flow that is
    /// (RFC 7323 section 3.2), and never gets to be looked at.
    pub stamped: bool,
}

impl Aimed<'_> {
    /// With exact numbers, and no data.
    pub fn new(flags: Flags) -> Self {
        Self { flags, seq: Number::Exact, ack: Number::Exact, window: u16::MAX, data: &[], stamped: true }
    }

    /// The packet to `to`, on a flow that the left host calls `flow`; `None` where its numbers are not known yet.
    pub(crate) fn packet(&self, flow: &Flow, ends: &[End; 2], to: Side) -> Option<Vec<u8>> {
        let (source, destination) = match to {
            Side::Left => (flow.remote(), flow.local()),
            Side::Right => (flow.local(), flow.remote()),
        };
        let ack = match self.flags.has(Flags::ACK) {
            true => Some(self.ack.as_ack(ends, to)?),
            false => None,
        };
        let stamp = |side: Side| ends[side as usize].stamp;
        let timestamps = stamp(to.other()).filter(|_| self.stamped).map(|value| {
            let echo = stamp(to).filter(|_| ack.is_some()).unwrap_or(0);
            Timestamps { value, echo }
        });
        let header = Header {
            seq: self.seq.as_seq(ends, to)?,
            ack,
            control: Control::None,
            push: false,
            ece: false,
            cwr: false,
            window: self.window,
            urgent: None,
            options: Options { timestamps, ..Options::default() },
        };
        Some(forged::packet([source, destination], &header, self.flags, self.data))
    }
}
