//! Devices: where packets enter and leave a stack.

#[cfg(target_os = "linux")]
mod tun;

#[cfg(target_os = "linux")]
pub use tun::{NotAHost, Subnet, Tun, TunConfig, TunError, neighbour};
