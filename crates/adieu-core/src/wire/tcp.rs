//! TCP segments: parsed to meaning, emitted from meaning (RFC 9293 section 3.1 and 3.2).

use core::fmt;

use super::ip::{self, Packet, Payload};
use super::options::Options;
use crate::seq::Seq;

/// The control bits of a segment, as received.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN-Echo: a mark of congestion has come (RFC 3168 section 6.1).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced: such an echo was heard.
    pub const CWR: Self = Self(0x80);
    /// No flag at all.
    pub const NONE: Self = Self(0);

    /// The flags in the low eight bits of the fourth header word.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits as they travel.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both sets together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::SYN, "SYN"),
            (Self::FIN, "FIN"),
            (Self::RST, "RST"),
            (Self::PSH, "PSH"),
            (Self::URG, "URG"),
            (Self::ACK, "ACK"),
            (Self::ECE, "ECE"),
            (Self::CWR, "CWR"),
        ];
        let mut first = true;
        for (flag, name) in names {
            if self.has(flag) {
                if !first {
                    f.write_str(",")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One received segment: the header's fields and the payload. Every combination of flags can stand here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Segment<'a> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Number of the first octet, or of the SYN.
    pub seq: Seq,
    /// The acknowledgment field; it counts only with [`Flags::ACK`].
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// The window field, not scaled.
    pub window: u16,
    /// The window counts octets even where scaling was agreed: it came with a SYN (RFC 7323 section 2.2).
    pub plain_window: bool,
    /// The urgent pointer: counts only with [`Flags::URG`].
    pub urgent: u16,
    /// Options.
    pub options: Options,
    /// A router has marked the packet instead of dropping it: CE in its IP header (RFC 3168 section 5).
    pub marked: bool,
    /// The data.
    pub payload: Payload<'a>,
}

/// Length of a TCP header without options.
pub const HEADER: usize = 20;

impl<'a> Segment<'a> {
    /// Reads the segment in `bytes`, the body of `packet`. `None` where the header is cut short or an option's length
    /// is illegal (RS-8: such a segment is dropped).
    pub fn parse(bytes: &'a [u8], packet: &Packet<'a>) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let length = usize::from(header[12] >> 4) * 4;
        let options = Options::parse(bytes.get(HEADER..length)?)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let long = |at: usize| Seq(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
        Some(Self {
            source: word(0),
            destination: word(2),
            seq: long(4),
            ack: long(8),
            flags: Flags::from_bits(header[13]),
            window: word(14),
            plain_window: header[13] & Flags::SYN.bits() != 0,
            urgent: word(18),
            options,
            marked: ip::ecn_bits(packet.bytes()) == ip::CE,
            payload: Payload::of(bytes.get(length..)?, packet),
        })
    }

    /// SEG.LEN: data, SYN and FIN, each of which takes a sequence number.
    pub fn len(&self) -> u32 {
        let data = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        data + u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN))
    }

    /// Whether the segment takes no sequence number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number after the last one this segment takes.
    pub fn end(&self) -> Seq {
        self.seq + self.len()
    }

    /// The same segment with its SYN taken off: what is left for an established connection to read.
    #[must_use]
    pub fn without_syn(mut self) -> Self {
        if self.flags.has(Flags::SYN) {
            self.flags = self.flags.without(Flags::SYN);
            self.seq = self.seq + 1;
        }
        self
    }
}

/// A header to send. At most one of SYN, FIN and RST, by construction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Header {
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgment; the ACK flag is set where there is one.
    pub ack: Option<Seq>,
    /// SYN, FIN or RST, if any.
    pub control: Control,
    /// Push.
    pub push: bool,
    /// ECN-Echo.
    pub ece: bool,
    /// Congestion window reduced.
    pub cwr: bool,
    /// The window field.
    pub window: u16,
    /// The urgent pointer, counted from `seq`; the URG flag is set where there is one.
    pub urgent: Option<u16>,
    /// Options.
    pub options: Options,
}

/// The one control flag a segment of ours may carry besides ACK and PSH.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Control {
    /// Data or a bare acknowledgment.
    None,
    /// Opens.
    Syn,
    /// Ends our direction.
    Fin,
    /// Aborts.
    Rst,
}

impl Header {
    /// Neither data nor control flag, nor options.
    pub fn bare(seq: Seq, ack: Option<Seq>, window: u16) -> Self {
        Self {
            seq,
            ack,
            control: Control::None,
            push: false,
            ece: false,
            cwr: false,
            window,
            urgent: None,
            options: Options::default(),
        }
    }

    /// The flags that travel.
    pub fn flags(&self) -> Flags {
        let control = match self.control {
            Control::None => Flags::NONE,
            Control::Syn => Flags::SYN,
            Control::Fin => Flags::FIN,
            Control::Rst => Flags::RST,
        };
        let ack = if self.ack.is_some() { Flags::ACK } else { Flags::NONE };
        let push = if self.push { Flags::PSH } else { Flags::NONE };
        let urgent = if self.urgent.is_some() { Flags::URG } else { Flags::NONE };
        let ece = if self.ece { Flags::ECE } else { Flags::NONE };
        let cwr = if self.cwr { Flags::CWR } else { Flags::NONE };
        control.with(ack).with(push).with(urgent).with(ece).with(cwr)
    }

    /// Bytes this header takes with its options.
    pub fn size(&self) -> usize {
        HEADER + self.options.size()
    }

    /// Writes the header into the first [`Header::size`] bytes of `out`, its checksum field zero.
    pub fn emit(&self, source: u16, destination: u16, out: &mut [u8]) {
        let size = self.size();
        out[0..2].copy_from_slice(&source.to_be_bytes());
        out[2..4].copy_from_slice(&destination.to_be_bytes());
        out[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.ack.unwrap_or_default().0.to_be_bytes());
        out[12] = u8::try_from(size / 4).unwrap_or(15) << 4;
        out[13] = self.flags().bits();
        out[14..16].copy_from_slice(&self.window.to_be_bytes());
        out[16..18].fill(0);
        out[18..20].copy_from_slice(&self.urgent.unwrap_or(0).to_be_bytes());
        self.options.emit(&mut out[HEADER..size]);
    }
}

/// Where the checksum field lies in a TCP header.
pub const CHECKSUM_AT: usize = 16;

#[cfg(test)]
mod tests;
