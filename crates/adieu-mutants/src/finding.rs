//! What a detector says it has found, as one line between its process and ours.

use std::fmt;

/// A fault was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Who has seen it: the simulator or the model checker.
    pub detector: String,
    /// Where: a seed, or a scope and how deep in it.
    pub place: String,
    /// The requirement that was violated.
    pub id: String,
    /// What was seen, in the detector's words.
    pub words: String,
}

const FOUND: &str = "found";
const NOTHING: &str = "nothing";

/// The line that says what was found, if anything was.
pub fn line(finding: Option<&Finding>) -> String {
    finding.map_or_else(|| NOTHING.into(), Finding::to_string)
}

/// What such a line says; `None` where it is none.
pub fn read(line: &str) -> Option<Option<Finding>> {
    let mut fields = line.split('\t').map(str::to_owned);
    match fields.next()?.as_str() {
        NOTHING => Some(None),
        FOUND => {
            let [detector, place, id, words] = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
            Some(Some(Finding { detector, place, id, words }))
        }
        _ => None,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| text.replace(['\t', '\n'], " ");
        let Self { detector, place, id, words } = self;
        write!(f, "{FOUND}\t{}\t{}\t{}\t{}", plain(detector), plain(place), plain(id), plain(words))
    }
}

/// The requirement that a failed assertion names at the beginning of what it says, and the rest of its first line.
/// `own` says that it is the core that has panicked, which it must not on any input (INV-16).
pub fn split_words(message: &str, own: bool) -> (String, String) {
    let first = message.lines().next().unwrap_or_default();
    let first =
        first.split_once(" failed: ").filter(|(head, _)| head.starts_with("assertion `")).map_or(first, |x| x.1);
    if own {
        return ("INV-16".into(), format!("the core panics: {first}"));
    }
    let is_id =
        |id: &str| id.contains(|c: char| c.is_ascii_digit()) && !id.contains(char::is_lowercase) && id.len() < 40;
    match first.split_once(": ").or(Some((first, ""))).filter(|(id, _)| is_id(id)) {
        Some((id, words)) => (id.to_owned(), words.to_owned()),
        None => ("?".into(), first.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found() {
        let found =
            Finding { detector: "swarm".into(), place: "seed 7".into(), id: "INV-2".into(), words: "a\tb".into() };
        let back = read(&line(Some(&found))).flatten();
        assert_eq!(back, Some(Finding { words: "a b".into(), ..found }));
        assert_eq!((read(&line(None)), read("warming up")), (Some(None), None));
    }

    #[test]
    fn an_assertion_names_its_requirement_first() {
        let split = |message, own| {
            let (id, words) = split_words(message, own);
            [id, words]
        };
        assert_eq!(split("L1, L2: it waits\nmore", false), ["L1, L2", "it waits"]);
        assert_eq!(split("assertion `left == right` failed: EN-7\n left: 1", false), ["EN-7", ""]);
        assert_eq!(split("called `Option::unwrap()`", true), ["INV-16", "the core panics: called `Option::unwrap()`"]);
        assert_eq!(split("something else: who knows", false), ["?", "something else: who knows"]);
    }
}
