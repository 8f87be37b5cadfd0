//! ICMP errors: to which connection they belong, and what they mean there (M54, X-ICMP, X-PMTU).

use super::Stack;
use super::index::Stage;
use crate::connection::Now;
use crate::connection::network::Report;
use crate::wire::icmp::{Kind, Trouble, next_lower_mtu};
use crate::wire::ip::header_len;
use crate::wire::tcp;

/// Below this every IPv4 host can put together what routers cut (RFC 791), so we let them (X-PMTU).
const FRAGMENT_BELOW: u32 = 576;

impl Stack {
    /// Whether a segment of ours that is under way was meant.
    pub(super) fn handle_trouble(&mut self, trouble: &Trouble) -> bool {
        let Some(tag) = self.find(&trouble.flow) else { return false };
        match tag.stage() {
            Stage::Connection => self.trouble_for_connection(tag.number(), trouble),
            Stage::Opening => self.trouble_for_opening(tag.number(), trouble),
            Stage::Record | Stage::Abandoned => false,
        }
    }

    fn trouble_for_connection(&mut self, number: u32, trouble: &Trouble) -> bool {
        let now = Now::of(self.now, &self.config, self.held);
        let Some(slot) = self.connections.get_mut(number) else { return false };
        let headers = u16::try_from(header_len(slot.flow.local_address) + tcp::HEADER).unwrap_or(u16::MAX);
        let v4 = slot.flow.local_address.is_ipv4();
        let report = match trouble.kind {
            Kind::Hard | Kind::Soft => Report::Unreachable,
            Kind::TooBig { mtu } => {
                let current = slot.is.packet_size(headers);
                // A router that does not say: the next smaller size that is in use than what it has refused, so that
                // many of them about one flight make one step (RFC 1191 section 5).
                let mtu =
                    if mtu == 0 { u32::from(next_lower_mtu(trouble.refused(current, self.config.mtu))) } else { mtu };
                let fragment = v4 && mtu < FRAGMENT_BELOW;
                let mtu = if fragment { FRAGMENT_BELOW } else { mtu };
                let segment = u16::try_from(mtu).unwrap_or(u16::MAX).saturating_sub(headers);
                Report::TooBig { segment, fragment }
            }
        };
        let believed = slot.is.handle_icmp(now, trouble.seq, report, (trouble.icmp_type, trouble.code));
        if believed {
            self.after_connection(number);
        }
        believed
    }

    fn trouble_for_opening(&mut self, number: u32, trouble: &Trouble) -> bool {
        let Some(slot) = self.openings.get_mut(number) else { return false };
        let hard = trouble.kind == Kind::Hard;
        let verdict = slot.is.handle_icmp(trouble.seq, hard, (trouble.icmp_type, trouble.code));
        if let Some(verdict) = verdict {
            self.after_verdict(number, verdict);
        }
        verdict.is_some()
    }
}
