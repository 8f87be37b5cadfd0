//! A TUN device: a network interface of this host whose other end is this process.
//!
//! What the kernel routes to the interface is read here as one IP packet per call, and each packet
//! written here is received by the kernel. Packets carry no header in front of IP.

mod address;
mod error;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tun_rs::{DeviceBuilder, SyncDevice};

pub use address::{NotAHost, Subnet, neighbour};
pub use error::TunError;

/// What TUN device to create.
#[derive(Clone, Debug)]
pub struct TunConfig {
    /// The name of the interface; without one the kernel picks `tun0`, `tun1`, ...
    pub name: Option<String>,
    /// The address that the kernel takes on the link.
    pub kernel: IpAddr,
    /// How many bits of the address name the link: 8 to 30, usually 30; 8 to 126 of IPv6, usually 126.
    pub prefix: u8,
    /// The largest IP packet, in bytes, that crosses the link: at least 68 (IPv6: 1280), usually 1500.
    pub mtu: u16,
}

impl TunConfig {
    /// A link of two hosts (a /30, or a /126 of IPv6), of which the kernel is the one with address `kernel`.
    ///
    /// [`neighbour`] tells the address of the other.
    pub fn new(kernel: impl Into<IpAddr>) -> Self {
        let kernel = kernel.into();
        Self { name: None, kernel, prefix: address::link_prefix(kernel), mtu: 1500 }
    }

    /// Refuses what cannot work, before anything is created.
    fn check(&self) -> Result<(), TunError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        let link = address::link_prefix(self.kernel);
        if !(8..=link).contains(&self.prefix) {
            return Err(TunError::BadPrefix { prefix: self.prefix, link });
        }
        let (version, least) = if self.kernel.is_ipv4() { ("IPv4", 68) } else { ("IPv6", 1280) };
        if self.mtu < least {
            return Err(TunError::BadMtu { mtu: self.mtu, version, least });
        }
        Ok(Subnet::of(self.kernel, self.prefix).check_host(self.kernel)?)
    }
}

/// A TUN device. The interface goes away when this is dropped.
#[derive(Debug)]
pub struct Tun {
    fd: AsyncFd<OwnedFd>,
    name: String,
    mtu: u16,
}

impl Tun {
    /// Creates the interface, gives the kernel its address on it, and brings it up.
    ///
    /// On an IPv4 link IPv6 is turned off where the system permits it: the kernel would greet the
    /// link with router solicitations. The descriptor is registered with the tokio runtime that
    /// this is called in.
    ///
    /// # Panics
    ///
    /// If the I/O driver of that runtime is not enabled.
    pub fn create(config: &TunConfig) -> Result<Self, TunError> {
        config.check()?;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(TunError::NoRuntime);
        }
        check_driver()?;
        if let Some(name) = config.name.as_ref().filter(|name| interface_exists(name)) {
            return Err(TunError::NameTaken { name: name.clone() });
        }
        address::check_free(Subnet::of(config.kernel, config.prefix))?;

        let device = create_interface(config)?;
        let name = device.name().map_err(TunError::io("read the name of the interface"))?;
        if config.kernel.is_ipv4() {
            silence_ipv6(&name);
        }
        device.enabled(true).map_err(TunError::io("bring the interface up"))?;
        settle(config.kernel).map_err(TunError::io("use its address"))?;
        let fd = register(&device).map_err(TunError::io("register it with tokio"))?;
        Ok(Self { fd, name, mtu: config.mtu })
    }

    /// Whether a TUN device could be made here, as far as its driver is concerned; the right to make interfaces in this
    /// network namespace is another matter.
    pub fn check_driver() -> Result<(), TunError> {
        check_driver()
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The largest IP packet, in bytes, that crosses the link.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Takes one IP packet that the kernel sent, and tells its length.
    ///
    /// Fails with [`WouldBlock`](io::ErrorKind::WouldBlock) when there is none, or when the runtime
    /// has not noticed it yet: [`readable`](Self::readable) then waits. The buffer should hold
    /// [`mtu`](Self::mtu) bytes: the kernel cuts a packet that does not fit.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.try_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, buf)?)).map_err(|error| self.explain(error))
    }

    /// Hands the kernel one IP packet, given in as many slices as it happens to lie in.
    ///
    /// Fails with [`WouldBlock`](io::ErrorKind::WouldBlock) when the kernel does not take it now,
    /// and with [`NotConnected`](io::ErrorKind::NotConnected) when someone removed the interface.
    pub fn try_send(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        // More than the kernel takes in one call would be cut to a shorter packet.
        if slices.len() > MAX_SLICES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "packet in too many slices"));
        }
        self.fd
            .try_io(Interest::WRITABLE, |fd| Ok(rustix::io::writev(fd, slices)?))
            .map(drop)
            .map_err(|error| self.explain(error))
    }

    /// Waits until [`try_recv`](Self::try_recv) is worth a try.
    ///
    /// Fails with [`NotConnected`](io::ErrorKind::NotConnected) when someone removed the interface.
    pub async fn readable(&self) -> io::Result<()> {
        let ready = self.fd.ready(Interest::READABLE | Interest::ERROR).await?.ready();
        // The one error a TUN descriptor reports is that its interface is gone, and then it never
        // becomes readable again.
        if ready.is_error() && !ready.is_readable() { Err(self.removed()) } else { Ok(()) }
    }

    /// Waits until [`try_send`](Self::try_send) is worth a try.
    pub async fn writable(&self) -> io::Result<()> {
        self.fd.writable().await.map(drop)
    }

    /// [`readable`](Self::readable) as a poll function; the last task that polled is woken.
    ///
    /// The removal of the interface wakes nobody here: the next [`try_send`](Self::try_send) tells.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_read_ready(cx).map_ok(drop)
    }

    /// [`writable`](Self::writable) as a poll function; the last task that polled is woken.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_write_ready(cx).map_ok(drop)
    }

    fn explain(&self, error: io::Error) -> io::Error {
        if Errno::from_io_error(&error) == Some(Errno::BADFD) { self.removed() } else { error }
    }

    fn removed(&self) -> io::Error {
        let sentence = format!("the interface `{}` was removed", self.name);
        io::Error::new(io::ErrorKind::NotConnected, sentence)
    }
}

