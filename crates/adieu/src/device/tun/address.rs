//! Which address an interface may take: a host of a subnet that nothing else here uses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use getifaddrs::{Address, getifaddrs};

use super::TunError;

/// The other host of the smallest subnet with two hosts that `address` lies in: a /30, or a /126 of IPv6.
///
/// The two are the kernel's end of a link and the stack's: who knows one, knows both.
pub fn neighbour(address: IpAddr) -> Result<IpAddr, NotAHost> {
    Subnet::of(address, link_prefix(address)).check_host(address)?;
    Ok(match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) ^ 3).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) ^ 3).into(),
    })
}

/// The prefix of a subnet with two hosts.
pub(super) fn link_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 30 } else { 126 }
}

/// A subnet, written like `10.11.12.0/30` or `fd00::/126`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The subnet with a prefix of this length that `address` lies in; a prefix is at most as long as the address.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                Self { base: Ipv4Addr::from(u32::from(v4) & mask4(prefix)).into(), prefix }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                Self { base: Ipv6Addr::from(u128::from(v6) & mask6(prefix)).into(), prefix }
            }
        }
    }

    /// Whether any address lies in both.
    pub fn overlaps(self, other: Self) -> bool {
        let prefix = self.prefix.min(other.prefix);
        Self::of(self.base, prefix) == Self::of(other.base, prefix)
    }

    /// Whether `address`, which lies in this subnet, can be the address of a host.
    pub(super) fn check_host(self, address: IpAddr) -> Result<(), NotAHost> {
        if let Some(kind) = special(address) {
            let example = if address.is_ipv4() { "10.11.12.1" } else { "fd00:11:12::1" };
            return Err(NotAHost::Special { address, kind, example });
        }
        let (lowest, highest) = (self.base, self.last());
        let edge = match address {
            a if a == lowest => "network",
            a if a == highest => "broadcast",
            _ => return Ok(()),
        };
        Err(NotAHost::Edge { address, edge, subnet: self, first: step(lowest, 1), last: step(highest, -1) })
    }

    /// The highest address.
    fn last(self) -> IpAddr {
        match self.base {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) | !mask4(self.prefix)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) | !mask6(self.prefix)).into(),
        }
    }
}

/// The address `by` further.
fn step(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add_signed(by.into())).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add_signed(by.into())).into(),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Why an address cannot be the address of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAHost {
    /// The first address of a subnet names the subnet, the last one all of its hosts.
    #[error("{address} is the {edge} address of {subnet}, not a host: use {first} or {last}")]
    Edge {
        /// The address that was asked for.
        address: IpAddr,
        /// "network" or "broadcast".
        edge: &'static str,
        /// The subnet it lies in.
        subnet: Subnet,
        /// The lowest address of a host in it.
        first: IpAddr,
        /// The highest address of a host in it.
        last: IpAddr,
    },
    /// The address has a meaning of its own.
    #[error(
        "{address} is {kind}, which no interface can be given: \
         use a private address, for example {example}"
    )]
    Special {
        /// The address that was asked for.
        address: IpAddr,
        /// What it is instead, with its article.
        kind: &'static str,
        /// An address that would do.
        example: &'static str,
    },
}

/// What an address is, if it is never the address of a host on a link.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [0, 0, 0, 0] => Some("the unspecified address"),
            [0, ..] => Some("an address of \"this network\" (0.0.0.0/8)"),
            [127, ..] => Some("a loopback address"),
            [224..=239, ..] => Some("a multicast address"),
            [255, 255, 255, 255] => Some("the broadcast address"),
            [240..=255, ..] => Some("a reserved address (240.0.0.0/4)"),
            _ => None,
        },
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address"),
        IpAddr::V6(v6) if v6.is_loopback() => Some("the loopback address"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("a multicast address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("a link-local address"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6 dress"),
        IpAddr::V6(_) => None,
    }
}

