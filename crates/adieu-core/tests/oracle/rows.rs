//! The rows of the table: RFC 9293's eleven states, the one that can be entered in two ways twice, and those that
//! differ by something else that closing depends on.

use adieu_core::{Config, Duration, State, Unwanted};

use super::events::{close_drain, read_no_more};
use crate::script::places::Place;
use crate::script::{Script, config, seg};

/// A state, and what distinguishes it from others of the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Row {
    /// Nothing was ever there.
    Closed,
    /// The handle of a connection that the peer has reset.
    AfterReset,
    /// The handle of a connection that we have aborted.
    AfterAbort,
    /// The handle of an attempt that was cancelled; somebody listens at the port by now.
    AfterCancel,
    Listen,
    SynSent,
    SynReceivedPassive,
    /// A SYN has reopened a connection of which TIME-WAIT was left.
    SynReceivedReopened,
    /// After both SYNs have crossed.
    SynReceivedActive,
    /// The same, and the application has closed.
    SynReceivedClosed,
    Established,
    /// Our receive buffer is full of what the application has not read.
    EstablishedFull,
    /// The application wants to read no more, and new data is refused.
    EstablishedRefusing,
    FinWait1,
    /// Nobody has a handle.
    FinWait1Orphan,
    /// The FIN waits behind data, and the window is closed.
    FinWait1Queued,
    FinWait2,
    /// Nobody has a handle: a record.
    FinWait2Orphan,
    /// Closed, but what comes is still taken in for a time.
    FinWait2Draining,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

pub(crate) const ROWS: [Row; 23] = [
    Row::Closed,
    Row::AfterReset,
    Row::AfterAbort,
    Row::AfterCancel,
    Row::Listen,
    Row::SynSent,
    Row::SynReceivedPassive,
    Row::SynReceivedReopened,
    Row::SynReceivedActive,
    Row::SynReceivedClosed,
    Row::Established,
    Row::EstablishedFull,
    Row::EstablishedRefusing,
    Row::FinWait1,
    Row::FinWait1Orphan,
    Row::FinWait1Queued,
    Row::FinWait2,
    Row::FinWait2Orphan,
    Row::FinWait2Draining,
    Row::CloseWait,
    Row::Closing,
    Row::LastAck,
    Row::TimeWait,
];

/// What of TIME-WAIT is over already.
pub(crate) const WAITED: Duration = Duration::from_secs(10);

/// Where a connection in a row stands; relative numbers.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) state: State,
    pub(crate) una: i32,
    pub(crate) nxt: i32,
    pub(crate) rcv: i32,
    /// Our FIN's, once it was sent.
    pub(crate) fin: Option<i32>,
    /// Our FIN's, sent or not, asked for or not.
    pub(crate) end: i32,
    /// RCV.NXT has passed the peer's.
    pub(crate) peer_fin: bool,
    pub(crate) passive: bool,
    pub(crate) orphan: bool,
    /// Nobody wants to read, and new data is answered with a reset (UD-4).
    pub(crate) refuses: bool,
    /// A reset of ours, or a SYN that we have taken back, may still be news to the peer (AB-5, EO-2).
    pub(crate) quarantined: bool,
    /// TIME-WAIT of another connection is behind it (TW-9).
    pub(crate) reopened: bool,
    /// The application has closed before the connection was established (CL-4).
    pub(crate) closing: bool,
    /// Somebody listens at our port.
    pub(crate) listener: bool,
    /// The window we offer, or one less.
    pub(crate) ours: i64,
    /// What the peer offers.
    pub(crate) window: u16,
}

impl Numbers {
    /// FA-7: nothing older than our SYN was ever acknowledged, and the peer's window was larger than all we have sent.
    pub(crate) fn oldest_ack(&self) -> i32 {
        0
    }
}

