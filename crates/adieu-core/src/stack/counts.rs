//! What the stack has seen, and what it holds.

use crate::connection::close::State;
use crate::connection::ending::Ending;

/// What the stack has seen, in counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Packets handed in.
    pub packets: u64,
    /// Dropped: broken, or not of a kind we read.
    pub malformed: u64,
    /// Dropped: before what an IPv6 packet carries stands a header that cannot be skipped.
    pub headers_refused: u64,
    /// Pieces of datagrams for us.
    pub fragments: u64,
    /// Datagrams put together from them.
    pub reassembled: u64,
    /// Pieces that can be of no datagram, or not of one for us; and datagrams given up of which pieces had come.
    pub fragments_dropped: u64,
    /// Dropped: a checksum was wrong.
    pub bad_checksum: u64,
    /// Dropped: for another address, or from one that cannot be a peer.
    pub not_ours: u64,
    /// Segments without a connection that were answered with a reset.
    pub strays_reset: u64,
    /// Segments without a connection that got no reset: their part of the network had used up its budget (RS-7).
    pub strays_unanswered: u64,
    /// Resets for flows in quarantine.
    pub quarantine_resets: u64,
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
    /// Connections that ever began: a SYN was sent, or taken, or a cookie came back.
    pub made: u64,
    /// Half-open connections of listeners that came to nothing: reset, or never answered. They leave no receipt.
    pub openings_forgotten: u64,
    /// Connections that ended, openings by `connect` included; as many receipts were made.
    pub ended: u64,
    /// Of those, gracefully.
    pub ended_gracefully: u64,
    /// Receipts that nobody took before the next ones came.
    pub receipts_dropped: u64,
    /// TIME-WAIT and quarantine records that gave way to newer ones.
    pub time_wait_evicted: u64,
    /// Of those, such that nothing protects a new connection any more: without timestamps, or no tombstone was left.
    pub time_wait_evicted_unsafe: u64,
    /// Records that came back because the connection that had taken their place came to nothing.
    pub time_wait_restored: u64,
    /// Orphans given up because there were too many.
    pub orphans_shed: u64,
    /// Connections given up because all held too much.
    pub memory_shed: u64,
    /// Bytes that came out of order and were dropped, because all held too much; they come again.
    pub memory_dropped: u64,
    /// Warnings, taken or not.
    pub warnings: u64,
    /// What became of addresses and ports, in the order of [`Released::ALL`](crate::Released::ALL).
    pub released: [u64; 6],
    /// Segments dropped because they had no timestamp though timestamps were agreed on (RFC 7323 section 3.2).
    pub unstamped: u64,
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
    /// Kept aside after a reset, or after an attempt that was given up.
    pub quarantined: usize,
    /// Records of orphans in FIN-WAIT-2.
    pub abandoned: usize,
    /// Of records that gave way.
    pub tombstones: usize,
    /// Connections without an owner.
    pub orphans: usize,
    /// Destinations that local ports are counted for.
    pub destinations: usize,
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

/// How connections ended, by ending and state (EN-6). All counts together are the receipts that were made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endings([[u64; State::ALL.len()]; Ending::KINDS]);

impl Default for Endings {
    fn default() -> Self {
        Self([[0; State::ALL.len()]; Ending::KINDS])
    }
}

impl Endings {
    pub(crate) fn count(&mut self, ending: Ending) {
        self.0[ending.kind()][ending.state() as usize] += 1;
    }

    /// Every count that is not zero: the ending's name, the state it ended in, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, State, u64)> + '_ {
        let rows = Ending::names().zip(&self.0);
        let all = rows.flat_map(|(name, row)| State::ALL.into_iter().zip(row).map(move |(state, n)| (name, state, *n)));
        all.filter(|(_, _, count)| *count > 0)
    }

    /// How often a connection ended so, in whatever state.
    pub fn by_name(&self, name: &str) -> u64 {
        self.iter().filter(|(ending, _, _)| *ending == name).map(|(_, _, count)| count).sum()
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.as_flattened().iter().sum()
    }
}
