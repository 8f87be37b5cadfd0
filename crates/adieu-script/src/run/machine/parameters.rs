//! Parameters of systems (`sysctl`) that our stack has, too.

use std::time::Duration;

use adieu_core::{Algorithm, Config, Keepalive, Stack};

use crate::run::parameters::LARGEST_BUFFER;

/// What a parameter does to the stack's configuration.
type Change<T> = fn(&mut Config, T);

/// What is on or off. Numbers above 1 say how Linux does it; for us that is on.
const SWITCHES: &[(&str, Change<bool>)] = &[
    ("net.ipv4.tcp_timestamps", |config, on| config.timestamps = on),
    ("net.ipv4.tcp_sack", |config, on| config.selective_acks = on),
    ("net.inet.tcp.sack.enable", |config, on| config.selective_acks = on),
    ("net.ipv4.tcp_window_scaling", |config, on| config.window_scaling = on),
    ("net.inet.tcp.rfc1323", |config, on| (config.window_scaling, config.timestamps) = (on, on)),
    ("net.ipv4.tcp_syncookies", |config, on| config.syn_cookies = on),
    ("net.inet.tcp.syncookies", |config, on| config.syn_cookies = on),
    ("net.ipv4.tcp_early_retrans", |config, on| config.loss_probes = on),
    ("net.inet.tcp.delayed_ack", |config, on| {
        let default = Config::default().ack_delay;
        config.ack_delay = if on { default } else { Duration::ZERO };
    }),
];

/// Times, and how many milliseconds one of the numbers is.
const TIMES: &[(&str, u64, Change<Duration>)] = &[
    ("net.ipv4.tcp_fin_timeout", 1000, |config, time| config.fin_wait_2 = time),
    ("net.inet.tcp.finwait2_timeout", 1, |config, time| config.fin_wait_2 = time),
    ("net.inet.tcp.msl", 2, |config, time| (config.time_wait, config.unsafe_short_time_wait) = (time, true)),
    ("net.inet.tcp.delacktime", 1, |config, time| config.ack_delay = time),
    ("net.ipv4.tcp_invalid_ratelimit", 1, |config, time| config.out_of_window_interval = time),
];

/// How often something is tried.
const COUNTS: &[(&str, Change<u8>)] = &[
    ("net.ipv4.tcp_syn_retries", |config, count| config.syn_retries = count),
    ("net.ipv4.tcp_synack_retries", |config, count| config.syn_ack_retries = count),
    ("net.ipv4.tcp_retries2", |config, count| config.retries = count),
    ("net.ipv4.tcp_orphan_retries", |config, count| config.orphan_retries = count),
];

/// Sizes; of three numbers the second is the default.
const SIZES: &[(&str, Change<u32>)] = &[
    ("net.ipv4.tcp_rmem", |config, size| config.receive_buffer = size.max(1)),
    ("net.inet.tcp.recvspace", |config, size| config.receive_buffer = size.max(1)),
    ("net.ipv4.tcp_wmem", |config, size| config.send_buffer = size.max(1)),
    ("net.inet.tcp.sendspace", |config, size| config.send_buffer = size.max(1)),
    ("net.ipv4.tcp_max_syn_backlog", |config, size| config.syn_backlog = size),
];

/// What opens the congestion window, by its name.
const CONGESTION: &str = "net.ipv4.tcp_congestion_control";

/// Sets a parameter of a system, where the stack has one of its kind; whether it has.
pub(super) fn sysctl(name: &str, value: &str, stack: &mut Stack, keepalive: &mut Keepalive) -> Result<bool, String> {
    let needed = || format!("{name} needs a number, not {value:?}");
    let number = || value.split_whitespace().next().unwrap_or("").parse::<u64>().map_err(|_| needed());
    if name == CONGESTION {
        let algorithm = match value.trim() {
            "cubic" => Algorithm::Cubic,
            "reno" => Algorithm::Reno,
            other => return Err(format!("{name} is cubic or reno, not {other:?}")),
        };
        stack.reconfigure(|config| config.congestion = algorithm);
    } else if let Some((_, change)) = SWITCHES.iter().find(|(known, _)| *known == name) {
        let on = number()? != 0;
        stack.reconfigure(|config| change(config, on));
    } else if let Some((_, unit, change)) = TIMES.iter().find(|(known, ..)| *known == name) {
        let time = Duration::from_millis(number()?.saturating_mul(*unit));
        stack.reconfigure(|config| change(config, time));
    } else if let Some((_, change)) = COUNTS.iter().find(|(known, _)| *known == name) {
        let count = u8::try_from(number()?).unwrap_or(u8::MAX);
        stack.reconfigure(|config| change(config, count));
    } else if let Some((_, change)) = SIZES.iter().find(|(known, _)| *known == name) {
        let words: Vec<&str> = value.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
        let size = words.get(1).or(words.first()).and_then(|word| word.parse::<u32>().ok());
        let size = size.filter(|size| *size <= LARGEST_BUFFER).ok_or_else(needed)?;
        stack.reconfigure(|config| change(config, size));
    } else {
        return idle(name, number, keepalive);
    }
    Ok(true)
}

/// What new sockets ask idle peers.
fn idle(name: &str, number: impl Fn() -> Result<u64, String>, keepalive: &mut Keepalive) -> Result<bool, String> {
    match name {
        "net.ipv4.tcp_keepalive_time" => keepalive.idle = Duration::from_secs(number()?),
        "net.ipv4.tcp_keepalive_intvl" => keepalive.interval = Duration::from_secs(number()?),
        "net.inet.tcp.keepidle" => keepalive.idle = Duration::from_millis(number()?),
        "net.inet.tcp.keepintvl" => keepalive.interval = Duration::from_millis(number()?),
        "net.ipv4.tcp_keepalive_probes" | "net.inet.tcp.keepcnt" => {
            keepalive.probes = u8::try_from(number()?).unwrap_or(u8::MAX);
        }
        _ => return Ok(false),
    }
    Ok(true)
}