/// Refuses names that the kernel refuses, or that mean something else where it lists interfaces.
fn check_name(name: &str) -> Result<(), TunError> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME {
        "is longer than 15 bytes"
    } else if matches!(name, "." | ".." | "all" | "default") {
        "is reserved"
    } else if name.contains(char::is_whitespace) {
        "contains white space"
    } else if name.contains(['/', ':', '%']) {
        "contains `/`, `:` or `%`"
    } else if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        "contains characters that are not printable ASCII"
    } else {
        return Ok(());
    };
    Err(TunError::BadName { name: name.to_owned(), why })
}

/// Whether `/dev/net/tun` can be opened; if not, the reason.
///
/// Asked apart from the creation because the same "permission denied" calls for other advice here,
/// and because `tun-rs` would make a missing device node by itself.
fn check_driver() -> Result<(), TunError> {
    let Err(error) = OpenOptions::new().read(true).write(true).open(DRIVER) else {
        return Ok(());
    };
    Err(match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO) => TunError::NoDriver,
        Some(Errno::ACCESS | Errno::PERM) => TunError::OpenDenied,
        _ => TunError::io("open /dev/net/tun")(error),
    })
}

/// Whether an interface of any kind has this name.
///
/// Asked before the creation because the kernel would attach us to a TUN interface that persists
/// without a process, and it would outlive us.
fn interface_exists(name: &str) -> bool {
    socket(AddressFamily::INET, SocketType::DGRAM, None).and_then(|socket| name_to_index(socket, name)).is_ok()
}

/// Creates the interface, with its address and MTU, still down.
fn create_interface(config: &TunConfig) -> Result<SyncDevice, TunError> {
    let builder = DeviceBuilder::new().mtu(config.mtu).enable(false);
    let mut builder = match config.kernel {
        IpAddr::V4(kernel) => builder.ipv4(kernel, config.prefix, None),
        IpAddr::V6(kernel) => builder.ipv6(kernel, config.prefix),
    };
    if let Some(name) = &config.name {
        builder = builder.name(name);
    }
    builder.build_sync().map_err(|error| creation_error(config.name.as_deref(), error))
}

/// What a failed creation means.
fn creation_error(name: Option<&str>, error: io::Error) -> TunError {
    match (Errno::from_io_error(&error), name) {
        (Some(Errno::PERM | Errno::ACCESS), _) => TunError::CreateDenied,
        // Someone took the name since we looked.
        (Some(Errno::BUSY | Errno::EXIST), Some(name)) => TunError::NameTaken { name: name.into() },
        (Some(Errno::INVAL), Some(name)) if interface_exists(name) => TunError::NameTaken { name: name.into() },
        _ => TunError::io("create and configure the interface")(error),
    }
}

/// Waits until the kernel's address can be used: an IPv6 one is tentative for a moment after the interface came up.
fn settle(address: IpAddr) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match std::net::UdpSocket::bind((address, 0)) {
            Ok(_) => return Ok(()),
            Err(error) if tries == SETTLE_TRIES || error.kind() != io::ErrorKind::AddrNotAvailable => {
                return Err(error);
            }
            Err(_) => std::thread::sleep(SETTLE_PAUSE),
        }
        tries += 1;
    }
}

/// Turns IPv6 off on an interface; where that is not permitted, or IPv6 absent, nothing is lost.
fn silence_ipv6(name: &str) {
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
}

/// A non-blocking descriptor of the device for the data path.
///
/// The duplicate refers to the same open file, which keeps the interface alive when `device` goes.
#[expect(unsafe_code, reason = "tokio's register cannot know that the descriptor stays open; an OwnedFd shows it")]
fn register(device: &SyncDevice) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = device.as_fd().try_clone_to_owned()?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    // SAFETY: an `OwnedFd` is open, and names the same open file, for as long as it exists; it
    // moves into the `AsyncFd`, which gives no one the means to close it before.
    let fd = unsafe { AsyncFd::register(fd) };
    fd.map_err(io::Error::from)
}

/// The file whose driver makes TUN devices.
const DRIVER: &str = "/dev/net/tun";
/// How often, and how far apart, it is looked whether an address can be used.
const SETTLE_TRIES: u32 = 1000;
const SETTLE_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);
/// The longest name of an interface in bytes (IFNAMSIZ less its terminator).
const MAX_NAME: usize = 15;
/// The most slices of one write (UIO_MAXIOV).
const MAX_SLICES: usize = 1024;
