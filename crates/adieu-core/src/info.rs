//! What a connection looks like from inside, under names people know from Linux's `tcp_info`.

use crate::config::Algorithm;
use crate::connection::close::State;
use crate::time::Duration;

/// A connection at one moment. Sizes and windows are bytes, as on the wire; where Linux counts segments, divide by
/// [`Info::send_mss`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Info {
    /// The RFC's state (`tcpi_state`).
    pub state: State,
    /// How long it has been in it: a CLOSE-WAIT of hours is an application that has forgotten to close (HC-7).
    pub state_age: Duration,
    /// What the sender is doing about loss (`tcpi_ca_state`).
    pub recovery: RecoveryState,
    /// Retransmission timeouts in a row (`tcpi_retransmits`).
    pub retransmits: u8,
    /// Window probes since something last moved, or keepalive probes without an answer (`tcpi_probes`).
    pub probes: u8,
    /// Doublings of the retransmission time (`tcpi_backoff`).
    pub backoff: u8,
    /// Timestamps were negotiated (`tcpi_options`, 1).
    pub timestamps: bool,
    /// Selective acknowledgments were negotiated (`tcpi_options`, 2).
    pub sack: bool,
    /// Window scaling was negotiated (`tcpi_options`, 4); the peer's shift and ours (`tcpi_snd_wscale`,
    /// `tcpi_rcv_wscale`).
    pub window_shifts: Option<(u8, u8)>,
    /// Retransmission time, backed off (`tcpi_rto`).
    pub rto: Duration,
    /// Delay of acknowledgments (`tcpi_ato`).
    pub ack_delay: Duration,
    /// Payload of a full segment of ours (`tcpi_snd_mss`).
    pub send_mss: u16,
    /// Payload of the peer's full segments, estimated (`tcpi_rcv_mss`).
    pub recv_mss: u16,
    /// The MSS option we announced (`tcpi_advmss`).
    pub advertised_mss: u16,
    /// Largest IP packet the path is believed to carry (`tcpi_pmtu`).
    pub path_mtu: u16,
    /// Sent and not acknowledged, in segments (`tcpi_unacked`).
    pub unacked: u32,
    /// Of those, selectively acknowledged (`tcpi_sacked`).
    pub sacked: u32,
    /// Of those, believed lost and not sent again (`tcpi_lost`).
    pub lost: u32,
    /// Of those, sent again and not acknowledged (`tcpi_retrans`).
    pub retrans: u32,
    /// Since data was last sent (`tcpi_last_data_sent`).
    pub last_data_sent: Duration,
    /// Since data last came (`tcpi_last_data_recv`).
    pub last_data_received: Duration,
    /// Since an acknowledgment last came (`tcpi_last_ack_recv`).
    pub last_ack_received: Duration,
    /// Smoothed round-trip time; zero without a measurement (`tcpi_rtt`).
    pub rtt: Duration,
    /// Its variation (`tcpi_rttvar`).
    pub rtt_variation: Duration,
    /// Smallest round-trip time; zero without a measurement (`tcpi_min_rtt`).
    pub min_rtt: Duration,
    /// Congestion control, `cubic` or `reno` (`TCP_CONGESTION`).
    pub congestion: Algorithm,
    /// Slow-start threshold in bytes; `None` before the first loss (`tcpi_snd_ssthresh`).
    pub slow_start_threshold: Option<u32>,
    /// Congestion window in bytes (`tcpi_snd_cwnd` is in segments).
    pub congestion_window: u32,
    /// Whether segments were seen to overtake each other (`tcpi_reord_seen`).
    pub reordering_seen: bool,
    /// Segments sent again (`tcpi_total_retrans`).
    pub retransmissions: u32,
    /// Payload bytes sent, repeats included (`tcpi_bytes_sent`).
    pub bytes_sent: u64,
    /// Payload bytes sent again (`tcpi_bytes_retrans`).
    pub bytes_retransmitted: u64,
    /// Payload bytes acknowledged (`tcpi_bytes_acked`).
    pub bytes_acked: u64,
    /// Payload bytes that came in order (`tcpi_bytes_received`).
    pub bytes_received: u64,
    /// Payload bytes written and never sent (`tcpi_notsent_bytes`).
    pub bytes_unsent: u64,
    /// Segments sent (`tcpi_segs_out`).
    pub segments_sent: u32,
    /// Segments received (`tcpi_segs_in`).
    pub segments_received: u32,
    /// Of those sent, with payload (`tcpi_data_segs_out`).
    pub data_segments_sent: u32,
    /// Of those received, with payload (`tcpi_data_segs_in`).
    pub data_segments_received: u32,
    /// Duplicates the peer has reported (`tcpi_dsack_dups`).
    pub duplicates_reported: u32,
    /// Segments that came out of order (`tcpi_rcv_ooopack`).
    pub out_of_order: u32,
    /// The peer's window (`tcpi_snd_wnd`).
    pub send_window: u32,
    /// The window we announce (`tcpi_rcv_wnd`).
    pub recv_window: u32,
    /// The last ICMP error about this connection, type and code.
    pub last_icmp: Option<(u8, u8)>,
    /// Most runs in flight looked at for one acknowledgment: the measure of an attack on the sender's memory of losses.
    pub most_steps: u32,
}

/// What the sender is doing about loss.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RecoveryState {
    /// Nothing is amiss (`TCP_CA_Open`, 0).
    Open,
    /// Duplicate or selective acknowledgments came; nothing counts as lost yet (`TCP_CA_Disorder`, 1).
    Disorder,
    /// Fast recovery (`TCP_CA_Recovery`, 3).
    Recovery,
    /// The retransmission timer fired (`TCP_CA_Loss`, 4).
    Loss,
}
