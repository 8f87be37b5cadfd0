//! ICMP: the echo we answer. Errors for connections come with the extensions.

use alloc::vec::Vec;
use core::net::IpAddr;

use etherparse::IpNumber;

use super::checksum::{Checksum, sum};
use super::ip::{Datagram, pseudo_header};

/// The answer to an echo request (RFC 1122 section 3.2.2.6, RFC 4443 section 4.2); `None` for anything else, or where
/// its checksum is wrong.
pub fn echo_reply(datagram: &Datagram<'_>) -> Option<Vec<u8>> {
    let (request, reply) = match datagram.source {
        IpAddr::V4(_) => (8, 0),
        IpAddr::V6(_) => (128, 129),
    };
    let message = datagram.body;
    let ours = message.len() >= 8 && message[0] == request && message[1] == 0;
    if !ours || checksum(datagram, message) != 0 {
        return None;
    }
    let mut answer = Vec::from(message);
    answer[0] = reply;
    answer[2..4].fill(0);
    // The two addresses change places, which changes no sum.
    let checksum = checksum(datagram, &answer);
    answer[2..4].copy_from_slice(&checksum.to_be_bytes());
    Some(answer)
}

/// ICMPv6's checksum covers a pseudo-header, ICMP's does not.
fn checksum(datagram: &Datagram<'_>, message: &[u8]) -> u16 {
    let (from, to) = (datagram.source, datagram.destination);
    let mut all = match from {
        IpAddr::V4(_) => Checksum::new(sum),
        IpAddr::V6(_) => pseudo_header(from, to, IpNumber::IPV6_ICMP, message.len(), sum),
    };
    all.bytes(message);
    all.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;

    fn datagram(source: IpAddr, protocol: IpNumber, body: &[u8]) -> Datagram<'_> {
        Datagram { source, destination: source, protocol, body }
    }

    #[test]
    fn an_echo_comes_back_with_its_data_and_nothing_else_is_answered() {
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        for (source, protocol, kinds) in
            [([10, 0, 0, 1].into(), IpNumber::ICMP, [8, 0]), (v6, IpNumber::IPV6_ICMP, [128, 129])]
        {
            let mut request = [kinds[0], 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
            let sum = checksum(&datagram(source, protocol, &request), &request);
            request[2..4].copy_from_slice(&sum.to_be_bytes());
            let reply = echo_reply(&datagram(source, protocol, &request)).unwrap();
            assert_eq!((reply[0], &reply[4..]), (kinds[1], &request[4..]));
            assert_eq!(checksum(&datagram(source, protocol, &reply), &reply), 0);
            assert!(echo_reply(&datagram(source, protocol, &reply)).is_none());
            request[9] ^= 1;
            assert!(echo_reply(&datagram(source, protocol, &request)).is_none());
            assert!(echo_reply(&datagram(source, protocol, &request[..7])).is_none());
        }
    }
}
