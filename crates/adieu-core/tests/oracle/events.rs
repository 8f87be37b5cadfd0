//! The events of the table: what the application does, what comes, and what time does.

use adieu_core::wire::Flags;
use adieu_core::{DrainBudget, Keepalive, State, Unwanted};

use super::{Numbers, Row, Shot};
use crate::script::{Script, secs};

/// What the application does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    ShutDown,
    Close,
    /// With bytes that came in order and were not read.
    CloseUnread,
    /// With nothing but bytes out of order.
    CloseGap,
    CloseZeroLinger,
    Abort,
    AbortUnread,
    Release,
    ReleaseUnread,
    Unlisten,
    RefuseReading,
    RefuseReadingUnread,
    DiscardReading,
    DiscardReadingUnread,
    /// Of both directions, one after the other, with bytes unread.
    BothUnread,
    DrainUnread,
    Write,
    Read,
}

pub(crate) const CALLS: [(&str, Call); 18] = [
    ("shutdown(write)", Call::ShutDown),
    ("close, all read", Call::Close),
    ("close, bytes unread", Call::CloseUnread),
    ("close, bytes out of order unread", Call::CloseGap),
    ("close, linger 0", Call::CloseZeroLinger),
    ("abort", Call::Abort),
    ("abort, bytes unread", Call::AbortUnread),
    ("drop of the handle", Call::Release),
    ("drop of the handle, bytes unread", Call::ReleaseUnread),
    ("close of the listener", Call::Unlisten),
    ("shutdown(read), refuse", Call::RefuseReading),
    ("shutdown(read), refuse, unread", Call::RefuseReadingUnread),
    ("shutdown(read), discard", Call::DiscardReading),
    ("shutdown(read), discard, unread", Call::DiscardReadingUnread),
    ("shutdown(both), bytes unread", Call::BothUnread),
    ("close_drain, bytes unread", Call::DrainUnread),
    ("write", Call::Write),
    ("read, bytes there", Call::Read),
];

/// What time does, with or without answers of the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// Nothing is answered.
    Silence,
    /// The same, and nobody has the handle.
    OrphanSilence,
    /// The window is closed; every probe is answered for a day.
    Probes,
    OrphanProbes,
    /// Keepalive was asked for, and all data is acknowledged.
    Keepalive,
    /// A user timeout of 30 s.
    UserTimeout,
    /// All is acknowledged, and nothing happens for a day.
    Idle,
    /// Closed so that what comes is still taken in for a time, and nothing comes.
    Drain,
}

pub(crate) const WAITS: [(&str, Wait); 8] = [
    ("silence", Wait::Silence),
    ("drop of the handle, silence", Wait::OrphanSilence),
    ("window 0, probes answered for a day", Wait::Probes),
    ("drop, window 0, probes answered", Wait::OrphanProbes),
    ("data acked, keepalive unanswered", Wait::Keepalive),
    ("user timeout 30 s, silence", Wait::UserTimeout),
    ("all acked, a day passes", Wait::Idle),
    ("close_drain, silence", Wait::Drain),
];

/// An in-order bare ACK of nothing new; in SYN-SENT and SYN-RECEIVED of our SYN.
pub(crate) fn plain(n: &Numbers) -> Shot {
    Shot { seq: n.rcv, ack: n.una.max(1), flags: Flags::ACK, data: Vec::new(), window: n.window }
}

