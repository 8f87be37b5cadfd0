//! The library and the Linux kernel, over TUN devices in network namespaces of their own.

#[cfg(target_os = "linux")]
mod device;
mod echo;
#[cfg(target_os = "linux")]
mod endings;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
mod options;

// What the command asks the kernel with.
#[cfg(target_os = "linux")]
#[path = "../../../adieu-cli/src/diag.rs"]
#[allow(dead_code, unused_imports, reason = "the command uses all of it, and tests it")]
mod diag;

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
        #[cfg(target_os = "linux")]
        options::trials(),
        #[cfg(target_os = "linux")]
        loss::trials(),
        #[cfg(target_os = "linux")]
        idle::trials(),
        #[cfg(target_os = "linux")]
        endings::trials(),
        harness::trials(),
    ])
}
