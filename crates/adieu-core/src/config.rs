//! Every tunable of the stack: default, unit, and who asks for it.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::time::Duration;

/// What opens the congestion window once slow start is over, and what a loss leaves of it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// RFC 9438: a cubic curve of the time since the last loss, and never less than Reno.
    #[default]
    Cubic,
    /// RFC 5681: a segment for each round trip, half after a loss.
    Reno,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cubic => "cubic",
            Self::Reno => "reno",
        })
    }
}

/// What a stack is made with. Times are durations, sizes are bytes, limits are counts.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Config {
    /// The addresses that are ours; packets to any other address are dropped. Default: none.
    pub addresses: Vec<IpAddr>,
    /// Largest IP packet the device carries, 68 to 65535 bytes. Default 1500.
    pub mtu: u16,
    /// Largest payload of one [`Outgoing`](crate::Outgoing), for a device that splits super-segments itself (TSO);
    /// rounded down to whole segments. Default 0: one segment at a time.
    pub super_segment: u32,
    /// Leaves transport checksums to the device: the field holds only the pseudo-header's sum. Default off.
    pub partial_checksums: bool,
    /// Received payload a connection may hold unread, in bytes; memory held is at most about twice that.
    /// Default 0: as much as the path needs, within [`Config::receive_buffer_limits`].
    pub receive_buffer: u32,
    /// Bytes a receive buffer begins with and the most it grows to, where its size is not fixed: it is kept at about
    /// twice what the application reads in a round trip. The window scale is chosen for the most. While connections
    /// hold more than half of [`Config::memory`] none grows, and those that receive go back to the first.
    /// Default 256 KiB and 6 MiB.
    pub receive_buffer_limits: (u32, u32),
    /// Payload a connection may hold unacknowledged or unsent, in bytes. Default 0: twice the congestion window, within
    /// [`Config::send_buffer_limits`].
    pub send_buffer: u32,
    /// Least and most bytes of a send buffer whose size is not fixed; the least while connections hold more than half
    /// of [`Config::memory`]. Default 256 KiB and 4 MiB.
    pub send_buffer_limits: (u32, u32),
    /// Spreads what the congestion window allows over the round trip, at 1.25 windows in one, and 2 in slow start,
    /// instead of sending it in bursts: for paths with short queues. Default off.
    pub pacing: bool,
    /// 2 x MSL, the stay in TIME-WAIT (RFC 9293 MUST-13; TW-2). 30 s to 240 s, others are brought into that range by
    /// [`Config::time_wait`]. Default 60 s.
    pub time_wait: Duration,
    /// Allows `time_wait` below 30 s. Without timestamps on both sides old segments may then be taken for new ones:
    /// for experiments on networks that hold nothing back. Default off.
    pub unsafe_short_time_wait: bool,
    /// Lets a reset with exactly the next number end TIME-WAIT, as RFC 9293 has it and Linux does. Default off: RFC
    /// 1337 shows what such a reset may come of (TW-7).
    pub reset_ends_time_wait: bool,
    /// Most memory that records in TIME-WAIT and in quarantine may take, in bytes. Default 256 MiB.
    pub time_wait_budget: usize,
    /// Most memory that tombstones may take, 16 bytes each: what is left of a record that gave way to another, and
    /// keeps a new connection's numbers ahead of the old one's (TW-14). Default 16 MiB.
    pub tombstone_budget: usize,
    /// Most memory that records of orphans in FIN-WAIT-2 may take, in bytes (3.8). Default 64 MiB.
    pub fin_wait_2_budget: usize,
    /// Connections without an owner, records in FIN-WAIT-2 apart (OR-3). Default 65,536.
    pub max_orphans: u32,
    /// Bytes that all of them may hold in queues. Default 64 MiB.
    pub orphan_bytes: usize,
    /// Bytes that all connections may hold in queues; above it orphans are given up, then connections that do not move
    /// (3.11). Default 1 GiB.
    pub memory: usize,
    /// Share of the local ports towards one destination, in percent, above which
    /// [`Stack::poll_warning`](crate::Stack::poll_warning) says so; 0 for never. Default 80.
    pub port_warning: u8,
    /// After the stack's first step: how long it begins and accepts nothing, because it does not know which old
    /// connections are under way; MSL, where neither clock nor keys outlive the process (QT-1). Default 0.
    pub quiet_time: Duration,
    /// Resets in a second for segments without a connection, for each part of the network (/24, /48); at least half of
    /// them, at random (RS-7). `u32::MAX` for no limit. Default 200.
    pub stray_resets: u32,
    /// How long a connection nobody can reach stays in FIN-WAIT-2 (TO-9). Default 60 s.
    pub fin_wait_2: Duration,
    /// How long nothing may happen in CLOSE-WAIT before [`Stack::poll_warning`](crate::Stack::poll_warning) names the
    /// connection: its application has been told of the peer's FIN and does not close (TO-11). `Duration::MAX` for
    /// never. Default 60 s.
    pub close_wait_warning: Duration,
    /// The same for FIN-WAIT-2 with a handle, where the peer does not close. Default 5 min.
    pub fin_wait_2_warning: Duration,
    /// Retransmissions of an orphan's data or FIN before it is given up, at least 100 s in all (OR-2); probes of a
    /// closed window before it is given up, at most about 100 s in all (ZW-5). Default 8.
    pub orphan_retries: u8,
    /// How long an orphan may take in all, however it moves (3.12). Default 10 min.
    pub orphan_time: Duration,
    /// Retransmissions of data or FIN before the connection is given up, R2 (RFC 9293 MUST-20). Default 15.
    pub retries: u8,
    /// Retransmissions of a SYN before `connect` fails (RFC 9293 MUST-23: at least 180 s in all). Default 7.
    pub syn_retries: u8,
    /// Retransmissions of a SYN-ACK before a half-open connection is forgotten. Default 5.
    pub syn_ack_retries: u8,
    /// Congestion control of connections that choose none of their own
    /// ([`Settings::congestion`](crate::Settings::congestion)). Default CUBIC.
    pub congestion: Algorithm,
    /// Segments of the first flight (RFC 6928), at least 1; of large segments fewer, as the RFC has it. Default 10.
    pub initial_window: u8,
    /// Retransmission time before the first measurement (RFC 6298 section 2.1). Default 1 s.
    pub initial_rto: Duration,
    /// Smallest retransmission time. Default 200 ms, below the RFC's SHOULD of 1 s, as common stacks do.
    pub min_rto: Duration,
    /// Largest retransmission time and largest interval between window probes. Default 60 s.
    pub max_rto: Duration,
    /// Offers window scaling (RFC 7323 section 2). Default on.
    pub window_scaling: bool,
    /// Offers timestamps, and with them PAWS (RFC 7323 sections 3 to 5). Default on.
    pub timestamps: bool,
    /// Offers selective acknowledgments (RFC 2018). Default on.
    pub selective_acks: bool,
    /// Explicit congestion notification (RFC 3168). Default [`Ecn::Accept`].
    pub ecn: Ecn,
    /// How long an acknowledgment of data may wait for data to go with it, below 0.5 s (RFC 9293 MUST-40); 0 for none.
    /// Default 40 ms.
    pub ack_delay: Duration,
    /// Data segments of a connection that are acknowledged at once before delaying begins. Default 16.
    pub quick_acks: u8,
    /// Probes for the loss of the last segments before the retransmission timer fires (RFC 8985 section 7). Default on.
    pub loss_probes: bool,
    /// Opens a connection without keeping anything where a listener's backlog is full (RFC 4987). Default on.
    pub syn_cookies: bool,
    /// Time between replies to segments outside the window (3.39). Default 500 ms.
    pub out_of_window_interval: Duration,
    /// Challenge acknowledgments in 5 s for each connection (RFC 5961 section 7). Default 10.
    pub challenges: u8,
    /// How long a path counts as narrow after an ICMP error said so, 5 min at least (RFC 8201 section 4). Default
    /// 10 min.
    pub path_mtu_expiry: Duration,
    /// Searches for what a path carries, where it carries less than it should (RFC 4821): with single segments of data
    /// that may be lost, upwards, and downwards where full segments vanish without a word. Default on.
    pub path_probes: bool,
    /// Smallest and largest user timeout taken from a peer (RFC 5482 section 3.1). Default 100 s and 24 h.
    pub user_timeout_limits: (Duration, Duration),
    /// Local ports that `connect` never takes by itself: those that local services need (RFC 6056 section 3.2).
    /// Default none.
    pub reserved_ports: Vec<u16>,
    /// Half-open connections a listener holds. Default 1024.
    pub syn_backlog: u32,
    /// Established connections that wait for `accept`. Default 4096.
    pub accept_backlog: u32,
    /// Out-of-order pieces a connection holds (limit 3.18). Default 1024.
    pub reassembly_pieces: u32,
    /// Octets of datagrams that came in pieces and are not complete, those of all together; 0: none are put together.
    /// Default 256 KiB.
    pub fragments: u32,
    /// Receipts kept for the one who asks for them; the oldest give way, and are counted. Default 1024.
    pub receipts: u32,
    /// Replies to segments without a connection that may wait for the device. Default 256.
    pub stray_replies: u32,
    /// Smallest and largest ephemeral port (RFC 6056 section 3.2). Default 1024 to 65535.
    pub ephemeral_ports: (u16, u16),
    /// Time to live of what we send (RFC 9293 MUST-49). Default 64.
    pub ttl: u8,
}

