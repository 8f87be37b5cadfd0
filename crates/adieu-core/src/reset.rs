//! What a segment without a connection deserves (RFC 9293 section 3.10.7.1; RS-1).

use crate::seq::Seq;
use crate::wire::tcp::{Control, Header};
use crate::wire::{Flags, Options, Segment};

/// The reset that answers `segment`; none for a reset.
pub(crate) fn answer(segment: &Segment<'_>) -> Option<Header> {
    if segment.flags.has(Flags::RST) {
        return None;
    }
    let (seq, ack) = if segment.flags.has(Flags::ACK) { (segment.ack, None) } else { (Seq(0), Some(segment.end())) };
    Some(Header { seq, ack, control: Control::Rst, push: false, window: 0, options: Options::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Payload;

    #[test]
    fn rs_1_every_combination_of_flags() {
        for bits in 0..=255 {
            let flags = Flags::from_bits(bits);
            let segment = Segment {
                source: 1,
                destination: 2,
                seq: Seq(100),
                ack: Seq(7),
                flags,
                window: 0,
                options: Options::default(),
                payload: Payload::new(b"abc"),
            };
            let length = 3 + u32::from(flags.has(Flags::SYN)) + u32::from(flags.has(Flags::FIN));
            let reset = answer(&segment);
            if flags.has(Flags::RST) {
                assert_eq!(reset, None);
            } else if flags.has(Flags::ACK) {
                assert_eq!(reset.map(|r| (r.seq, r.ack)), Some((Seq(7), None)));
            } else {
                assert_eq!(reset.map(|r| (r.seq, r.ack)), Some((Seq(0), Some(Seq(100) + length))));
            }
        }
    }
}
