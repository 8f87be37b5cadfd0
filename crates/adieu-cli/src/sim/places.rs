//! Pieces of a world by their places: `0-3,7`.

use std::fmt;
use std::ops::RangeInclusive;

use crate::failure::Failure;

/// Ranges of places, as they were typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Places(Vec<RangeInclusive<usize>>);

impl Places {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| "give places and ranges of them, for example 0-3,7".into())
    }

    /// Each place once, in order, where there are so many pieces.
    pub(super) fn of(&self, pieces: usize) -> Result<Vec<usize>, Failure> {
        if let Some(range) = self.0.iter().find(|range| *range.end() >= pieces) {
            let last = pieces.saturating_sub(1);
            return Err(Failure::usage(format_args!("--without {}: the world has pieces 0 to {last}", range.end())));
        }
        let mut places: Vec<usize> = self.0.iter().cloned().flatten().collect();
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

impl From<&[usize]> for Places {
    /// Of places in order, each once.
    fn from(places: &[usize]) -> Self {
        let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
        for place in places {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == *place => *last = *last.start()..=*place,
                Some(_) | None => ranges.push(*place..=*place),
            }
        }
        Self(ranges)
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            f.write_str(if number > 0 { "," } else { "" })?;
            match range.end() - range.start() {
                0 => write!(f, "{}", range.start())?,
                _ => write!(f, "{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ranges_and_ranges_are_places() {
        for (text, places) in [("7", vec![7]), ("0-3,7", vec![0, 1, 2, 3, 7]), ("9,2-3, 2", vec![2, 3, 9])] {
            assert_eq!(Places::parse(text).unwrap().of(10).unwrap(), places, "{text}");
        }
        for places in [vec![], vec![0], vec![0, 1, 2, 5, 7, 8]] {
            let text = Places::from(places.as_slice()).to_string();
            assert!(places.is_empty() || Places::parse(&text).unwrap().of(9).unwrap() == places, "{text}");
        }
        assert_eq!(Places::from([0, 1, 2, 5, 7, 8].as_slice()).to_string(), "0-2,5,7-8");
    }

    #[test]
    fn what_are_no_places_is_refused() {
        for text in ["", "a", "3-1", "1,,2", "-3", "1-", "0-99999999999999999999"] {
            assert!(Places::parse(text).is_err(), "{text}");
        }
        assert!(Places::parse("0-18446744073709551615").unwrap().of(10).is_err());
        assert!(Places::parse("10").unwrap().of(10).is_err());
        assert!(Places::parse("0").unwrap().of(0).is_err());
    }
}
