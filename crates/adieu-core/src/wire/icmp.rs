//! ICMP: the echo we answer. Errors for connections come with the extensions.

use alloc::vec::Vec;

use super::checksum::sum;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// The answer to an echo request (RFC 1122 section 3.2.2.6); `None` for anything else, or where its checksum is wrong.
pub fn echo_reply(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < 8 || message[0] != ECHO_REQUEST || message[1] != 0 || sum(message) != u16::MAX {
        return None;
    }
    let mut reply = Vec::from(message);
    reply[0] = ECHO_REPLY;
    reply[2..4].fill(0);
    let checksum = !sum(&reply);
    reply[2..4].copy_from_slice(&checksum.to_be_bytes());
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_comes_back_with_its_data_and_nothing_else_is_answered() {
        let mut request = [8, 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
        let checksum = !sum(&request);
        request[2..4].copy_from_slice(&checksum.to_be_bytes());
        let reply = echo_reply(&request).unwrap();
        assert_eq!((reply[0], sum(&reply), &reply[4..]), (0, u16::MAX, &request[4..]));
        assert!(echo_reply(&reply).is_none());
        request[9] ^= 1;
        assert!(echo_reply(&request).is_none());
        assert!(echo_reply(&[8, 0, 0]).is_none());
    }
}
