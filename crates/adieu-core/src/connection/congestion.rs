//! How much may be in flight (RFC 9293 MUST-19). An enum, not a trait object: a connection can be cloned and compared.

mod reno;

use reno::Reno;

/// The congestion controller of a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Congestion {
    Reno(Reno),
}

impl Congestion {
    /// A connection that sends segments of up to `mss` bytes, `first` of them at first; `syn_lost` where its SYN had to
    /// be sent again.
    pub(crate) fn new(mss: u16, syn_lost: bool, first: u8) -> Self {
        Self::Reno(Reno::new(mss, syn_lost, first))
    }

    /// Bytes that may be in flight.
    pub(crate) fn window(&self) -> u64 {
        match self {
            Self::Reno(reno) => reno.window(),
        }
    }

    /// `acked` bytes were acknowledged outside recovery.
    pub(crate) fn on_ack(&mut self, acked: u64) {
        match self {
            Self::Reno(reno) => reno.on_ack(acked),
        }
    }

    /// Loss was seen by duplicate acknowledgments with `in_flight` bytes outstanding.
    pub(crate) fn on_loss(&mut self, in_flight: u64) {
        match self {
            Self::Reno(reno) => reno.on_loss(in_flight),
        }
    }

    /// A router has marked what was sent, with `in_flight` bytes outstanding: the same cut as for a loss, but down to
    /// one segment, where the timer takes over (RFC 3168 section 6.1.2).
    pub(crate) fn on_congestion_experienced(&mut self, in_flight: u64) {
        match self {
            Self::Reno(reno) => reno.on_congestion_experienced(in_flight),
        }
    }

    /// Recovery is complete with `in_flight` bytes outstanding.
    pub(crate) fn on_recovered(&mut self, in_flight: u64) {
        match self {
            Self::Reno(reno) => reno.on_recovered(in_flight),
        }
    }

    /// The retransmission timer fired; `first` where it is the first time for what is outstanding.
    pub(crate) fn on_timeout(&mut self, in_flight: u64, first: bool) {
        match self {
            Self::Reno(reno) => reno.on_timeout(in_flight, first),
        }
    }

    /// Nothing was sent for so long that the window says nothing any more (RFC 5681 section 4.1); `first` as for
    /// [`Congestion::new`].
    pub(crate) fn on_idle(&mut self, first: u8) {
        match self {
            Self::Reno(reno) => reno.on_idle(first),
        }
    }

    /// The path carries only segments of `mss` bytes; as many of them as before may be in flight (RFC 5681 section
    /// 3.1).
    pub(crate) fn on_narrow_path(&mut self, mss: u16) {
        match self {
            Self::Reno(reno) => reno.on_narrow_path(mss),
        }
    }

    /// Slow-start threshold in bytes, once there is one.
    pub(crate) fn threshold(&self) -> Option<u32> {
        match self {
            Self::Reno(reno) => reno.threshold(),
        }
    }
}
