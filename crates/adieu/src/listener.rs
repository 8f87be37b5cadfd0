//! Listening.

use std::io;
use std::net::SocketAddr;

use adieu_core::{ListenerId, Settings};

use crate::net::{Held, Net};
use crate::{TcpStream, error};
use std::sync::Arc;

/// Waits for connections at an address of a [`Net`]. Dropped, it stops; connections nobody has accepted are reset.
#[derive(Debug)]
pub struct TcpListener {
    shared: Arc<Held>,
    id: ListenerId,
    local: SocketAddr,
}

impl TcpListener {
    /// Listens at `local`: one of the net's addresses, or the unspecified one for all; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` where another listener of this net has it, `AddrNotAvailable` where the address is none of the
    /// net's.
    pub fn bind(net: &Net, local: SocketAddr) -> io::Result<Self> {
        Self::bind_with(net, local, Settings::default())
    }

    /// Listens with settings that every accepted connection has from its first segment on.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind); `InvalidInput` where [`Settings::dscp`] is above 63.
    pub fn bind_with(net: &Net, local: SocketAddr, settings: Settings) -> io::Result<Self> {
        error::check(&settings)?;
        let shared = net.shared.clone();
        let id = shared.step(|shard, _| shard.stack.listen_with(local, settings)).map_err(error::bind)?;
        let local = shared.lock().stack.local_address(id).unwrap_or(local);
        Ok(Self { shared, id, local })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection, and its peer. Cancel-safe: a connection that is not returned waits for the next call.
    ///
    /// # Errors
    /// Where the device is gone.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let acceptable = self.shared.acceptable.notified();
            tokio::pin!(acceptable);
            acceptable.as_mut().enable();
            let accepted = {
                let mut shard = self.shared.lock();
                shard.check()?;
                let handle = shard.stack.accept(self.id);
                handle.and_then(|handle| Some((handle, shard.stack.flow(handle)?)))
            };
            if let Some((handle, flow)) = accepted {
                return Ok((TcpStream::new(self.shared.clone(), handle, flow), flow.remote()));
            }
            acceptable.await;
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.shared.step(|shard, now| shard.stack.unlisten(now, self.id));
    }
}
