//! Where requirements are named: at the beginning of the name of a test or script, and in text about it.

use std::collections::{BTreeMap, BTreeSet};

/// What was named: requirements there are, and what looks like one and is none.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Named {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) unknown: BTreeSet<String>,
}

impl Named {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.ids.extend(other.ids);
        self.unknown.extend(other.unknown);
        self
    }
}

/// All ids, and how to find them.
pub(crate) struct Ids {
    /// By what they look like in upper case with hyphens only: `TW-8.1` is `TW-8-1`, `MUT-a` is `MUT-A`.
    known: BTreeMap<String, String>,
    /// What stands before the hyphen of those that have one: `TW`, `INV`, `X`.
    families: BTreeSet<String>,
}

impl Ids {
    pub(crate) fn new<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let known: BTreeMap<String, String> = ids.into_iter().map(|id| (plain(id), id.to_owned())).collect();
        let families = known.values().filter_map(|id| Some(id.split_once('-')?.0.to_owned())).collect();
        Self { known, families }
    }

    /// Those that a name begins with: `zw_1_2_data` ZW-1 and ZW-2, `m8_s1_initial` M8 and S1, `x_3_39_ten` 3.39,
    /// `tw_8_1_accept` TW-8.1, `b_rack_ack_of` B-RACK-ACK. The longest counts.
    pub(crate) fn in_name(&self, name: &str) -> Named {
        let parts: Vec<&str> = name.split(['_', '-', '.']).collect();
        let (mut rest, mut family, mut named) = (parts.as_slice(), None, Named::default());
        while !rest.is_empty() {
            let and = usize::from(rest[0] == "and" && family.is_some());
            let more = family.as_deref().filter(|_| is_number(rest[0])).and_then(|family| self.longest(family, rest));
            let Some((key, length)) = self.longest("", &rest[and..]).or(more) else { break };
            named.ids.insert(self.known[&key].clone());
            family = Some(key.rsplit_once('-').map_or_else(String::new, |(family, _)| family.to_owned()));
            rest = &rest[and + length..];
        }
        named.unknown.extend(self.stranger(rest));
        named
    }

    /// The longest id at the beginning of `parts`, and of how many of them it is.
    fn longest(&self, family: &str, parts: &[&str]) -> Option<(String, usize)> {
        (1..=parts.len().min(4)).rev().find_map(|length| {
            let joined = parts[..length].join("-").to_uppercase();
            let key = if family.is_empty() { joined } else { format!("{family}-{joined}") };
            // A name in Rust cannot begin with the digits of part 3, and the RFC has longer names for its own.
            let key = [key.strip_prefix("X-3-").map(|rest| format!("3-{rest}")), rfc_name(&key), Some(key)];
            key.into_iter().flatten().find(|key| self.known.contains_key(key)).map(|key| (key, length))
        })
    }

    /// What `parts` begin with, if that can only be meant as an id.
    fn stranger(&self, parts: &[&str]) -> Option<String> {
        let (first, second) = (parts.first()?.to_uppercase(), parts.get(1).copied().unwrap_or_default());
        let part_3 = first == "X" && second == "3" && parts.get(2).is_some_and(|part| is_number(part));
        let family = self.families.contains(&first) && first != "X" && first != "B" && is_number(second);
        (part_3 || family || is_numbered(&first)).then(|| parts[..parts.len().min(3)].join("_"))
    }

    /// Those in a comment or document. Ranges count whole (`FI-5 to FI-8`, `TW-8…10`); what is only akin (`M66's
    /// sibling`) does not. Ids of part 3 look like numbers and like sections, so they must begin the text, or follow
    /// another id or the word "limit", or stand in brackets.
    pub(crate) fn in_text(&self, text: &str) -> Named {
        let (words, mut named) = (words(text), Named::default());
        let mut after_id = false;
        let mut at = 0;
        while let Some(&(word, from)) = words.get(at) {
            at += 1;
            let (before, after) = (text[..from].trim_end(), &text[from + word.len()..]);
            let (first, last) = word.split_once(['…', '–']).unwrap_or((word, ""));
            let last = match (last, words.get(at), words.get(at + 1)) {
                ("", Some(("to", _)), Some((last, _))) => last,
                _ => last,
            };
            let follows = after_id || before.is_empty() || before.ends_with('(') || before.ends_with("limit");
            match self.spelt(first) {
                Some(id) if !id.starts_with("3.") || (follows && ends_phrase(after)) => {
                    named.ids.extend(self.range(&id, last));
                    named.ids.insert(id);
                    after_id = true;
                }
                Some(_) => after_id = false,
                None => {
                    after_id &= matches!(word, "and" | "with");
                    named.unknown.extend(self.looks_like_one(first).then(|| first.to_owned()));
                }
            }
        }
        named
    }

    /// Those families' ids in a text that there are not. Single letters with a number mean too many other things.
    pub(crate) fn strangers_in(&self, text: &str) -> BTreeSet<String> {
        self.in_text(text).unknown.into_iter().filter(|word| word.contains('-')).collect()
    }

    /// The id, written as it is; `MUST-8` is M8.
    fn spelt(&self, word: &str) -> Option<String> {
        let key = rfc_name(word).unwrap_or_else(|| plain(word));
        let id = self.known.get(&key)?;
        (id == word || rfc_name(word).is_some()).then(|| id.clone())
    }

    /// What lies between `first` and `last`, of which the number is enough.
    fn range(&self, first: &str, last: &str) -> Vec<String> {
        let cut = |id: &str| id.rfind(|letter: char| !letter.is_ascii_digit()).map_or(0, |at| at + 1);
        let (family, from) = first.split_at(cut(first));
        let (other, to) = last.split_at(cut(last));
        let (Ok(from), Ok(to)) = (from.parse::<u32>(), to.parse::<u32>()) else { return Vec::new() };
        let between = (from..=to.min(from + 100)).filter(|_| other.is_empty() || other == family);
        between.filter_map(|number| self.known.get(&plain(&format!("{family}{number}"))).cloned()).collect()
    }

    fn looks_like_one(&self, word: &str) -> bool {
        match word.split_once('-') {
            Some(("MUST" | "SHLD" | "MAY", number)) => is_number(number),
            Some(("X" | "B", name)) => name.len() > 1 && name.chars().all(|letter| letter.is_ascii_uppercase()),
            Some(("MUT", letter)) => letter.len() == 1,
            Some((family, number)) => self.families.contains(family) && is_number(number),
            None => is_numbered(word),
        }
    }
}