impl Row {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::AfterReset => "CLOSED, after a reset by the peer",
            Self::AfterAbort => "CLOSED, after our abort",
            Self::AfterCancel => "CLOSED, after an attempt",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceivedPassive => "SYN-RECEIVED, passive",
            Self::SynReceivedReopened => "SYN-RECEIVED, reopened from TIME-WAIT",
            Self::SynReceivedActive => "SYN-RECEIVED, active",
            Self::SynReceivedClosed => "SYN-RECEIVED, active and closed",
            Self::Established => "ESTABLISHED",
            Self::EstablishedFull => "ESTABLISHED, our window closed",
            Self::EstablishedRefusing => "ESTABLISHED, reading refused",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait1Orphan => "FIN-WAIT-1, orphan",
            Self::FinWait1Queued => "FIN-WAIT-1, FIN behind a closed window",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::FinWait2Orphan => "FIN-WAIT-2, orphan",
            Self::FinWait2Draining => "FIN-WAIT-2, draining",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    pub(crate) fn state(self) -> State {
        match self {
            Self::Closed | Self::AfterReset | Self::AfterAbort | Self::AfterCancel => State::Closed,
            Self::Listen => State::Listen,
            Self::SynSent => State::SynSent,
            Self::SynReceivedPassive
            | Self::SynReceivedReopened
            | Self::SynReceivedActive
            | Self::SynReceivedClosed => State::SynReceived,
            Self::Established | Self::EstablishedFull | Self::EstablishedRefusing => State::Established,
            Self::FinWait1 | Self::FinWait1Orphan | Self::FinWait1Queued => State::FinWait1,
            Self::FinWait2 | Self::FinWait2Orphan | Self::FinWait2Draining => State::FinWait2,
            Self::CloseWait => State::CloseWait,
            Self::Closing => State::Closing,
            Self::LastAck => State::LastAck,
            Self::TimeWait => State::TimeWait,
        }
    }

    /// SYN-RECEIVED without a handle: a listener's.
    pub(crate) fn is_passive(self) -> bool {
        matches!(self, Self::SynReceivedPassive | Self::SynReceivedReopened)
    }

    /// How many connections had ended before the one of the row began.
    pub(crate) fn lived_before(self) -> usize {
        usize::from(self == Self::SynReceivedReopened)
    }

    /// From ESTABLISHED on and before the ending: every rule about both FINs applies.
    pub(crate) fn is_synchronized(self) -> bool {
        !matches!(self.state(), State::Closed | State::Listen | State::SynSent | State::SynReceived | State::TimeWait)
    }

