//! Packets: TCP segments, ICMP errors, and what we name only.

use core::net::{IpAddr, SocketAddr};

use crate::ScriptError;
use crate::ast::{Addresses, Body, Ecn, Flags, Header, Icmp, Packet, Range, Segment, Span, Spanned};

use super::cursor::{Cursor, word_begins};

impl Cursor<'_> {
    /// What stands behind `<` or `>`.
    pub(super) fn packet(&mut self) -> Result<Packet, ScriptError> {
        self.peek()?;
        let start = self.at();
        let header = self.header()?;
        let addresses = self.addresses()?;
        let body = self.body()?;
        Ok(Packet { span: Span { start, end: self.end() }, header, addresses, body })
    }

    /// `[ect0]`, `[tos 0x28, ttl 64]`
    fn header(&mut self) -> Result<Header, ScriptError> {
        let mut header = Header::default();
        if self.peek()? != Some(b'[') {
            return Ok(header);
        }
        // An address of IPv6 may stand in such brackets, too.
        let inside = self.rest().split([']', '\n', ' ']).next().unwrap_or_default();
        if inside.contains(':') {
            return Ok(header);
        }
        let open = self.take(1);
        loop {
            let word = self.peek_word()?;
            let span = self.ahead();
            let again = match word {
                "tos" => header.tos.replace(self.named_byte("tos")?).is_some(),
                "ttl" => header.ttl.replace(self.named_byte("ttl")?).is_some(),
                _ => header.ecn.replace(self.ecn(word)?).is_some(),
            };
            if again || (header.ecn.is_some() && header.tos.is_some()) {
                return Err(ScriptError::new(span, "expected each part of the IP header at most once", "again"));
            }
            if self.eat(",")?.is_none() {
                break;
            }
        }
        self.expect("]", "behind the IP header").map_err(|error| error.with_begin(open))?;
        Ok(header)
    }

    fn ecn(&mut self, word: &str) -> Result<Ecn, ScriptError> {
        let ecn = match word {
            "noecn" => Ecn::No,
            "ect0" => Ecn::Ect0,
            "ect1" => Ecn::Ect1,
            "ect01" => Ecn::Ect01,
            "ce" => Ecn::Ce,
            _ => return Err(self.expected("one of noecn, ect0, ect1, ect01, ce, tos and ttl")),
        };
        self.take(word.len());
        Ok(ecn)
    }

    /// `ttl 64`
    fn named_byte(&mut self, name: &str) -> Result<u8, ScriptError> {
        let number = self.named_number(name, u32::from(u8::MAX))?;
        Ok(u8::try_from(number.value).unwrap_or(u8::MAX))
    }

    /// `(SRC > DST)` or `SRC > DST:`
    fn addresses(&mut self) -> Result<Option<Addresses>, ScriptError> {
        if let Some(open) = self.eat("(")? {
            let source = self.address(0)?;
            self.expect(">", "between the addresses")?;
            let destination = self.address(0)?;
            self.expect(")", "behind the addresses").map_err(|error| error.with_begin(open))?;
            return Ok(Some(Addresses { source, destination }));
        }
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let rest = self.rest();
        let behind = rest.get(address_length(rest)..).unwrap_or_default();
        if behind.len() == rest.len() || !behind.trim_start_matches([' ', '\t']).starts_with('>') {
            return Ok(None);
        }
        let source = self.address(0)?;
        self.expect(">", "between the addresses")?;
        self.peek()?;
        let rest = self.rest();
        let word = rest.get(..address_length(rest)).unwrap_or_default();
        let destination = self.address(usize::from(word.ends_with(':')))?;
        self.expect(":", "behind the addresses")?;
        Ok(Some(Addresses { source, destination }))
    }

    /// One address; the last `without` bytes of the word do not belong to it.
    fn address(&mut self, without: usize) -> Result<String, ScriptError> {
        let ended = self.peek()?.is_none();
        let rest = self.rest();
        let length = if ended { 0 } else { address_length(rest).saturating_sub(without) };
        let word = rest.get(..length).unwrap_or_default();
        if word.is_empty() {
            return Err(self.expected("an address, a port, or both as in 192.0.2.1:5000"));
        }
        let span = self.take(length);
        if is_address(word) {
            return Ok(word.to_owned());
        }
        Err(ScriptError::new(span, "expected an address, a port, or both as in 192.0.2.1:5000", "not an address"))
    }

    fn body(&mut self) -> Result<Body, ScriptError> {
        match self.peek_word()? {
            "udp" => self.udp(),
            word @ ("icmp" | "icmpv6") => self.icmp(word),
            word @ ("ipv4" | "ipv6" | "gre" | "mpls") => self.encapsulated(word),
            _ => self.tcp(),
        }
    }

    /// `udp (LEN)`
    fn udp(&mut self) -> Result<Body, ScriptError> {
        let span = self.take("udp".len());
        self.expect("(", "and the length behind `udp`")?;
        self.number("the length of the datagram", u32::from(u16::MAX))?;
        self.expect(")", "behind the length")?;
        Ok(Body::Other(Spanned { span, value: "udp".to_owned() }))
    }

    /// A packet in a packet. Only the outer word is kept: a caller that does not know it cannot use the rest.
    fn encapsulated(&mut self, word: &str) -> Result<Body, ScriptError> {
        let span = self.take(word.len());
        if self.peek()?.is_none() {
            return Err(self.expected(&format!("a packet behind `{word}`")));
        }
        while let Some(byte) = self.peek()? {
            // Options reach over lines here as elsewhere; between addresses the sign stands alone.
            match byte {
                b'<' => self.over_lines = true,
                b'>' => self.over_lines = false,
                _ => {}
            }
            let length = self.rest().chars().next().map_or(1, char::len_utf8);
            self.take(length);
        }
        if self.over_lines {
            return Err(self.expected("`>` behind the options"));
        }
        Ok(Body::Other(Spanned { span, value: word.to_owned() }))
    }

    /// `icmp KIND [CODE] [mtu N] [SEQ:END(LEN)]`, the last two in any order.
    fn icmp(&mut self, word: &str) -> Result<Body, ScriptError> {
        self.take(word.len());
        let kind = self.icmp_word()?.ok_or_else(|| self.expected("a kind of ICMP such as unreachable"))?;
        let code = if self.peek_word()? == "mtu" { None } else { self.icmp_word()? };
        let mut icmp = Icmp { kind, code, mtu: None, quoted: None };
        let mut other = None;
        while let Some(byte) = self.peek()? {
            if byte == b'[' && icmp.quoted.is_none() && other.is_none() {
                let open = self.take(1);
                if self.peek_word()? == "udp" {
                    other = Some(self.udp()?);
                } else {
                    icmp.quoted = Some(self.range()?.value);
                }
                self.expect("]", "behind the quoted packet").map_err(|error| error.with_begin(open))?;
            } else if self.peek_word()? == "mtu" && icmp.mtu.is_none() {
                self.take("mtu".len());
                icmp.mtu = Some(self.number("the MTU", u32::MAX)?.value);
            } else {
                return Err(
                    self.expected("`mtu`, a quoted packet such as `[1:1001(1000)]`, each once, or the end of the line")
                );
            }
        }
        Ok(other.unwrap_or(Body::Icmp(icmp)))
    }

    fn icmp_word(&mut self) -> Result<Option<Spanned<String>>, ScriptError> {
        let word = self.peek_word()?;
        Ok(word_begins(word).then(|| Spanned { span: self.take(word.len()), value: word.to_owned() }))
    }

    /// `FLAGS [SEQ:END(LEN)]`, and then whatever there is, each at most once.
    fn tcp(&mut self) -> Result<Body, ScriptError> {
        let (flags, accurate) = self.flags()?;
        let word = self.peek_word()?;
        let seq = if is_field(word) || word.is_empty() { None } else { Some(self.range()?) };
        let mut segment = Segment { flags, seq, ack: None, window: None, urgent: None, options: None };
        while let Some(byte) = self.peek()? {
            let word = self.peek_word()?;
            let span = self.ahead();
            let filled = match (word, byte) {
                ("ack", _) => segment.ack.replace(self.named_number("ack", u32::MAX)?).is_some(),
                ("win", _) => segment.window.replace(self.named_number("win", u32::from(u16::MAX))?).is_some(),
                ("urg", _) => segment.urgent.replace(self.named_number("urg", u32::from(u16::MAX))?).is_some(),
                (_, b'<') => segment.options.replace(self.options()?).is_some(),
                _ => return Err(self.expected("`ack`, `win`, `urg`, `<options>` or the end of the line")),
            };
            if filled {
                return Err(ScriptError::new(span, "expected each part of a packet at most once", "again"));
            }
        }
        Ok(match accurate {
            None => Body::Tcp(segment),
            Some(word) => Body::Other(Spanned { span: segment.flags.span, value: word }),
        })
    }

    /// `ack N`, and the place of both.
    fn named_number(&mut self, name: &str, most: u32) -> Result<Spanned<u32>, ScriptError> {
        let keyword = self.take(name.len());
        let number = self.number(&format!("a number behind `{name}`"), most)?;
        Ok(Spanned { span: Span { start: keyword.start, end: number.span.end }, ..number })
    }

    /// Control bits, and the whole word if it has those of accurate ECN, which only that protocol understands.
    fn flags(&mut self) -> Result<(Spanned<Flags>, Option<String>), ScriptError> {
        const EXPECTED: &str =
            "the flags of a segment such as S, P. or -, or one of udp, icmp, icmpv6, ipv4, ipv6, gre, mpls";
        if self.peek()?.is_none() {
            return Err(self.expected(EXPECTED));
        }
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')).count();
        let word = rest.get(..length).unwrap_or_default();
        if word.is_empty() {
            return Err(self.expected(EXPECTED));
        }
        let mut flags = Flags::default();
        let mut accurate = false;
        for (place, letter) in word.bytes().enumerate() {
            let flag = match letter {
                b'S' => &mut flags.syn,
                b'F' => &mut flags.fin,
                b'R' => &mut flags.rst,
                b'P' => &mut flags.psh,
                b'.' => &mut flags.ack,
                b'U' => &mut flags.urg,
                b'E' => &mut flags.ece,
                b'W' | b'C' => &mut flags.cwr,
                b'A' | b'0'..=b'7' => {
                    accurate = true;
                    continue;
                }
                b'-' if length == 1 => continue,
                _ => {
                    return Err(self
                        .expected(EXPECTED)
                        .with_help("the flags are S F R P . U E and W, with - for none of them"));
                }
            };
            if *flag {
                let span = Span { start: self.at() + place, end: self.at() + place + 1 };
                return Err(ScriptError::new(span, "expected each flag at most once", "again"));
            }
            *flag = true;
        }
        let span = self.take(length);
        Ok((Spanned { span, value: flags }, accurate.then(|| word.to_owned())))
    }

    /// `start:end(length)`
    fn range(&mut self) -> Result<Spanned<Range>, ScriptError> {
        let start = self.number("a sequence number", u32::MAX)?;
        self.expect(":", "behind the first sequence number")?;
        let end = self.number("the sequence number behind the last byte", u32::MAX)?;
        self.expect("(", "and the length behind the sequence numbers")?;
        let length = self.number("the length", u32::MAX)?;
        let close = self.expect(")", "behind the length")?;
        let span = Span { start: start.span.start, end: close.end };
        let bytes = end.value.wrapping_sub(start.value);
        if bytes != length.value {
            let message =
                format!("expected the length {bytes} behind {}:{}, found {}", start.value, end.value, length.value);
            return Err(ScriptError::new(span, message, "not end - start").with_help("SYN and FIN do not count"));
        }
        let range = Range { start: start.value, end: end.value, length: length.value };
        Ok(Spanned { span, value: range })
    }

    /// A number of a packet: decimal, hexadecimal, or a word that is defined as one.
    pub(super) fn number(&mut self, what: &str, most: u32) -> Result<Spanned<u32>, ScriptError> {
        let word = self.peek_word()?;
        let text = if word_begins(word) { self.defined(word).unwrap_or_default() } else { word };
        let (digits, radix) = match text.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        // `from_str_radix` takes a sign, which a word has not, but what it is defined as may.
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !plain || (radix == 10 && digits.bytes().any(|byte| !byte.is_ascii_digit())) {
            return Err(self.expected(what));
        }
        let value = u32::from_str_radix(digits, radix).ok().filter(|value| *value <= most);
        let span = self.take(word.len());
        let Some(value) = value else {
            return Err(ScriptError::new(span, format!("expected {what}, at most {most}"), "too large"));
        };
        Ok(Spanned { span, value })
    }
}

fn is_field(word: &str) -> bool {
    matches!(word, "ack" | "win" | "urg")
}

/// How many bytes the text begins with that may be of an address.
fn address_length(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'[' | b']' | b'%')).count()
}

/// A port, an address, or both.
fn is_address(word: &str) -> bool {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    port(word)
        || word.parse::<IpAddr>().is_ok()
        || word.parse::<SocketAddr>().is_ok()
        || word.rsplit_once(':').is_some_and(|(address, last)| port(last) && address.parse::<IpAddr>().is_ok())
}
