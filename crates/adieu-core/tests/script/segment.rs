//! Segments: built from relative numbers, read back to relative numbers.

use adieu_core::wire::ip::{Datagram, TCP, ecn_bits, emit, header_len, mark, pseudo_header};
use adieu_core::wire::{Flags, Options, Packet, Segment, checksum};
use adieu_core::{Flow, Seq};

/// A segment to inject or to expect.
#[derive(Clone, Debug)]
pub(crate) struct Seg {
    seq: i32,
    ack: Option<i32>,
    flags: Flags,
    window: Option<u16>,
    data: Vec<u8>,
    options: Vec<u8>,
    urgent: u16,
    broken: bool,
    absolute: bool,
    ecn: u8,
}

/// A timestamps option, padded.
pub(crate) fn stamps(value: u32, echo: u32) -> Vec<u8> {
    let mut option = vec![1, 1, 8, 10];
    option.extend(value.to_be_bytes());
    option.extend(echo.to_be_bytes());
    option
}

pub(crate) fn seg() -> Seg {
    Seg {
        seq: 0,
        ack: None,
        flags: Flags::NONE,
        window: None,
        data: Vec::new(),
        options: Vec::new(),
        urgent: 0,
        broken: false,
        absolute: false,
        ecn: 0,
    }
}