    /// The peer has sent 3 bytes, we have sent 3, and they and our FIN are not acknowledged where that is possible.
    pub(crate) fn numbers(self) -> Numbers {
        let state = self.state();
        let (una, nxt, rcv) = match self {
            Self::Closed | Self::Listen => (1, 1, 1),
            Self::AfterReset | Self::AfterAbort => (1, 4, 4),
            Self::AfterCancel
            | Self::SynSent
            | Self::SynReceivedPassive
            | Self::SynReceivedReopened
            | Self::SynReceivedActive
            | Self::SynReceivedClosed => (0, 1, 1),
            Self::Established | Self::EstablishedFull | Self::EstablishedRefusing => (1, 4, 4),
            Self::FinWait1 | Self::FinWait1Orphan => (1, 5, 4),
            Self::FinWait1Queued => (4, 4, 4),
            Self::FinWait2 | Self::FinWait2Orphan | Self::FinWait2Draining => (5, 5, 4),
            Self::CloseWait => (1, 4, 5),
            Self::Closing | Self::LastAck => (1, 5, 5),
            Self::TimeWait => (5, 5, 5),
        };
        let after_close = !matches!(state, State::Closed | State::Established | State::CloseWait);
        let sent = after_close && nxt == 5;
        let orphan = matches!(self, Self::FinWait1Orphan | Self::FinWait2Orphan);
        let end = match self {
            Self::FinWait1Queued => 7,
            _ if rcv == 1 => 1,
            _ => 4,
        };
        Numbers {
            state,
            una,
            nxt,
            rcv,
            fin: sent.then_some(end),
            end,
            peer_fin: matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait),
            passive: self.is_passive(),
            orphan,
            refuses: orphan || self == Self::EstablishedRefusing,
            quarantined: matches!(self, Self::AfterAbort | Self::AfterCancel),
            reopened: self == Self::SynReceivedReopened,
            closing: self == Self::SynReceivedClosed,
            listener: !matches!(self, Self::Closed | Self::SynSent | Self::SynReceivedActive | Self::SynReceivedClosed),
            ours: if self == Self::EstablishedFull { 0 } else { 65_534 },
            window: if self == Self::FinWait1Queued { 0 } else { u16::MAX },
        }
    }

    /// As far as it goes before anybody closes.
    fn opened(self, at: Place, unread: bool) -> Script {
        match self {
            Self::Closed => at.script(config()),
            Self::Listen => {
                let mut s = at.script(config());
                s.listen();
                s
            }
            Self::SynSent | Self::AfterCancel => at.script(config()).into_syn_sent(),
            Self::SynReceivedPassive => at.syn_received(config()),
            Self::SynReceivedActive | Self::SynReceivedClosed => {
                let mut s = at.script(config()).into_syn_sent();
                s.send(seg().syn().mss(1400));
                s
            }
            Self::EstablishedFull => established(at.established_with(Config { receive_buffer: 3, ..config() }), true),
            _ => established(at.established_passive(), unread),
        }
    }

    /// A connection in this row, with what the peer has sent read or, where anybody could, `unread`.
    pub(crate) fn build(self, at: Place, unread: bool) -> Script {
        if self == Self::SynReceivedReopened {
            return reopened(at);
        }
        let mut s = self.opened(at, unread);
        match self {
            Self::AfterReset => s.send(seg().seq(4).rst()),
            Self::AfterAbort => s.abort(),
            Self::AfterCancel => {
                s.close();
                s.listen();
            }
            Self::EstablishedRefusing => read_no_more(&mut s, Unwanted::Refuse),
            Self::FinWait1
            | Self::FinWait1Orphan
            | Self::Closing
            | Self::FinWait2
            | Self::FinWait2Orphan
            | Self::TimeWait => s.shut_down(),
            Self::FinWait2Draining => close_drain(&mut s),
            Self::SynReceivedClosed => s.close(),
            Self::FinWait1Queued => {
                s.send(seg().seq(4).ack(4).win(0));
                s.write(b"def");
                s.shut_down();
            }
            Self::CloseWait => s.send(seg().seq(4).ack(1).fin()),
            Self::LastAck => {
                s.send(seg().seq(4).ack(1).fin());
                s.shut_down();
            }
            Self::Closed
            | Self::Listen
            | Self::SynSent
            | Self::SynReceivedPassive
            | Self::SynReceivedReopened
            | Self::SynReceivedActive
            | Self::Established
            | Self::EstablishedFull => {}
        }
        match self {
            Self::Closing => s.send(seg().seq(4).ack(1).fin()),
            Self::FinWait2 | Self::FinWait2Orphan | Self::FinWait2Draining | Self::TimeWait => {
                s.send(seg().seq(4).ack(5));
            }
            _ => {}
        }
        match self {
            Self::FinWait1Orphan | Self::FinWait2Orphan => s.release(),
            Self::TimeWait => {
                s.send(seg().seq(4).ack(5).fin());
                s.advance(WAITED);
            }
            _ => {}
        }
        s.take();
        s
    }
}

fn established(mut s: Script, unread: bool) -> Script {
    s.send(seg().seq(1).ack(1).data(b"xyz"));
    if !unread {
        assert_eq!(s.read(10), Ok(b"xyz".to_vec()));
    }
    s.write(b"abc");
    s
}

/// A new connection in the place of one that waits; numbers count from the new ones.
fn reopened(at: Place) -> Script {
    let mut s = Row::TimeWait.build(at, false);
    s.release();
    s.irs = s.irs + 5;
    s.send(seg().syn().mss(1400));
    s.learn_iss();
    s
}
