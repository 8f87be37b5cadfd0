//! What a segment without a connection deserves (RFC 9293 section 3.10.7.1; RS-1).

use crate::seq::Seq;
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment, Timestamps};

/// The reset that answers `segment`; none for a reset.
pub(crate) fn answer(segment: &Segment<'_>) -> Option<Header> {
    if segment.flags.has(Flags::RST) {
        return None;
    }
    let (seq, ack) = if segment.flags.has(Flags::ACK) { (segment.ack, None) } else { (Seq(0), Some(segment.end())) };
    // It belongs to no connection, so it has no clock of its own. What the peer last heard of our clock, as it says
    // itself, is never too old for it; the 0 of RFC 7323 section 5.2 is to half of all peers that apply PAWS to resets,
    // as Linux does (RS-6).
    let timestamps = segment.options.timestamps.map(|theirs| {
        let heard = if segment.flags.has(Flags::ACK) { theirs.echo } else { 0 };
        Timestamps { value: heard, echo: theirs.value }
    });
    let options = Options { timestamps, ..Options::default() };
    Some(Header { control: Control::Rst, options, ..Header::bare(seq, ack, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Payload;

    fn segment(flags: Flags, options: Options, data: &'static [u8]) -> Segment<'static> {
        Segment {
            source: 1,
            destination: 2,
            seq: Seq(100),
            ack: Seq(7),
            flags,
            window: 0,
            plain_window: false,
            urgent: 0,
            options,
            marked: false,
            payload: Payload::new(data),
        }
    }

    #[test]
    fn rs_1_every_combination_of_flags() {
        for bits in 0..=255 {
            let flags = Flags::from_bits(bits);
            let length = 3 + u32::from(flags.has(Flags::SYN)) + u32::from(flags.has(Flags::FIN));
            let reset = answer(&segment(flags, Options::default(), b"abc"));
            if flags.has(Flags::RST) {
                assert_eq!(reset, None);
            } else if flags.has(Flags::ACK) {
                assert_eq!(reset.map(|r| (r.seq, r.ack)), Some((Seq(7), None)));
            } else {
                assert_eq!(reset.map(|r| (r.seq, r.ack)), Some((Seq(0), Some(Seq(100) + length))));
            }
        }
    }

    #[test]
    fn rs_6_a_reset_is_never_older_than_what_the_peer_has_heard() {
        let stamps = |flags: Flags, value: u32, echo: u32| {
            let options = Options { timestamps: Some(Timestamps { value, echo }), ..Options::default() };
            answer(&segment(flags, options, b"")).and_then(|reset| reset.options.timestamps)
        };
        assert_eq!(stamps(Flags::ACK, 5, 0x8000_0001), Some(Timestamps { value: 0x8000_0001, echo: 5 }));
        assert_eq!(stamps(Flags::SYN, 5, 0), Some(Timestamps { value: 0, echo: 5 }));
    }
}