/// Refuses a subnet that an interface or a route of this host already claims.
///
/// An interface claims its whole subnet. A route claims addresses of ours if it is as narrow as
/// ours or narrower, for then packets to the stack would follow it. A wider route, such as the
/// default route, gives way to ours.
pub(super) fn check_free(ours: Subnet) -> Result<(), TunError> {
    let interfaces = getifaddrs().map_err(TunError::io("list the addresses of this host"))?;
    for interface in interfaces {
        let (address, netmask): (IpAddr, Option<IpAddr>) = match &interface.address {
            Address::V4(taken) => (taken.address.into(), taken.netmask.map(Into::into)),
            Address::V6(taken) => (taken.address.into(), taken.netmask.map(Into::into)),
            Address::Mac(_) => continue,
        };
        let theirs = subnet_of_interface(address, netmask);
        if theirs.overlaps(ours) {
            return Err(TunError::AddressInUse { ours, address, theirs, interface: interface.name });
        }
    }
    // Without procfs there is nothing to compare with, and no harm done.
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (v4, v6) = (read(ROUTES), read(ROUTES_V6));
    let mut routes = v4.lines().filter_map(parse_route).chain(v6.lines().filter_map(parse_route_v6));
    match routes.find(|(_, theirs)| diverts(*theirs, ours)) {
        Some((interface, theirs)) => Err(TunError::RouteInUse { ours, theirs, interface: interface.to_owned() }),
        None => Ok(()),
    }
}

/// The subnet an interface claims; without a mask, or with an empty one, its address alone.
fn subnet_of_interface(address: IpAddr, netmask: Option<IpAddr>) -> Subnet {
    match netmask.map_or(0, prefix_of) {
        0 => Subnet::of(address, 128),
        prefix => Subnet::of(address, prefix),
    }
}

/// Whether a route to `theirs` would win over ours for an address of ours.
fn diverts(theirs: Subnet, ours: Subnet) -> bool {
    theirs.prefix >= ours.prefix && theirs.overlaps(ours)
}

/// One line of the kernel's list: the interface and where the route leads; nothing for the title.
fn parse_route(line: &str) -> Option<(&str, Subnet)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (interface, destination, netmask) = (columns.first()?, columns.get(1)?, columns.get(7)?);
    let destination = parse_address(destination)?;
    Some((interface, Subnet::of(destination, prefix_of(parse_address(netmask)?))))
}

/// The kernel prints an address as the integer that its four bytes are in memory.
fn parse_address(hex: &str) -> Option<IpAddr> {
    u32::from_str_radix(hex, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()).into())
}

/// One line of the kernel's list of IPv6 routes: destination, prefix, and last the interface. Routes that reject
/// (`lo`) divert nothing.
fn parse_route_v6(line: &str) -> Option<(&str, Subnet)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let destination = u128::from_str_radix(columns.first()?, 16).ok()?;
    let prefix = u8::from_str_radix(columns.get(1)?, 16).ok()?;
    let interface = columns.get(9).filter(|name| **name != "lo")?;
    Some((interface, Subnet::of(Ipv6Addr::from(destination).into(), prefix)))
}

fn prefix_of(netmask: IpAddr) -> u8 {
    let ones = match netmask {
        IpAddr::V4(v4) => u32::from(v4).leading_ones(),
        IpAddr::V6(v6) => u128::from(v6).leading_ones(),
    };
    ones.try_into().unwrap_or(128)
}

fn mask4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