fn plain(id: &str) -> String {
    id.replace('.', "-").to_uppercase()
}

/// `MUST-8` is how RFC 9293 itself names M8.
fn rfc_name(id: &str) -> Option<String> {
    let (word, number) = id.split_once('-').filter(|(_, number)| is_number(number))?;
    let letter = [("MUST", 'M'), ("SHLD", 'S'), ("MAY", 'Y')].into_iter().find(|(long, _)| *long == word)?.1;
    Some(format!("{letter}{number}"))
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.len() < 4 && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// An id of the RFC's list, or of liveness, by its looks.
fn is_numbered(word: &str) -> bool {
    word.strip_prefix(['M', 'S', 'Y', 'L']).is_some_and(is_number)
}

/// After a number that is an id no unit stands.
fn ends_phrase(after: &str) -> bool {
    let after = after.trim_start();
    after.is_empty() || after.starts_with([',', ':', ';', '.', ')']) || after.starts_with("and ")
}

/// Words that may hold an id, and where they begin.
fn words(text: &str) -> Vec<(&str, usize)> {
    let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '\'' | '_' | '…' | '–');
    let mut words = Vec::new();
    let mut from = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (part(letter), from) {
            (true, None) => from = Some(at),
            (false, Some(begin)) => {
                let word = text[begin..at].trim_end_matches(['-', '.', '\'', '…', '–']);
                words.extend((!word.is_empty()).then_some((word, begin)));
                from = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "AP-1 AP-2 CL-5 CL-6 CL-7 FI-5 FI-6 FI-7 FI-8 TW-8 TW-8.1 TW-8.2 TW-9 TW-10 RS-1 M6 M8 M64 \
        M66 M67 S1 Y5 REC-1 L3 X-WS X-RTO B-RTO B-RTO-TIMER B-RACK B-RACK-ACK 3.2 3.5 3.15 3.39 INV-2 MUT-a TO-3 SY-2";

    fn ids() -> Ids {
        Ids::new(KNOWN.split(' '))
    }

    fn list(words: &str) -> BTreeSet<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn names_begin_with_ids() {
        for (name, expected) in [
            ("rs_1_every_flag", "RS-1"),
            ("ap_1_2_data_then_end_of_stream", "AP-1 AP-2"),
            ("cl_5_6_7_alike", "CL-5 CL-6 CL-7"),
            ("sy_2_tw_9_rebooted", "SY-2 TW-9"),
            ("tw_9_and_tw_10_together", "TW-9 TW-10"),
            ("tw_8_1_accepts", "TW-8.1"),
            ("tw_8_1_2_accepts", "TW-8.1 TW-8.2"),
            ("m8_s1_the_initial_number", "M8 S1"),
            ("m64_options_need_no_alignment_and_m6_unknown_ones", "M64"),
            ("must_67_no_packet_is_larger", "M67"),
            ("rec_1_windows", "REC-1"),
            ("l3_a_reset_after_a_probe", "L3"),
            ("mut_a_is_found", "MUT-a"),
            ("x_3_39_ten_challenges", "3.39"),
            ("x_3_39_3_15_storm", "3.39 3.15"),
            ("x_3_39_x_3_15_storm", "3.39 3.15"),
            ("x_ws_is_scaled", "X-WS"),
            ("b_rto_timer_restarts", "B-RTO-TIMER"),
            ("b_rto_b_rto_timer_both", "B-RTO B-RTO-TIMER"),
            ("b_rack_ack_advances", "B-RACK-ACK"),
            ("b_rack_a_segment", "B-RACK"),
            ("3.39-out-of-window", "3.39"),
            ("to-3-after-60-s", "TO-3"),
            ("x_a_batch_draws_one_ack", ""),
            ("tcp_8_is_no_family", ""),
            ("ap_1_33_numbers_that_are_no_ids", "AP-1"),
            ("the_tw_9_in_the_middle", ""),
        ] {
            assert_eq!(ids().in_name(name), Named { ids: list(expected), ..Named::default() }, "{name}");
        }
    }

    #[test]
    fn names_that_look_like_ids_are_noticed() {
        for (name, unknown) in [
            ("tw_99_is_none", "tw_99_is"),
            ("tw_9_sy_77_is_none", "sy_77_is"),
            ("m99_is_none", "m99_is_none"),
            ("x_3_99_is_none", "x_3_99"),
            ("tw-77-a-script", "tw_77_a"),
        ] {
            assert_eq!(ids().in_name(name).unknown, list(unknown), "{name}");
        }
    }

    #[test]
    fn text_names_ids() {
        for (text, expected) in [
            ("TW-9, M66's sibling (RFC 9293 section 3.2, first): 3.5 times the wait", "TW-9"),
            ("FI-5 to FI-8: all", "FI-5 FI-6 FI-7 FI-8"),
            ("TW-8…10 and `TW-8.1` to `TW-8.2`.", "TW-8 TW-9 TW-10 TW-8.1 TW-8.2"),
            ("TW-9–10", "TW-9 TW-10"),
            ("3.39, with a deviation", "3.39"),
            ("3.15 and 3.39", "3.15 3.39"),
            ("RS-1, 3.39: both", "RS-1 3.39"),
            ("kept by both (3.5) and by limit 3.2.", "3.5 3.2"),
            ("3.5 s later", ""),
            ("RFC 5681 section 3.2: and RFC 9293 section 3.10.7.4", ""),
            ("MUST-8, SHLD-1 and MAY-5 (INV-2)", "M8 S1 Y5 INV-2"),
            ("B-RTO-TIMER, X-WS; MUT-a", "B-RTO-TIMER X-WS MUT-a"),
            ("tw-9 and ud-1 in lower case, TCP-1, RFC-2525, UTF-8", ""),
        ] {
            assert_eq!(ids().in_text(text), Named { ids: list(expected), ..Named::default() }, "{text}");
        }
    }

    #[test]
    fn text_that_looks_like_ids_is_noticed() {
        let named = ids().in_text("TW-99 and M99, MUST-99, X-WSS, B-RAK, MUT-z; X-Y");
        assert_eq!(named.unknown, list("TW-99 M99 MUST-99 X-WSS B-RAK MUT-z"));
        assert_eq!(ids().strangers_in("the flags S99 and TW-99"), list("TW-99"));
    }
}
