//! What scripts set: option lines, and parameters of systems (`sysctl`).

use std::time::Duration;

use super::failure::Failure;
use super::machine::Machine;
use super::settings::Settings;
use crate::ast::{Setting, Span, Spanned};

/// Options that mean something only to a machine with devices, processes or another clock.
const IRRELEVANT: &[&str] = &[
    "bind_port",
    "code_command",
    "code_format",
    "code_sockopt",
    "connect_port",
    "debug",
    "define",
    "dry_run",
    "gateway_ip",
    "init_scripts",
    "local_ip",
    "local_linklocal_ip",
    "netmask_ip",
    "no_cleanup",
    "non_fatal",
    "persistent_tun_dev",
    "remote_ip",
    "send_omit_free",
    "socket_fd_alloc",
    "so_filename",
    "so_flags",
    "speed",
    "tcp_ts_ecr_scaled",
    "tcp_ts_tick_usecs",
    "tun_device",
    "udp_encaps",
    "verbose",
    "wire_client",
    "wire_server",
];

/// Buffers that a script may ask for, in bytes.
pub(crate) const LARGEST_BUFFER: u32 = 64 * 1024 * 1024;

/// Applies the option lines of a script.
pub(crate) fn apply_options(
    options: &[Spanned<Setting>],
    settings: &mut Settings,
    notes: &mut Vec<String>,
) -> Result<(), Box<Failure>> {
    for option in options {
        apply_option(option, settings, notes)?;
    }
    settings.ipv6 = match settings.family {
        Some(super::settings::Family::Ipv6) => true,
        Some(super::settings::Family::Ipv4) => false,
        None => settings.ipv6,
    };
    Ok(())
}

fn apply_option(
    option: &Spanned<Setting>,
    settings: &mut Settings,
    notes: &mut Vec<String>,
) -> Result<(), Box<Failure>> {
    let Setting { name, value } = &option.value;
    let number = || {
        let number = value.as_deref().and_then(|value| value.parse::<u64>().ok());
        number.ok_or_else(|| Failure::meaning(option.span, format!("--{name} needs a number")))
    };
    let small =
        || u16::try_from(number()?).map_err(|_| Failure::meaning(option.span, format!("--{name} is too large")));
    match name.as_str() {
        "tolerance_usecs" => settings.tolerance = Duration::from_micros(number()?),
        "tolerance_percent" => notes.push("--tolerance_percent: virtual time is exact".into()),
        "ip_version" => match value.as_deref() {
            Some("ipv4" | "ipv4-mapped-ipv6") => settings.ipv6 = false,
            Some("ipv6") => settings.ipv6 = true,
            _ => return Err(Failure::meaning(option.span, "--ip_version is ipv4, ipv6 or ipv4-mapped-ipv6")),
        },
        "mtu" => settings.config.mtu = small()?,
        "mss" => settings.config.mtu = small()?.saturating_add(40),
        known if IRRELEVANT.contains(&known) => notes.push(format!("--{known}: irrelevant here")),
        unknown => return Err(Failure::meaning(option.span, format!("the option --{unknown} is not known"))),
    }
    Ok(())
}

/// Sets a parameter of a system, where the stack has one of its kind.
pub(crate) fn sysctl(
    name: &str,
    value: &str,
    span: Span,
    machine: &mut Machine,
    notes: &mut Vec<String>,
) -> Result<(), Box<Failure>> {
    let needed = || Failure::meaning(span, format!("{name} needs a number, not {value:?}"));
    let number = || value.split_whitespace().next().unwrap_or("").parse::<u64>().map_err(|_| needed());
    let count = || Ok::<_, Box<Failure>>(u8::try_from(number()?).unwrap_or(u8::MAX));
    // The second of three numbers is the default.
    let middle = || {
        let word = value.split([' ', '\t', ',']).filter(|word| !word.is_empty()).nth(1).unwrap_or(value);
        word.parse::<u32>().ok().filter(|size| *size <= LARGEST_BUFFER).ok_or_else(needed)
    };
    let size = || u32::try_from(number()?).ok().filter(|size| *size <= LARGEST_BUFFER).ok_or_else(needed);
    let stack = &mut machine.stack;
    let milliseconds = |by: u64| Ok::<_, Box<Failure>>(Duration::from_millis(number()?.saturating_mul(by)));
    match name {
        "net.ipv4.tcp_fin_timeout" => {
            let time = milliseconds(1000)?;
            stack.reconfigure(|config| config.fin_wait_2 = time);
        }
        "net.inet.tcp.finwait2_timeout" => {
            let time = milliseconds(1)?;
            stack.reconfigure(|config| config.fin_wait_2 = time);
        }
        "net.inet.tcp.msl" => {
            let time = milliseconds(2)?;
            stack.reconfigure(|config| (config.time_wait, config.unsafe_short_time_wait) = (time, true));
        }
        "net.ipv4.tcp_syn_retries" => {
            let count = count()?;
            stack.reconfigure(|config| config.syn_retries = count);
        }
        "net.ipv4.tcp_synack_retries" => {
            let count = count()?;
            stack.reconfigure(|config| config.syn_ack_retries = count);
        }
        "net.ipv4.tcp_retries2" => {
            let count = count()?;
            stack.reconfigure(|config| config.retries = count);
        }
        "net.ipv4.tcp_orphan_retries" => {
            let count = count()?;
            stack.reconfigure(|config| config.orphan_retries = count);
        }
        "net.ipv4.tcp_rmem" => {
            let size = middle()?;
            stack.reconfigure(|config| config.receive_buffer = size);
        }
        "net.ipv4.tcp_wmem" => {
            let size = middle()?;
            stack.reconfigure(|config| config.send_buffer = size);
        }
        "net.inet.tcp.recvspace" => {
            let size = size()?;
            stack.reconfigure(|config| config.receive_buffer = size);
        }
        "net.inet.tcp.sendspace" => {
            let size = size()?;
            stack.reconfigure(|config| config.send_buffer = size);
        }
        _ => notes.push(format!("ignored: sysctl {name}: the stack has no such parameter")),
    }
    Ok(())
}