impl Seg {
    pub(crate) fn seq(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    pub(crate) fn ack(self, ack: i32) -> Self {
        Self { ack: Some(ack), ..self.flag(Flags::ACK) }
    }

    pub(crate) fn flag(self, flag: Flags) -> Self {
        Self { flags: self.flags.with(flag), ..self }
    }

    /// With these flags and no others; the numbers stay where they are.
    pub(crate) fn only_flags(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn syn(self) -> Self {
        self.flag(Flags::SYN)
    }

    pub(crate) fn fin(self) -> Self {
        self.flag(Flags::FIN)
    }

    pub(crate) fn rst(self) -> Self {
        self.flag(Flags::RST)
    }

    pub(crate) fn psh(self) -> Self {
        self.flag(Flags::PSH)
    }

    pub(crate) fn win(self, window: u16) -> Self {
        Self { window: Some(window), ..self }
    }

    pub(crate) fn data(self, data: &[u8]) -> Self {
        Self { data: data.to_vec(), ..self }
    }

    pub(crate) fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    /// With URG and this pointer.
    pub(crate) fn urgent(self, pointer: u16) -> Self {
        Self { urgent: pointer, ..self.flag(Flags::URG) }
    }

    pub(crate) fn mss(self, mss: u16) -> Self {
        let [high, low] = mss.to_be_bytes();
        self.options(&[2, 4, high, low])
    }

    /// With a wrong TCP checksum.
    pub(crate) fn broken(self) -> Self {
        Self { broken: true, ..self }
    }

    /// With these ECN bits in the IP header.
    pub(crate) fn ecn(self, ecn: u8) -> Self {
        Self { ecn, ..self }
    }

    /// On what is expected: `seq` and `ack` are the numbers on the wire.
    pub(crate) fn absolute(self) -> Self {
        Self { absolute: true, ..self }
    }

    /// The packet on the wire, from the peer to the stack.
    pub(crate) fn packet(&self, flow: &Flow, iss: Seq, irs: Seq) -> Vec<u8> {
        let at = |base: Seq, relative: i32| {
            if self.absolute { 0u32.wrapping_add_signed(relative) } else { base.0.wrapping_add_signed(relative) }
        };
        let header = 20 + self.options.len();
        assert!(header.is_multiple_of(4) && header <= 60, "options are padded by the test");
        let mut tcp = vec![0; header];
        tcp[0..2].copy_from_slice(&flow.remote_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
        tcp[4..8].copy_from_slice(&at(irs, self.seq).to_be_bytes());
        let ack = self.ack.map_or(0, |ack| at(iss, ack));
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        tcp[12] = u8::try_from(header / 4).unwrap_or(15) << 4;
        tcp[13] = self.flags.bits();
        tcp[14..16].copy_from_slice(&self.window.unwrap_or(u16::MAX).to_be_bytes());
        tcp[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        tcp[20..].copy_from_slice(&self.options);
        tcp.extend_from_slice(&self.data);
        let (source, destination) = (flow.remote_address, flow.local_address);
        let mut sum = pseudo_header(source, destination, TCP, tcp.len(), checksum::sum);
        sum.bytes(&tcp);
        let field = if self.broken { !sum.finish() } else { sum.finish() };
        tcp[16..18].copy_from_slice(&field.to_be_bytes());
        let mut packet = ip_packet(flow, &tcp);
        if self.ecn > 0 {
            mark(&mut packet, self.ecn, None);
        }
        packet
    }

    /// Numbers taken: data, SYN and FIN.
    pub(crate) fn len(&self) -> i64 {
        let flags = i64::from(self.flags.has(Flags::SYN)) + i64::from(self.flags.has(Flags::FIN));
        flags + i64::try_from(self.data.len()).unwrap_or(0)
    }
}

/// `body` in an IP packet from the flow's peer to us.
pub(crate) fn ip_packet(flow: &Flow, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; header_len(flow.local_address)];
    emit(flow.remote_address, flow.local_address, TCP, 64, body.len(), &mut packet);
    packet.extend_from_slice(body);
    packet
}

/// A segment that the stack has sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    /// Relative to the stack's initial number.
    pub(crate) seq: i32,
    /// Relative to the peer's, where the ACK flag is set.
    pub(crate) ack: Option<i32>,
    pub(crate) flags: Flags,
    pub(crate) window: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) mss: Option<u16>,
    pub(crate) options: Options,
    pub(crate) urgent: u16,
    /// All of it, IP header included.
    pub(crate) packet: Vec<u8>,
    /// As they were on the wire.
    pub(crate) raw: (Seq, Seq),
}

impl Seen {
    /// Reads a packet of the stack, and judges what must hold for every one of them; `None` where it belongs to another
    /// flow.
    #[track_caller]
    pub(crate) fn parse(packet: &[u8], flow: &Flow, iss: Seq, irs: Seq) -> Option<Self> {
        let datagram = Datagram::parse(packet).expect("a valid IPv4 header");
        assert_eq!((datagram.source, datagram.destination), (flow.local_address, flow.remote_address));
        assert_eq!(datagram.protocol, TCP);
        let mut sum = pseudo_header(datagram.source, datagram.destination, TCP, datagram.body.len(), checksum::sum);
        sum.bytes(datagram.body);
        assert_eq!(sum.finish(), 0, "TCP checksum");
        let segment = Segment::parse(datagram.body, &Packet::new(packet)).expect("a whole TCP header");
        if (segment.source, segment.destination) != (flow.local_port, flow.remote_port) {
            return None;
        }
        let controls = [Flags::SYN, Flags::FIN, Flags::RST].into_iter().filter(|flag| segment.flags.has(*flag));
        assert!(controls.count() <= 1, "at most one of SYN, FIN, RST: {:?}", segment.flags);
        Some(Self {
            seq: segment.seq.distance(iss),
            ack: segment.flags.has(Flags::ACK).then(|| segment.ack.distance(irs)),
            flags: segment.flags,
            window: segment.window,
            data: segment.payload.to_vec(),
            mss: segment.options.mss,
            options: segment.options,
            urgent: segment.urgent,
            packet: packet.to_vec(),
            raw: (segment.seq, segment.ack),
        })
    }

    /// The ECN bits of its IP header.
    pub(crate) fn ecn(&self) -> u8 {
        ecn_bits(&self.packet)
    }

    /// Same numbers, flags and data; PSH and window only where `wanted` names them.
    #[track_caller]
    pub(crate) fn assert_is(&self, wanted: &Seg) {
        let flags = if wanted.flags.has(Flags::PSH) { self.flags } else { self.flags.without(Flags::PSH) };
        let ack = |seq: Seq| self.flags.has(Flags::ACK).then(|| seq.distance(Seq(0)));
        let (seq, ack) =
            if wanted.absolute { (self.raw.0.distance(Seq(0)), ack(self.raw.1)) } else { (self.seq, self.ack) };
        assert_eq!((seq, ack, flags), (wanted.seq, wanted.ack, wanted.flags), "got {self:?}");
        assert_eq!(self.data, wanted.data, "data of {:?}", self.flags);
        if let Some(window) = wanted.window {
            assert_eq!(self.window, window, "window");
        }
    }
}