/// Where the kernel lists the routes of the calling thread's network namespace.
const ROUTES: &str = "/proc/thread-self/net/route";
const ROUTES_V6: &str = "/proc/thread-self/net/ipv6_route";

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn subnet(address: &str, prefix: u8) -> Subnet {
        Subnet::of(ip(address), prefix)
    }

    #[test]
    fn the_two_hosts_of_a_link_are_neighbours() {
        assert_eq!(neighbour(ip("10.11.12.1")), Ok(ip("10.11.12.2")));
        assert_eq!(neighbour(ip("10.11.12.2")), Ok(ip("10.11.12.1")));
        assert_eq!(neighbour(ip("192.168.7.253")), Ok(ip("192.168.7.254")));
        assert_eq!(neighbour(ip("223.255.255.254")), Ok(ip("223.255.255.253")));
    }

    #[test]
    fn ipv6_links_have_two_hosts_too() {
        assert_eq!(neighbour(ip("fd00:11:12::1")), Ok(ip("fd00:11:12::2")));
        assert_eq!(neighbour(ip("fd00::fffe")), Ok(ip("fd00::fffd")));
        let sentence = |address| neighbour(ip(address)).unwrap_err().to_string();
        assert_eq!(
            sentence("fd00::4"),
            "fd00::4 is the network address of fd00::4/126, not a host: use fd00::5 or fd00::6"
        );
        for (address, kind) in
            [("::", "unspecified"), ("::1", "loopback"), ("ff02::1", "multicast"), ("fe80::1", "link")]
        {
            assert!(sentence(address).contains(kind), "{}", sentence(address));
        }
        assert!(!Subnet::of(ip("fd00::"), 0).overlaps(Subnet::of(ip("10.0.0.0"), 0)));
        assert!(Subnet::of(ip("fd00::1"), 64).overlaps(Subnet::of(ip("fd00::1:1"), 126)));
        let route = "fd000011001200000000000000000000 40 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0";
        assert_eq!(parse_route_v6(route), Some(("eth0", Subnet::of(ip("fd00:11:12::"), 64))));
    }

    #[test]
    fn the_edges_of_a_link_are_no_hosts() {
        let sentence = |address| neighbour(ip(address)).unwrap_err().to_string();
        assert_eq!(
            sentence("10.11.12.4"),
            "10.11.12.4 is the network address of 10.11.12.4/30, not a host: \
             use 10.11.12.5 or 10.11.12.6"
        );
        assert_eq!(
            sentence("10.11.12.7"),
            "10.11.12.7 is the broadcast address of 10.11.12.4/30, not a host: \
             use 10.11.12.5 or 10.11.12.6"
        );
    }

    #[test]
    fn addresses_with_a_meaning_of_their_own_are_no_hosts() {
        for (address, kind) in [
            ("0.0.0.0", "the unspecified address"),
            ("0.1.2.1", "an address of \"this network\" (0.0.0.0/8)"),
            ("127.0.0.1", "a loopback address"),
            ("127.255.255.255", "a loopback address"),
            ("224.0.0.1", "a multicast address"),
            ("239.255.255.253", "a multicast address"),
            ("240.0.0.1", "a reserved address (240.0.0.0/4)"),
            ("255.255.255.255", "the broadcast address"),
        ] {
            assert_eq!(
                neighbour(ip(address)).unwrap_err().to_string(),
                format!(
                    "{address} is {kind}, which no interface can be given: \
                     use a private address, for example 10.11.12.1"
                )
            );
        }
    }

    #[test]
    fn subnets_overlap_when_the_shorter_prefix_agrees() {
        assert!(subnet("10.0.0.1", 30).overlaps(subnet("10.0.0.2", 30)));
        assert!(!subnet("10.0.0.1", 30).overlaps(subnet("10.0.0.5", 30)));
        assert!(subnet("10.9.9.1", 30).overlaps(subnet("10.0.0.1", 8)));
        assert!(subnet("10.0.0.1", 8).overlaps(subnet("10.9.9.1", 30)));
        assert!(subnet("10.0.0.1", 0).overlaps(subnet("192.168.0.1", 32)));
    }

    #[test]
    fn an_interface_without_a_mask_claims_its_address_alone() {
        let alone = subnet("10.0.0.2", 32);
        assert_eq!(subnet_of_interface(ip("10.0.0.2"), None), alone);
        assert_eq!(subnet_of_interface(ip("10.0.0.2"), Some(ip("0.0.0.0"))), alone);
        let whole = subnet_of_interface(ip("10.0.0.2"), Some(ip("255.255.255.0")));
        assert_eq!(whole.to_string(), "10.0.0.0/24");
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_route_is_read_as_the_kernel_prints_it() {
        let line = "wlan0\t0010A8C0\t00000000\t0001\t0\t0\t600\t00F0FFFF\t0\t0\t0";
        assert_eq!(parse_route(line), Some(("wlan0", subnet("192.168.16.0", 20))));
        let title = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU";
        assert_eq!(parse_route(title), None);
        assert_eq!(parse_route(""), None);
    }

    #[test]
    fn a_narrow_route_diverts_packets_and_a_wide_one_gives_way() {
        let ours = subnet("10.0.0.1", 30);
        assert!(diverts(subnet("10.0.0.2", 32), ours));
        assert!(diverts(subnet("10.0.0.0", 30), ours));
        assert!(!diverts(subnet("10.0.0.4", 30), ours));
        assert!(!diverts(subnet("10.0.0.0", 8), ours));
        assert!(!diverts(subnet("0.0.0.0", 0), ours));
    }
}
