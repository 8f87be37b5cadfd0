//! What can be typed.

use std::net::{SocketAddr, SocketAddrV4};

use clap::{Parser, Subcommand};

/// TCP connections that end right: see how, with your own eyes.
#[derive(Debug, Parser)]
#[command(name = "adieu", version, about, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tour(Tour),
    Listen(Listen),
}

/// Show and check ways a connection ends, on a network in memory.
#[derive(Debug, clap::Args)]
pub(crate) struct Tour {
    /// Scenarios to show; all of them where none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// List the scenarios and stop
    #[arg(long)]
    pub(crate) list: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// Accept one connection at a stack of our own on a TUN device: standard input goes to the peer, and what the peer
/// sends to standard output. The end of standard input closes our direction; the receipt goes to standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Listen {
    /// The stack's own address and port; this host gets the other address of the same /30
    #[arg(value_name = "ADDR:PORT", value_parser = ipv4)]
    pub(crate) local: SocketAddrV4,
    /// Name of the network interface to create
    #[arg(long, value_name = "NAME")]
    pub(crate) tun: Option<String>,
    /// Stay for all of TIME-WAIT (60 s) instead of just long enough to answer a repeated FIN
    #[arg(long)]
    pub(crate) wait: bool,
}

fn ipv4(text: &str) -> Result<SocketAddrV4, String> {
    match text.parse() {
        Ok(SocketAddr::V4(address)) if address.port() != 0 => Ok(address),
        Ok(SocketAddr::V4(_)) => Err("port 0 names no port; give one from 1 to 65535".into()),
        Ok(SocketAddr::V6(_)) => Err("this version listens on IPv4 addresses only, for example 10.77.0.1:80".into()),
        Err(_) => Err("give an IPv4 address and a port, for example 10.77.0.1:80".into()),
    }
}
