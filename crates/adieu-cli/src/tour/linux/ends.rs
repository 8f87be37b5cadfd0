//! An end of a connection: a stream of ours, or a socket of the kernel's.

use std::io;
use std::time::Duration;

use adieu::Flow;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream as Socket;

/// Whoever holds it, the same calls.
#[derive(Debug)]
pub(super) enum End {
    Adieu(adieu::TcpStream),
    Linux(Socket),
}

impl End {
    /// Its addresses, where it is one of ours.
    pub(super) fn flow(&self) -> Option<Flow> {
        match self {
            Self::Adieu(stream) => Some(Flow::new(stream.local_addr(), stream.peer_addr())),
            Self::Linux(_) => None,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Adieu(stream) => stream.write_all(bytes).await,
            Self::Linux(socket) => socket.write_all(bytes).await,
        }
    }

    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Adieu(stream) => stream.read(buffer).await,
            Self::Linux(socket) => socket.read(buffer).await,
        }
    }

    /// All up to the end of the stream.
    pub(super) async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        match self {
            Self::Adieu(stream) => stream.read_to_end(&mut all).await?,
            Self::Linux(socket) => socket.read_to_end(&mut all).await?,
        };
        Ok(all)
    }

    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Adieu(stream) => stream.shutdown().await,
            Self::Linux(socket) => socket.shutdown().await,
        }
    }

    /// What is written from now on waits for the shutdown. We do so anyway, until the driver's next round.
    pub(super) fn cork(&self) {
        if let Self::Linux(socket) = self {
            let _ = rustix::net::sockopt::set_tcp_cork(socket, true);
        }
    }

    /// Makes a close a reset.
    pub(super) fn set_zero_linger(&self) {
        match self {
            Self::Adieu(stream) => stream.set_zero_linger(true),
            Self::Linux(socket) => {
                let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            }
        }
    }
}
