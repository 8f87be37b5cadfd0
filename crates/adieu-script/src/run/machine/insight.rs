//! A connection of ours as Linux's `struct tcp_info` would show it.

use std::time::Duration;

use adieu_core::{Info, RecoveryState};

use crate::run::host::Field;

/// `tcpi_snd_ssthresh` where there is no threshold.
const NO_THRESHOLD: i64 = 0x7fff_ffff;

/// Every field that our stack has, by its name without `tcpi_`; the state is asked elsewhere.
pub(super) fn fields(info: &Info) -> Vec<Field> {
    let options = i64::from(info.timestamps) | i64::from(info.sack) << 1 | i64::from(info.window_shifts.is_some()) << 2;
    let (send_shift, recv_shift) = info.window_shifts.unwrap_or((0, 0));
    let mut all = vec![
        ("options", options),
        ("snd_wscale", send_shift.into()),
        ("rcv_wscale", recv_shift.into()),
        ("snd_mss", info.send_mss.into()),
        ("rcv_mss", info.recv_mss.into()),
        ("advmss", info.advertised_mss.into()),
        ("pmtu", info.path_mtu.into()),
        ("snd_wnd", info.send_window.into()),
        ("rcv_wnd", info.recv_window.into()),
    ];
    all.extend(recovery(info));
    all.extend(times(info));
    all.extend(counts(info));
    all
}

/// What the sender makes of loss and congestion.
fn recovery(info: &Info) -> [Field; 11] {
    let segments = |bytes: u32| i64::from(bytes / u32::from(info.send_mss).max(1));
    [
        ("ca_state", state(info.recovery)),
        ("retransmits", info.retransmits.into()),
        ("probes", info.probes.into()),
        ("backoff", info.backoff.into()),
        ("unacked", info.unacked.into()),
        ("sacked", info.sacked.into()),
        ("lost", info.lost.into()),
        ("retrans", info.retrans.into()),
        ("snd_ssthresh", info.slow_start_threshold.map_or(NO_THRESHOLD, segments)),
        ("snd_cwnd", segments(info.congestion_window)),
        ("reord_seen", info.reordering_seen.into()),
    ]
}

fn times(info: &Info) -> [Field; 8] {
    [
        ("rto", micros(info.rto)),
        ("ato", micros(info.ack_delay)),
        ("rtt", micros(info.rtt)),
        ("rttvar", micros(info.rtt_variation)),
        ("min_rtt", micros(info.min_rtt)),
        ("last_data_sent", millis(info.last_data_sent)),
        ("last_data_recv", millis(info.last_data_received)),
        ("last_ack_recv", millis(info.last_ack_received)),
    ]
}

/// What is counted from the beginning on.
fn counts(info: &Info) -> [Field; 12] {
    [
        ("total_retrans", info.retransmissions.into()),
        ("bytes_sent", large(info.bytes_sent)),
        ("bytes_retrans", large(info.bytes_retransmitted)),
        ("bytes_acked", large(info.bytes_acked)),
        ("bytes_received", large(info.bytes_received)),
        ("notsent_bytes", large(info.bytes_unsent)),
        ("segs_out", info.segments_sent.into()),
        ("segs_in", info.segments_received.into()),
        ("data_segs_out", info.data_segments_sent.into()),
        ("data_segs_in", info.data_segments_received.into()),
        ("dsack_dups", info.duplicates_reported.into()),
        ("rcv_ooopack", info.out_of_order.into()),
    ]
}

fn state(recovery: RecoveryState) -> i64 {
    match recovery {
        RecoveryState::Open => 0,
        RecoveryState::Disorder => 1,
        RecoveryState::Recovery => 3,
        RecoveryState::Loss => 4,
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn large(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use adieu_core::State;

    fn info() -> Info {
        Info {
            state: State::Established,
            state_age: Duration::from_millis(0),
            recovery: RecoveryState::Loss,
            retransmits: 1,
            probes: 2,
            backoff: 3,
            timestamps: true,
            sack: false,
            window_shifts: Some((7, 3)),
            rto: Duration::from_millis(200),
            ack_delay: Duration::from_millis(40),
            send_mss: 1448,
            recv_mss: 536,
            advertised_mss: 1460,
            path_mtu: 1500,
            unacked: 4,
            sacked: 5,
            lost: 6,
            retrans: 7,
            last_data_sent: Duration::from_millis(8),
            last_data_received: Duration::from_millis(9),
            last_ack_received: Duration::from_millis(10),
            rtt: Duration::from_micros(11),
            rtt_variation: Duration::from_micros(12),
            min_rtt: Duration::from_micros(13),
            congestion: adieu_core::Algorithm::Cubic,
            slow_start_threshold: None,
            congestion_window: 14_600,
            reordering_seen: true,
            retransmissions: 14,
            bytes_sent: 15,
            bytes_retransmitted: 16,
            bytes_acked: 17,
            bytes_received: 18,
            bytes_unsent: 19,
            segments_sent: 20,
            segments_received: 21,
            data_segments_sent: 22,
            data_segments_received: 23,
            duplicates_reported: 24,
            out_of_order: 25,
            send_window: 26,
            recv_window: 27,
            most_steps: 0,
            last_icmp: None,
        }
    }

    #[test]
    fn units_are_those_of_linux() {
        let all = fields(&info());
        let field = |name: &str| all.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!((field("snd_cwnd"), field("snd_ssthresh")), (10, 0x7fff_ffff), "whole segments");
        assert_eq!((field("rto"), field("ato"), field("rtt")), (200_000, 40_000, 11));
        assert_eq!((field("options"), field("snd_wscale"), field("rcv_wscale")), (5, 7, 3));
        assert_eq!((field("ca_state"), field("last_data_sent")), (4, 8));
        let with = fields(&Info { slow_start_threshold: Some(2 * 1448 + 1), ..info() });
        assert!(with.contains(&("snd_ssthresh", 2)));
    }
}
