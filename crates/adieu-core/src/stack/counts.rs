//! What the stack has seen, and what it holds.

/// What the stack has seen, in counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Packets handed in.
    pub packets: u64,
    /// Dropped: broken, or not of a kind we read.
    pub malformed: u64,
    /// Dropped: a checksum was wrong.
    pub bad_checksum: u64,
    /// Dropped: for another address, or from one that cannot be a peer.
    pub not_ours: u64,
    /// Segments without a connection that were answered with a reset.
    pub strays_reset: u64,
    /// Replies to strays that found no room.
    pub strays_dropped: u64,
    /// SYNs dropped because a listener's backlog was full.
    pub syns_dropped: u64,
    /// SYNs answered with a cookie because a listener's backlog was full.
    pub cookies_sent: u64,
    /// Connections opened by a cookie that came back.
    pub cookies_accepted: u64,
    /// ICMP errors about a segment of ours that was under way.
    pub icmp_believed: u64,
    /// ICMP errors about anything else: late, or forged.
    pub icmp_ignored: u64,
    /// Half-open connections of listeners that came to nothing.
    pub openings_forgotten: u64,
    /// Connections that ended, openings by `connect` included; as many receipts were made.
    pub ended: u64,
    /// Of those, gracefully.
    pub ended_gracefully: u64,
    /// Receipts that nobody took before the next ones came.
    pub receipts_dropped: u64,
    /// TIME-WAIT records that gave way to newer ones.
    pub time_wait_evicted: u64,
}

/// What is still held: all zero when everything is over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Leftover {
    /// In SYN-SENT or SYN-RECEIVED.
    pub openings: usize,
    /// Connections, ended ones with a handle included.
    pub connections: usize,
    /// In TIME-WAIT.
    pub time_waits: usize,
    /// Listeners.
    pub listeners: usize,
    /// Handles the application holds.
    pub handles: usize,
    /// Flows in the index: ports in use.
    pub flows: usize,
    /// Armed timers.
    pub timers: usize,
    /// Bytes in queues.
    pub bytes: u64,
    /// Packets that wait for the device.
    pub replies: usize,
}
