//! The columns of the tables, each defined by what can be seen from outside.

use std::fmt;

/// What can happen in a state: the columns of section 4.8.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Event {
    /// The application closes its direction: `shut_down`, `close`, `close_drain`, a `release` without any of these
    /// before, `unlisten` of a listener, `close_all`. In CLOSED and TIME-WAIT: of a handle whose connection has ended.
    Close,
    /// `abort`, `linger_expired`, `abort_all` (also of a listener).
    Abort,
    /// A segment with FIN, without SYN and RST, whose ACK field does not reach beyond a FIN of ours. Where the peer's
    /// FIN is still awaited, only one that RCV.NXT passes at once (FI-4 to FI-8): the state changes for it. After that,
    /// only the same FIN again: its end is RCV.NXT (FI-9, FI-10). Where there is no connection, any (FI-1 to FI-3).
    Fin,
    /// The same, but its ACK field lies just beyond the FIN we have sent (FI-6, FI-8).
    FinAck,
    /// A segment without FIN, SYN and RST whose ACK field lies just beyond the FIN we have sent (FA-1 to FA-4), or,
    /// where there is no connection any more, beyond the FIN the last one had sent.
    AckOfFin,
    /// A RST at RCV.NXT. In SYN-SENT, one that acknowledges our SYN (RA-2). In CLOSED and LISTEN, which have no
    /// RCV.NXT, any (RA-1).
    RstExact,
    /// A RST beyond RCV.NXT and inside the window (RA-6). In SYN-SENT, which has no window yet, any that does not
    /// acknowledge our SYN (RA-3).
    RstInWindow,
    /// A segment with SYN and without RST, whatever its numbers.
    Syn,
    /// A segment with data, without SYN and RST, after one end has closed. Where our application reads no more and the
    /// peer's FIN is not here: data that begins or ends beyond RCV.NXT (UD-4). Where the peer's FIN is here, any data,
    /// old (UD-5, TW-4) or beyond the FIN (FR-5). In CLOSED and LISTEN: data of a connection that there was.
    DataAfterClose,
    /// A timer has moved the flow out of its state: patience with the peer (TO-1, TO-2, TO-5, TO-6, ZW-5, TO-12), with
    /// the application (HC, UD-8), FIN-WAIT-2 without owner (TO-9), 2 MSL (TO-10).
    Timeout,
}

/// The rows of TW-8's table, in its order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Row {
    /// Timestamps before and now; a later one.
    LaterStamp,
    /// Timestamps before and now; the same one, and a number beyond the peer's FIN.
    SameStampBeyond,
    /// Timestamps before and now; neither.
    OldStamp,
    /// Timestamps before, none now; a number beyond.
    StampGoneBeyond,
    /// Timestamps before, none now; none beyond.
    StampGone,
    /// No timestamps before, some now.
    StampNew,
    /// No timestamps; a number beyond.
    NoStampBeyond,
    /// No timestamps; none beyond.
    NoStamp,
}

/// How long an application waits at a full close (1.13's columns).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Linger {
    /// It does not.
    Off,
    /// No time at all: a reset instead of a FIN.
    Zero,
    /// Some time.
    For,
}

/// Where a full close finds the connection: the rows of 1.13, those for several states once for each.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Situation {
    /// Row 1: it has ended.
    Ended,
    /// Row 2.
    Listen,
    /// Row 2.
    SynSent,
    /// Row 3: received bytes are unread.
    Unread,
    /// Row 4.
    SynReceived,
    /// Row 4.
    Established,
    /// Row 4.
    CloseWait,
    /// Row 4.
    FinWait1,
    /// Row 4.
    FinWait2,
    /// Row 5.
    Closing,
    /// Row 5.
    LastAck,
    /// Row 6: the time is over, and the connection goes on without its application.
    ExpiredContinue,
    /// Row 6: the time is over, and the connection is reset.
    ExpiredAbort,
    /// Row 7.
    TimeWait,
}

/// What a connection was like.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Trait {
    /// The numbers we sent went through 2^32.
    SendWraps,
    /// The numbers we received went through 2^32.
    ReceiveWraps,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Both SYNs had timestamps.
    Stamps,
    /// They had not.
    NoStamps,
    /// Both SYNs allowed selective acknowledgments.
    Sack,
    /// They did not.
    NoSack,
    /// Its handle was released before it ended.
    Orphan,
    /// It was not.
    Owned,
}

/// How it ended, as far as variants are concerned.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Way {
    /// Gracefully, we first.
    LocalFirst,
    /// Gracefully, the peer first.
    PeerFirst,
    /// Gracefully, both at once.
    Simultaneous,
    /// By a reset, the peer's or ours, after both SYNs.
    Reset,
}

macro_rules! named {
    ($kind:ident, $count:literal: $($variant:ident => $name:literal),+ $(,)?) => {
        impl $kind {
            /// All of them.
            pub const ALL: [Self; $count] = [$(Self::$variant),+];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $name),+
                })
            }
        }
    };
}

named!(Event, 10:
    Close => "CLOSE", Abort => "ABORT", Fin => "FIN", FinAck => "FIN+ACK", AckOfFin => "ACK of FIN",
    RstExact => "RST exact", RstInWindow => "RST in window", Syn => "SYN", DataAfterClose => "data after close",
    Timeout => "timeout",
);

named!(Row, 8:
    LaterStamp => "timestamps before and now, later: accept",
    SameStampBeyond => "timestamps before and now, equal, number beyond: accept",
    OldStamp => "timestamps before and now, otherwise: refuse",
    StampGoneBeyond => "timestamps before, not now, number beyond: accept",
    StampGone => "timestamps before, not now, otherwise: refuse",
    StampNew => "timestamps not before, now: accept",
    NoStampBeyond => "no timestamps, number beyond: accept",
    NoStamp => "no timestamps, otherwise: refuse",
);

named!(Linger, 3: Off => "off", Zero => "0 s", For => "t > 0");

named!(Situation, 14:
    Ended => "1 ended", Listen => "2 LISTEN", SynSent => "2 SYN-SENT", Unread => "3 unread data",
    SynReceived => "4 SYN-RECEIVED", Established => "4 ESTABLISHED", CloseWait => "4 CLOSE-WAIT",
    FinWait1 => "4 FIN-WAIT-1", FinWait2 => "4 FIN-WAIT-2", Closing => "5 CLOSING", LastAck => "5 LAST-ACK",
    ExpiredContinue => "6 time over, goes on", ExpiredAbort => "6 time over, reset", TimeWait => "7 TIME-WAIT",
);

named!(Trait, 10:
    SendWraps => "ISS at the wrap", ReceiveWraps => "IRS at the wrap", V4 => "IPv4", V6 => "IPv6",
    Stamps => "timestamps", NoStamps => "no timestamps", Sack => "SACK", NoSack => "no SACK",
    Orphan => "released before its end", Owned => "owned to its end",
);

named!(Way, 4:
    LocalFirst => "we first", PeerFirst => "peer first", Simultaneous => "simultaneous", Reset => "reset",
);

impl Row {
    /// Whether the SYN opens a new connection.
    pub fn accepts(self) -> bool {
        !matches!(self, Self::OldStamp | Self::StampGone | Self::NoStamp)
    }
}