impl Shot {
    fn seq(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    fn ack(self, ack: i32) -> Self {
        Self { ack, ..self }
    }

    fn with(self, flag: Flags) -> Self {
        Self { flags: self.flags.with(flag), ..self }
    }

    fn bare(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    fn data(self, data: &[u8]) -> Self {
        Self { data: data.to_vec(), ..self }
    }
}

pub(crate) type Make = fn(&Numbers) -> Shot;

pub(crate) const FINS_AND_ACKS: [(&str, Make); 21] = [
    ("FIN", |n| plain(n).with(Flags::FIN)),
    ("data, FIN", |n| plain(n).with(Flags::FIN).data(b"new")),
    ("FIN, ACK of all sent", |n| plain(n).with(Flags::FIN).ack(n.nxt)),
    ("FIN, ACK of our FIN", |n| plain(n).with(Flags::FIN).ack(n.end + 1)),
    ("data, FIN, ACK of our FIN", |n| plain(n).with(Flags::FIN).ack(n.end + 1).data(b"new")),
    ("FIN again", |n| plain(n).with(Flags::FIN).seq(n.rcv - 1)),
    ("FIN again, ACK of our FIN", |n| plain(n).with(Flags::FIN).seq(n.rcv - 1).ack(n.end + 1)),
    ("FIN again, ACK too old", |n| plain(n).with(Flags::FIN).seq(n.rcv - 1).ack(-70_000)),
    ("data again, FIN", |n| plain(n).with(Flags::FIN).seq(1).data(b"xyz")),
    ("FIN out of order", |n| plain(n).with(Flags::FIN).seq(n.rcv + 10)),
    ("FIN out of order, ACK of our FIN", |n| plain(n).with(Flags::FIN).seq(n.rcv + 10).ack(n.end + 1)),
    ("FIN beyond the window", |n| plain(n).with(Flags::FIN).seq(n.rcv + 70_000)),
    ("FIN without ACK", |n| plain(n).bare(Flags::FIN)),
    ("ACK of nothing new", |n| plain(n).ack(n.una)),
    ("ACK of data, not FIN", |n| plain(n).ack(n.end.min(n.nxt))),
    ("ACK of our FIN", |n| plain(n).ack(n.end + 1)),
    ("ACK beyond SND.NXT", |n| plain(n).ack(n.nxt + 1)),
    ("data, FIN, ACK beyond SND.NXT", |n| plain(n).with(Flags::FIN).ack(n.nxt + 1).data(b"new")),
    ("ACK too old", |n| plain(n).ack(-70_000)),
    ("data, FIN, ACK too old", |n| plain(n).with(Flags::FIN).ack(-70_000).data(b"new")),
    ("no flags", |n| plain(n).bare(Flags::NONE)),
];

pub(crate) const RESETS_AND_SYNS: [(&str, Make); 19] = [
    ("RST", |n| plain(n).bare(Flags::RST)),
    ("RST, ACK of all sent", |n| plain(n).with(Flags::RST).ack(n.nxt)),
    ("RST, data, FIN", |n| plain(n).with(Flags::RST).with(Flags::FIN).ack(n.nxt).data(b"why")),
    ("RST in the window", |n| plain(n).bare(Flags::RST).seq(n.rcv + 1)),
    ("RST at the peer's FIN, or 1 left", |n| plain(n).bare(Flags::RST).seq(n.rcv - 1)),
    ("RST left of the window", |n| plain(n).bare(Flags::RST).seq(n.rcv - 2)),
    ("RST beyond the window", |n| plain(n).bare(Flags::RST).seq(n.rcv + 70_000)),
    ("SYN again", |n| plain(n).bare(Flags::SYN).seq(0)),
    ("SYN", |n| plain(n).bare(Flags::SYN)),
    ("SYN in the window", |n| plain(n).bare(Flags::SYN).seq(n.rcv + 1)),
    ("SYN left of the window", |n| plain(n).bare(Flags::SYN).seq(n.rcv - 1000)),
    ("SYN beyond the window", |n| plain(n).bare(Flags::SYN).seq(n.rcv + 70_000)),
    ("SYN, FIN", |n| plain(n).bare(Flags::SYN.with(Flags::FIN))),
    ("SYN, RST", |n| plain(n).bare(Flags::SYN.with(Flags::RST))),
    ("SYN, ACK again", |n| plain(n).with(Flags::SYN).seq(0).ack(1)),
    ("SYN, ACK", |n| plain(n).with(Flags::SYN)),
    ("SYN, ACK of all sent", |n| plain(n).with(Flags::SYN).ack(n.nxt)),
    ("SYN, ACK beyond SND.NXT", |n| plain(n).with(Flags::SYN).ack(n.nxt + 1)),
    ("SYN, ACK too old", |n| plain(n).with(Flags::SYN).ack(-70_000)),
];

pub(crate) const TEXTS: [(&str, Make); 10] = [
    ("data", |n| plain(n).data(b"new")),
    ("data, ACK of our FIN", |n| plain(n).ack(n.end + 1).data(b"new")),
    ("data again", |n| plain(n).seq(n.rcv - 4).data(b"xyz")),
    ("data, old and new", |n| plain(n).seq(n.rcv - 2).data(b"yz+")),
    ("data out of order", |n| plain(n).seq(n.rcv + 10).data(b"far")),
    ("data beyond the window", |n| plain(n).seq(n.rcv + 70_000).data(b"out")),
    ("data without ACK", |n| plain(n).bare(Flags::PSH).data(b"new")),
    ("probe without data", |n| plain(n).seq(n.rcv - 1)),
    ("probe with an old octet", |n| plain(n).seq(n.rcv - 1).data(b"z")),
    ("probe without data, ACK of our FIN", |n| plain(n).seq(n.rcv - 1).ack(n.end + 1)),
];

/// Whether an event makes sense in a row; where not, the cell is left out.
pub(crate) fn has_call(row: Row, call: Call) -> bool {
    let n = row.numbers();
    let handle = !n.orphan && !row.is_passive() && !matches!(row, Row::Closed | Row::Listen);
    // What comes here is taken or refused at once, and never unread.
    let keeps = !matches!(row, Row::EstablishedRefusing | Row::FinWait2Draining);
    match call {
        Call::Unlisten => n.listener,
        Call::CloseUnread | Call::AbortUnread | Call::ReleaseUnread | Call::Read => {
            handle && keeps && (row.is_synchronized() || n.peer_fin)
        }
        Call::RefuseReadingUnread | Call::DiscardReadingUnread | Call::BothUnread => {
            handle && keeps && (row.is_synchronized() || n.peer_fin)
        }
        Call::CloseGap => handle && keeps && row.is_synchronized(),
        Call::DrainUnread => handle && keeps,
        _ => handle,
    }
}

impl Call {
    /// With bytes unread that came before.
    pub(crate) fn leaves_unread(self) -> bool {
        matches!(
            self,
            Self::CloseUnread
                | Self::AbortUnread
                | Self::ReleaseUnread
                | Self::RefuseReadingUnread
                | Self::DiscardReadingUnread
                | Self::BothUnread
                | Self::DrainUnread
                | Self::Read
        )
    }

    /// A full close that the handle outlives.
    pub(crate) fn closes(self) -> bool {
        let closes = [Self::Close, Self::CloseUnread, Self::CloseGap, Self::CloseZeroLinger, Self::DrainUnread];
        closes.contains(&self)
    }

    /// Of the reader alone.
    pub(crate) fn is_of_reader(self) -> bool {
        let discards = matches!(self, Self::DiscardReading | Self::DiscardReadingUnread);
        discards || matches!(self, Self::RefuseReading | Self::RefuseReadingUnread)
    }
}

pub(crate) fn has_wait(row: Row, wait: Wait) -> bool {
    let (orphan_already, full) = (row.numbers().orphan, row == Row::EstablishedFull);
    match wait {
        Wait::Silence => true,
        Wait::OrphanSilence => has_call(row, Call::Release) && !full,
        Wait::Idle => row.is_synchronized() && !orphan_already || row == Row::TimeWait,
        Wait::OrphanProbes => row.is_synchronized() && !orphan_already && !full,
        Wait::Drain => row.is_synchronized() && !orphan_already && row != Row::EstablishedRefusing,
        Wait::Probes | Wait::Keepalive => row.is_synchronized() && !orphan_already,
        Wait::UserTimeout => {
            let opening = matches!(row, Row::SynSent | Row::SynReceivedActive | Row::SynReceivedClosed);
            (row.is_synchronized() || opening) && !orphan_already
        }
    }
}

pub(crate) fn call(s: &mut Script, n: &Numbers, call: Call) {
    match call {
        Call::ShutDown => s.shut_down(),
        Call::Close | Call::CloseUnread => s.close(),
        Call::CloseGap => {
            s.send(plain(n).seq(n.rcv + 10).data(b"far").seg());
            s.take();
            s.close();
        }
        Call::CloseZeroLinger => {
            s.stack.set_zero_linger(s.now, s.id(), true);
            s.close();
        }
        Call::Abort | Call::AbortUnread => s.abort(),
        Call::Release | Call::ReleaseUnread => s.release(),
        Call::Unlisten => s.unlisten(),
        Call::RefuseReading | Call::RefuseReadingUnread => read_no_more(s, Unwanted::Refuse),
        Call::DiscardReading | Call::DiscardReadingUnread => read_no_more(s, Unwanted::Discard),
        Call::BothUnread => {
            read_no_more(s, Unwanted::Refuse);
            s.shut_down();
        }
        Call::DrainUnread => close_drain(s),
        Call::Write => _ = s.try_write(),
        Call::Read => assert_eq!(s.read(2), Ok(b"xy".to_vec())),
    }
}

/// No more reading.
pub(crate) fn read_no_more(s: &mut Script, unwanted: Unwanted) {
    s.stack.shut_down_read(s.now, s.id(), unwanted);
    s.poll();
}

pub(crate) fn close_drain(s: &mut Script) {
    s.stack.close_drain(s.now, s.id(), DrainBudget::default());
    s.poll();
}

pub(crate) const DAY: u64 = 24 * 3600;

/// Timers fire until none is left, something ended, or a day is over; each time the peer says `answer`.
fn until_over(s: &mut Script, answer: Option<&Shot>) {
    let end = s.now + secs(DAY);
    while s.flow_state() != State::Closed && s.stack.poll_timeout() <= end {
        s.next_timer();
        if let Some(answer) = answer.filter(|_| s.flow_state() != State::Closed) {
            s.send(answer.seg());
        }
    }
}

pub(crate) fn wait(s: &mut Script, n: &Numbers, wait: Wait) {
    let acks_data = plain(n).ack(n.end.min(n.nxt));
    let closes = Shot { window: 0, ..acks_data.clone() };
    match wait {
        Wait::Silence if n.quarantined => {
            while s.stack.leftover().quarantined > 0 {
                s.next_timer();
            }
        }
        Wait::Silence => until_over(s, None),
        Wait::Drain => {
            close_drain(s);
            until_over(s, None);
        }
        Wait::OrphanSilence => {
            s.release();
            until_over(s, None);
        }
        Wait::Probes | Wait::OrphanProbes => {
            s.send(closes.seg());
            _ = s.stack.write(s.now, s.id(), b"more");
            if wait == Wait::OrphanProbes {
                s.release();
            }
            until_over(s, Some(&closes));
        }
        Wait::Keepalive => {
            let keepalive = Keepalive { idle: secs(60), interval: secs(10), probes: 3 };
            s.set(|settings| settings.keepalive = Some(keepalive));
            s.send(acks_data.seg());
            until_over(s, None);
        }
        Wait::UserTimeout => {
            s.set(|settings| settings.user_timeout = Some(secs(30)));
            until_over(s, None);
        }
        Wait::Idle => {
            s.send(Shot { window: u16::MAX, ..plain(n).ack(n.nxt) }.seg());
            if n.fin.is_none() && n.end > n.nxt {
                s.send(plain(n).ack(n.end + 1).seg());
            }
            until_over(s, None);
        }
    }
}
