//! The command, run as a user runs it.

mod common;
mod connect;
mod family;
mod harness;
mod linux;
mod listen;
mod peers;
mod real;
mod rootless;
mod signals;
mod tour;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The longest first, so that the last thread does not work alone.
    let trials = [
        linux::trials(),
        real::trials(),
        connect::trials(),
        listen::trials(),
        rootless::trials(),
        signals::trials(),
        tour::trials(),
        harness::trials(),
    ];
    let arguments = libtest_mimic::Arguments::from_args();
    harness::keep_panics();
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
