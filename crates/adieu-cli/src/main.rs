//! The command `adieu`: shows how TCP connections end, on an in-memory network and with real peers.

mod args;
mod failure;
#[cfg(target_os = "linux")]
mod listen;
mod output;
mod tour;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.command {
        Command::Tour(tour) => tour::run(&tour),
        #[cfg(target_os = "linux")]
        Command::Listen(listen) => listen::run(&listen),
        #[cfg(not(target_os = "linux"))]
        Command::Listen(_) => {
            Err(Failure::usage("adieu listen needs a TUN device, which this version makes on Linux only"))
        }
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
