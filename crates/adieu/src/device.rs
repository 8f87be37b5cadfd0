//! Devices: where packets enter and leave a stack.

mod impaired;
mod memory;
#[cfg(target_os = "linux")]
mod tun;

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

pub use impaired::{Fate, Impaired, Impairment, Injector};
pub use memory::{Memory, memory_pair};
#[cfg(target_os = "linux")]
pub use tun::{NotAHost, Subnet, Tun, TunConfig, TunError, neighbour};

/// A device a [`Net`](crate::Net) runs on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Device {
    /// A network interface whose other end is the host's kernel.
    #[cfg(target_os = "linux")]
    Tun(Tun),
    /// One end of a [`memory_pair`].
    Memory(Memory),
    /// Another device, behind a bad wire.
    Impaired(Impaired),
}

#[cfg(target_os = "linux")]
impl From<Tun> for Device {
    fn from(tun: Tun) -> Self {
        Self::Tun(tun)
    }
}

impl From<Memory> for Device {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory)
    }
}

impl From<Impaired> for Device {
    fn from(impaired: Impaired) -> Self {
        Self::Impaired(impaired)
    }
}

impl Device {
    /// The largest packet it carries, in bytes.
    pub fn mtu(&self) -> u16 {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(tun) => tun.mtu(),
            Self::Memory(memory) => memory.mtu(),
            Self::Impaired(impaired) => impaired.mtu(),
        }
    }

    /// Takes one packet, and says how long it is; `WouldBlock` where there is none.
    pub(crate) fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(tun) => tun.try_recv(buffer),
            Self::Memory(memory) => memory.try_recv(buffer),
            Self::Impaired(impaired) => impaired.try_recv(buffer),
        }
    }

    /// Sends one packet, given in pieces; `WouldBlock` where there is no room.
    pub(crate) fn try_send(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(tun) => tun.try_send(pieces),
            Self::Memory(memory) => memory.try_send(pieces),
            Self::Impaired(impaired) => impaired.try_send(pieces),
        }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(tun) => tun.readable().await,
            Self::Memory(memory) => memory.readable().await,
            Self::Impaired(impaired) => impaired.readable().await,
        }
    }

    /// [`readable`](Self::readable) for a device within a device.
    fn readable_boxed(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.readable())
    }

    /// [`writable`](Self::writable) for a device within a device.
    fn writable_boxed(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(self.writable())
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(tun) => tun.writable().await,
            Self::Memory(memory) => memory.writable().await,
            Self::Impaired(impaired) => impaired.writable().await,
        }
    }
}

/// The TUN for a stack at `local`: its kernel end is the neighbour in the /30, or in the /126 of IPv6.
///
/// # Errors
/// Where `local` is not a host of that subnet, or the interface cannot be made: a sentence that says what to do.
#[cfg(target_os = "linux")]
pub fn tun_for(local: impl Into<SocketAddr>, name: Option<&str>) -> Result<(Tun, IpAddr), TunError> {
    let kernel = neighbour(local.into().ip())?;
    let config = TunConfig { name: name.map(Into::into), ..TunConfig::new(kernel) };
    Ok((Tun::create(&config)?, kernel))
}
