//! The route to the script, on which the kernel acknowledges at once, as our stack does: `ip route add .. quickack 1`.

use std::io;
use std::net::IpAddr;

use rustix::net::netdevice::name_to_index;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket, socket_with};

/// By `linux/netlink.h` and `linux/rtnetlink.h`.
const RTM_NEWROUTE: u16 = 24;
/// A request with an answer, for a route that is not there yet.
const FLAGS: u16 = 1 | 4 | 0x200 | 0x400;
const MAIN_TABLE: u8 = 254;
const BOOT: u8 = 3;
const SCOPE_LINK: u8 = 253;
const UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_METRICS: u16 = 8;
const RTAX_QUICKACK: u16 = 15;

/// Routes `peer` to the interface of that name.
pub(super) fn without_delay(name: &str, peer: IpAddr) -> io::Result<()> {
    let index = name_to_index(socket(AddressFamily::INET, SocketType::DGRAM, None)?, name)?;
    let netlink = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&netlink, &request(index, peer), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (length, _) = recv(&netlink, &mut answer, RecvFlags::empty())?;
    let code = answer[..length].get(16..20).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that is too short")),
    }
}

fn request(index: u32, peer: IpAddr) -> Vec<u8> {
    let (family, address) = match peer {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    let bits = u8::try_from(address.len() * 8).unwrap_or(0);
    let family = u8::try_from(family.as_raw()).unwrap_or(0);
    let mut body = vec![family, bits, 0, 0, MAIN_TABLE, BOOT, SCOPE_LINK, UNICAST, 0, 0, 0, 0];
    attribute(&mut body, RTA_DST, &address);
    attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
    let mut metrics = Vec::new();
    attribute(&mut metrics, RTAX_QUICKACK, &1u32.to_ne_bytes());
    attribute(&mut body, RTA_METRICS, &metrics);
    let mut message = Vec::new();
    message.extend(u32::try_from(16 + body.len()).unwrap_or(0).to_ne_bytes());
    message.extend(RTM_NEWROUTE.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]); // number and sender
    message.extend(body);
    message
}

/// Length, kind, and a value whose length is a multiple of four.
fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(u16::try_from(4 + value.len()).unwrap_or(0).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
}
