//! The command `adieu`: shows how TCP connections end, on an in-memory network and with real peers.

mod args;
#[cfg(target_os = "linux")]
mod connect;
#[cfg(target_os = "linux")]
mod diag;
#[cfg(target_os = "linux")]
mod exec;
mod failure;
#[cfg(target_os = "linux")]
mod listen;
mod model;
mod output;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod rootless;
mod script;
#[cfg(target_os = "linux")]
mod session;
#[cfg(unix)]
mod signals;
mod sim;
mod spec;
#[cfg(target_os = "linux")]
mod state;
mod tour;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Command::Tour(tour) => tour::run(&tour),
        Command::Script(script) => script::run_scripts(&script),
        Command::Sim(sim) => sim::run(&sim),
        Command::Model(model) => model::run(&model),
        Command::Spec(spec) => spec::run(&spec),
        #[cfg(target_os = "linux")]
        Command::Listen(listen) => listen::run(&listen),
        #[cfg(target_os = "linux")]
        Command::Connect(connect) => connect::run(&connect),
        #[cfg(not(target_os = "linux"))]
        Command::Listen(_) | Command::Connect(_) => Err(failure::Failure::usage(
            "adieu listen and connect need a TUN device, which this version makes on Linux only",
        )),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
