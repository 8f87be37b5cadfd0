//! What the option lines of scripts set.

use std::time::Duration;

use super::failure::Failure;
use super::settings::Settings;
use crate::ast::{Setting, Spanned};

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
        "tcp_ts_tick_usecs" => settings.tick = Duration::from_micros(number()?),
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
