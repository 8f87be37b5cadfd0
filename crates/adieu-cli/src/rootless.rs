//! Without root: a user and network namespace of our own, in which a TUN may be made.

use std::fs::{OpenOptions, write};
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::process::{getgid, getuid};
use rustix::thread::{CapabilitySet, capabilities};

use adieu::device::Tun;

use crate::failure::{Failure, notice};

/// Where the command runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// In the network namespace it was started in.
    Host,
    /// In one of its own, which only the command given with `--exec` shares.
    Alone,
}

/// Goes into namespaces of our own where that is the only way to a TUN: without the right to make interfaces, with a
/// driver this user may open, and a command that would be the peer. Must be called before any thread is started.
///
/// # Errors
/// Where user namespaces are forbidden.
pub(crate) fn enter_if_needed(exec: bool) -> Result<Place, Failure> {
    if !exec || may_make_interfaces() || !driver_opens() {
        return Ok(Place::Host);
    }
    enter().map_err(|(what, error)| forbidden(&format!("to {what} failed: {error}")))?;
    notice("no root: running in a network namespace of its own, which only the command of --exec sees");
    Ok(Place::Alone)
}

/// Leaves the network namespace the command was started in, with or without root. Must be called before any thread is
/// started.
///
/// # Errors
/// Where neither is permitted, or the TUN driver cannot be opened, which no namespace changes.
pub(crate) fn leave_host() -> Result<(), Failure> {
    Tun::check_driver()?;
    if another_namespace().is_ok() {
        return Ok(());
    }
    enter().map_err(|(what, error)| forbidden(&format!("to {what} failed: {error}")))
}

/// A fresh network namespace for this thread, of which this user is the administrator.
pub(crate) fn another_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    // Whoever uses it may live without it, as long as he does not talk to his own address.
    let _ = loopback_up();
    Ok(())
}

/// The sentence for a system that does not let users make namespaces with all their rights.
pub(crate) fn forbidden(why: &str) -> Failure {
    Failure::usage(format_args!(
        "cannot make a TUN device without root because user namespaces are forbidden or limited here ({why}): run as \
         root (`sudo`), or allow them, see `sysctl user.max_user_namespaces kernel.unprivileged_userns_clone \
         kernel.apparmor_restrict_unprivileged_userns`"
    ))
}

fn may_make_interfaces() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

fn driver_opens() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_ok()
}

/// Enters the namespaces; this user is root in them, and nobody else exists. On failure, what was attempted.
fn enter() -> Result<(), (&'static str, io::Error)> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|error| ("make a user and network namespace", error.into()))?;
    let told = |what| move |error| (what, error);
    // Without this a user could drop a group that keeps files from it; the kernel insists.
    write("/proc/self/setgroups", "deny").map_err(told("give up setgroups"))?;
    write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(told("map the user"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(told("map the group"))?;
    // The command may live without it, as long as it does not talk to its own address.
    let _ = loopback_up();
    Ok(())
}

/// Brings `lo` up, without which a new namespace cannot reach its own addresses.
fn loopback_up() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    const LOOPBACK: i32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes()); // nlmsghdr: length, type, flags, number, sender
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]); // ifinfomsg: family and type, index, flags, which of them to change
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}
