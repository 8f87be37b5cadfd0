//! adieu
#[cfg(target_os = "linux")]
pub mod device;
