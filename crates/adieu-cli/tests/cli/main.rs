//! The command, run as a user runs it.

mod common;
mod connect;
mod linux;
mod listen;
mod model;
mod peers;
mod real;
mod rootless;
mod script;
mod script_linux;
mod signals;
mod sim;
mod spec;
mod state;
mod tour;
mod tshark;

// What the library's tests have as well.
#[path = "../../../adieu/tests/trials/family.rs"]
mod family;
#[path = "../../../adieu/tests/trials/harness.rs"]
mod harness;
#[path = "../../../adieu/tests/trials/sandbox.rs"]
mod sandbox;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The longest first, so that the last thread does not work alone.
    harness::main([
        linux::trials(),
        script_linux::trials(),
        tshark::trials(),
        real::trials(),
        connect::trials(),
        listen::trials(),
        rootless::trials(),
        signals::trials(),
        script::trials(),
        sim::trials(),
        spec::trials(),
        model::trials(),
        state::trials(),
        tour::trials(),
        harness::trials(),
    ])
}