/// Whether marks of congestion stand in for losses (RFC 3168 section 6.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Ecn {
    /// Never.
    Off,
    /// Where the peer asks. The default: who asks has reason to believe that the path bears it, and nothing is at stake
    /// for us; asking may cost a retransmitted SYN where a device on the path drops what it does not know.
    #[default]
    Accept,
    /// In every SYN of ours, too. One that is not answered goes again without.
    Ask,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            mtu: 1500,
            super_segment: 0,
            partial_checksums: false,
            receive_buffer: 0,
            receive_buffer_limits: (256 << 10, 6 << 20),
            send_buffer: 0,
            send_buffer_limits: (256 << 10, 4 << 20),
            pacing: false,
            time_wait: Duration::from_secs(60),
            unsafe_short_time_wait: false,
            reset_ends_time_wait: false,
            time_wait_budget: 256 << 20,
            tombstone_budget: 16 << 20,
            fin_wait_2_budget: 64 << 20,
            max_orphans: 65_536,
            orphan_bytes: 64 << 20,
            memory: 1 << 30,
            port_warning: 80,
            quiet_time: Duration::ZERO,
            stray_resets: 200,
            fin_wait_2: Duration::from_secs(60),
            close_wait_warning: Duration::from_secs(60),
            fin_wait_2_warning: Duration::from_secs(300),
            orphan_retries: 8,
            orphan_time: Duration::from_secs(600),
            retries: 15,
            syn_retries: 7,
            syn_ack_retries: 5,
            congestion: Algorithm::Cubic,
            initial_window: 10,
            initial_rto: Duration::from_secs(1),
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_secs(60),
            window_scaling: true,
            timestamps: true,
            selective_acks: true,
            ecn: Ecn::Accept,
            ack_delay: Duration::from_millis(40),
            quick_acks: 16,
            loss_probes: true,
            syn_cookies: true,
            out_of_window_interval: Duration::from_millis(500),
            challenges: 10,
            path_mtu_expiry: Duration::from_secs(600),
            path_probes: true,
            user_timeout_limits: (Duration::from_secs(100), Duration::from_secs(24 * 3600)),
            reserved_ports: Vec::new(),
            syn_backlog: 1024,
            accept_backlog: 4096,
            reassembly_pieces: 1024,
            fragments: 256 * 1024,
            receipts: 1024,
            stray_replies: 256,
            ephemeral_ports: (1024, 65535),
            ttl: 64,
        }
    }
}

