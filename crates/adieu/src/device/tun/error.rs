//! Why a TUN device could not be made, in sentences that say what to do about it.

use std::io;
use std::net::IpAddr;

use super::address::{NotAHost, Subnet};

/// Why a TUN device could not be made.
///
/// Each sentence is complete in itself: what failed, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunError {
    /// The kernel offers no TUN devices here.
    #[error(
        "cannot make a TUN device because /dev/net/tun does not exist or has no driver: \
         load it with `modprobe tun`, or start the container with `--device /dev/net/tun`"
    )]
    NoDriver,

    /// This process may not open `/dev/net/tun`.
    #[error(
        "cannot make a TUN device because this user may not open /dev/net/tun: \
         run as root (`sudo`), or allow it with `chmod 0666 /dev/net/tun`, \
         or start the container with `--device /dev/net/tun`"
    )]
    OpenDenied,

    /// This process may not create network interfaces.
    #[error(
        "cannot make a TUN device because this process may not create network interfaces: \
         run as root (`sudo`), or give the program the right with \
         `setcap cap_net_admin+ep <program>`, \
         or run it in a namespace of its own with `unshare -rn <program>`"
    )]
    CreateDenied,

    /// Another interface has the name.
    #[error(
        "cannot make the TUN device `{name}` because an interface of that name exists: \
         choose another name, or remove that interface (`ip link show dev {name}` tells what it is)"
    )]
    NameTaken {
        /// The name that was asked for.
        name: String,
    },

    /// No interface can have this name.
    #[error(
        "cannot make a TUN device named {name:?} because the name {why}: \
         use 1 to 15 letters, digits, `-`, `_` or `.`, for example `adieu0`"
    )]
    BadName {
        /// The name that was asked for.
        name: String,
        /// What is wrong with it, as the predicate of a sentence about the name.
        why: &'static str,
    },

    /// The MTU is below what the version of IP allows.
    #[error(
        "cannot make a TUN device with an MTU of {mtu} because {version} needs at least {least}: \
         use 1500, or what the path allows"
    )]
    BadMtu {
        /// The MTU that was asked for.
        mtu: u16,
        /// "IPv4" or "IPv6".
        version: &'static str,
        /// The smallest one.
        least: u16,
    },

    /// The prefix leaves no room for two hosts, or is shorter than any private network's.
    #[error(
        "cannot make a TUN device with a /{prefix} subnet because the prefix must be 8 to {link} long: \
         use {link}, which holds the kernel's address and one more"
    )]
    BadPrefix {
        /// The length that was asked for.
        prefix: u8,
        /// The longest one.
        link: u8,
    },

    /// The kernel's address is not one of a host.
    #[error("cannot make a TUN device with this address: {0}")]
    BadAddress(#[from] NotAHost),

    /// An interface of this host has an address that collides with the subnet.
    #[error(
        "cannot make a TUN device with the subnet {ours} because the interface `{interface}` \
         has the address {address} in {theirs}: choose a subnet that this host does not use"
    )]
    AddressInUse {
        /// The subnet that was asked for.
        ours: Subnet,
        /// The address of the other interface.
        address: IpAddr,
        /// The subnet of the other interface.
        theirs: Subnet,
        /// The name of the other interface.
        interface: String,
    },

    /// Packets to the subnet, or a part of it, would follow a route that exists.
    #[error(
        "cannot make a TUN device with the subnet {ours} because this host already routes {theirs} \
         through `{interface}`: choose a subnet that this host does not use"
    )]
    RouteInUse {
        /// The subnet that was asked for.
        ours: Subnet,
        /// Where the route leads.
        theirs: Subnet,
        /// The interface it goes through.
        interface: String,
    },

    /// The device was to be made outside of a tokio runtime.
    #[error(
        "cannot make a TUN device outside of a tokio runtime: \
         create it in async code, or after `Runtime::enter`"
    )]
    NoRuntime,

    /// The operating system refused something else.
    #[error("cannot make a TUN device because the attempt to {attempt} failed: {cause}")]
    Io {
        /// What was attempted, as an infinitive.
        attempt: &'static str,
        /// What the operating system said.
        cause: io::Error,
    },
}

impl TunError {
    /// Tells what was attempted when an error came: `open().map_err(TunError::io("open it"))?`.
    pub(super) fn io<E: Into<io::Error>>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Io { attempt, cause: cause.into() }
    }
}
