//! `struct tcp_info`, read by the places of its fields in `linux/tcp.h`.

use adieu_script::run::Field;

/// Bytes, by place.
const BYTES: &[(&str, usize)] = &[("ca_state", 1), ("retransmits", 2), ("probes", 3), ("backoff", 4), ("options", 5)];

/// Words of 32 bits.
const WORDS: &[(&str, usize)] = &[
    ("rto", 8),
    ("ato", 12),
    ("snd_mss", 16),
    ("rcv_mss", 20),
    ("unacked", 24),
    ("sacked", 28),
    ("lost", 32),
    ("retrans", 36),
    ("fackets", 40),
    ("last_data_sent", 44),
    ("last_data_recv", 52),
    ("last_ack_recv", 56),
    ("pmtu", 60),
    ("rcv_ssthresh", 64),
    ("rtt", 68),
    ("rttvar", 72),
    ("snd_ssthresh", 76),
    ("snd_cwnd", 80),
    ("advmss", 84),
    ("reordering", 88),
    ("rcv_rtt", 92),
    ("rcv_space", 96),
    ("total_retrans", 100),
    ("segs_out", 136),
    ("segs_in", 140),
    ("notsent_bytes", 144),
    ("min_rtt", 148),
    ("data_segs_in", 152),
    ("data_segs_out", 156),
    ("delivered", 192),
    ("delivered_ce", 196),
    ("dsack_dups", 216),
    ("reord_seen", 220),
    ("rcv_ooopack", 224),
    ("snd_wnd", 228),
    ("rcv_wnd", 232),
];

/// Words of 64 bits.
const LONG: &[(&str, usize)] = &[
    ("pacing_rate", 104),
    ("max_pacing_rate", 112),
    ("bytes_acked", 120),
    ("bytes_received", 128),
    ("delivery_rate", 160),
    ("busy_time", 168),
    ("rwnd_limited", 176),
    ("sndbuf_limited", 184),
    ("bytes_sent", 200),
    ("bytes_retrans", 208),
];

/// Two shifts in one byte, of which a machine's order decides the halves.
const SHIFTS: usize = 6;

/// All fields that this kernel tells: older ones know fewer, at the same places.
pub(super) fn fields(info: &[u8]) -> Vec<Field> {
    let bytes = BYTES.iter().filter_map(|(name, at)| Some((*name, i64::from(*info.get(*at)?))));
    let words = WORDS.iter().filter_map(|(name, at)| {
        let word = info.get(*at..at + 4)?.try_into().ok()?;
        Some((*name, i64::from(u32::from_ne_bytes(word))))
    });
    let long = LONG.iter().filter_map(|(name, at)| {
        let word = info.get(*at..at + 8)?.try_into().ok()?;
        Some((*name, i64::try_from(u64::from_ne_bytes(word)).unwrap_or(i64::MAX)))
    });
    let shifts = info.get(SHIFTS).map(|byte| {
        let (low, high) = (i64::from(byte & 15), i64::from(byte >> 4));
        if cfg!(target_endian = "little") { [low, high] } else { [high, low] }
    });
    let shifts = shifts.into_iter().flat_map(|[send, recv]| [("snd_wscale", send), ("rcv_wscale", recv)]);
    bytes.chain(words).chain(long).chain(shifts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_tells_less_is_asked_for_less() {
        let mut info = vec![0; 104];
        info[5] = 7;
        info[SHIFTS] = 0x37;
        info[80..84].copy_from_slice(&10u32.to_ne_bytes());
        let all = fields(&info);
        let field = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        assert_eq!((field("options"), field("snd_cwnd"), field("total_retrans")), (Some(7), Some(10), Some(0)));
        assert_eq!(field("snd_wscale").map(|shift| shift + field("rcv_wscale").unwrap()), Some(10));
        assert_eq!((field("bytes_acked"), field("rcv_wnd")), (None, None));
        assert!(fields(&[]).is_empty());
        assert_eq!(fields(&[0; 248]).len(), BYTES.len() + WORDS.len() + LONG.len() + 2);
    }
}