/// An orphan is kept at least this long before its retransmissions give up (OR-2; RFC 9293 SHLD-11).
pub(crate) const ORPHAN_PATIENCE: Duration = Duration::from_secs(100);

impl Config {
    /// The stay in TIME-WAIT that is really used: `time_wait`, at least 30 s (unless `unsafe_short_time_wait`), at
    /// most 240 s; where 3.5 x `rto` is longer, the larger of 240 s and `time_wait` (TW-2).
    pub fn time_wait(&self, rto: Duration) -> Duration {
        let floor = if self.unsafe_short_time_wait { Duration::ZERO } else { Duration::from_secs(30) };
        let wait = self.time_wait.clamp(floor, Duration::from_secs(240));
        let long = rto.saturating_mul(7) / 2 > wait && !self.unsafe_short_time_wait;
        if long { wait.max(Duration::from_secs(240)) } else { wait }
    }

    /// How long a narrow path counts as such: not below 5 minutes.
    pub(crate) fn path_search_again(&self) -> Duration {
        self.path_mtu_expiry.max(Duration::from_secs(300))
    }

    /// What a connection's receive buffer begins with, and the most it may become; the same where it is fixed.
    pub(crate) fn receive_buffer_span(&self) -> (u32, u32) {
        let (first, most) = self.receive_buffer_limits;
        if self.receive_buffer > 0 { (self.receive_buffer, self.receive_buffer) } else { (first, most.max(first)) }
    }

    /// What a connection's send buffer takes while so many octets may be in flight.
    pub(crate) fn send_buffer_for(&self, congestion_window: u64, scarce: bool) -> u32 {
        let (least, most) = self.send_buffer_limits;
        let wanted = if scarce { 0 } else { u32::try_from(2 * congestion_window).unwrap_or(u32::MAX) };
        if self.send_buffer > 0 { self.send_buffer } else { wanted.min(most).max(least) }
    }

    /// The MSS we announce to a peer with this address (RFC 9293 MUST-67).
    pub(crate) fn receive_mss(&self, peer: IpAddr) -> u16 {
        let headers = if peer.is_ipv4() { 40 } else { 60 };
        self.mtu.saturating_sub(headers).max(28)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_buffer_follows_the_congestion_window_unless_it_is_fixed() {
        let config = Config { send_buffer_limits: (100, 1000), ..Config::default() };
        let sizes = [0, 50, 51, 500, 501, u64::from(u32::MAX)].map(|window| config.send_buffer_for(window, false));
        assert_eq!(sizes, [100, 100, 102, 1000, 1000, 1000]);
        assert_eq!(config.send_buffer_for(400, true), 100, "memory is scarce");
        let fixed = Config { send_buffer: 7, ..config };
        assert_eq!([fixed.send_buffer_for(400, false), fixed.send_buffer_for(400, true)], [7, 7]);
    }

    #[test]
    fn tw_2_duration_stays_in_its_range() {
        let wait = |secs, rto| {
            let config = Config { time_wait: Duration::from_secs(secs), ..Config::default() };
            config.time_wait(Duration::from_secs(rto)).as_secs()
        };
        assert_eq!([wait(1, 1), wait(30, 1), wait(60, 1), wait(120, 1), wait(900, 1)], [30, 30, 60, 120, 240]);
        assert_eq!([wait(60, 17), wait(60, 18), wait(240, 60)], [60, 240, 240]);
    }
}
