//! The library and the Linux kernel, over TUN devices in network namespaces of their own.

#[cfg(target_os = "linux")]
mod device;
mod echo;

// What the command's tests have as well.
#[path = "../trials/family.rs"]
mod family;
#[path = "../trials/harness.rs"]
#[expect(dead_code, reason = "the command's tests use all of it")]
mod harness;
#[path = "../trials/sandbox.rs"]
mod sandbox;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::main([
        echo::trials(),
        #[cfg(target_os = "linux")]
        device::trials(),
        harness::trials(),
    ])
}
