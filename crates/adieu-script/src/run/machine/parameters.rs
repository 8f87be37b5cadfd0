//! Parameters of systems (`sysctl`) that our stack has, too.

use std::time::Duration;

use adieu_core::Stack;

use crate::run::parameters::LARGEST_BUFFER;

/// Sets a parameter of a system, where the stack has one of its kind; whether it has.
pub(super) fn sysctl(name: &str, value: &str, stack: &mut Stack) -> Result<bool, String> {
    let needed = || format!("{name} needs a number, not {value:?}");
    let number = || value.split_whitespace().next().unwrap_or("").parse::<u64>().map_err(|_| needed());
    let count = || Ok::<_, String>(u8::try_from(number()?).unwrap_or(u8::MAX));
    // The second of three numbers is the default.
    let middle = || {
        let word = value.split([' ', '\t', ',']).filter(|word| !word.is_empty()).nth(1).unwrap_or(value);
        word.parse::<u32>().ok().filter(|size| *size <= LARGEST_BUFFER).ok_or_else(needed)
    };
    let size = || u32::try_from(number()?).ok().filter(|size| *size <= LARGEST_BUFFER).ok_or_else(needed);
    let milliseconds = |by: u64| Ok::<_, String>(Duration::from_millis(number()?.saturating_mul(by)));
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
        _ => return Ok(false),
    }
    Ok(true)
}
