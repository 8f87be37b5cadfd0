//! Times, counts and texts as a reader wants them.

use adieu_core::Duration;

/// A span of time, short: `0 ms`, `12.5 ms`, `1.2 s`, `60 s`, `12 min 30 s`, `2 h`.
pub fn human(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0..100_000 => fraction(nanos, 1_000_000, 3, "ms"),
        100_000..9_995_000 => fraction(nanos, 1_000_000, 2, "ms"),
        9_995_000..99_950_000 => fraction(nanos, 1_000_000, 1, "ms"),
        99_950_000..999_500_000 => fraction(nanos, 1_000_000, 0, "ms"),
        999_500_000..99_995_000_000 => fraction(nanos, 1_000_000_000, 2, "s"),
        99_995_000_000..599_500_000_000 => fraction(nanos, 1_000_000_000, 0, "s"),
        _ => long(u64::try_from((nanos + 500_000_000) / 1_000_000_000).unwrap_or(u64::MAX)),
    }
}

/// `nanos` in a unit, rounded to so many decimals, without zeros at the end.
fn fraction(nanos: u128, unit: u128, decimals: u32, name: &str) -> String {
    let scale = 10_u128.pow(decimals);
    let scaled = (nanos * scale + unit / 2) / unit;
    format!("{} {name}", decimal(scaled, scale, decimals))
}

fn decimal(scaled: u128, scale: u128, decimals: u32) -> String {
    let mut text = format!("{}", scaled / scale);
    if !scaled.is_multiple_of(scale) {
        text.push_str(&format!(".{:0width$}", scaled % scale, width = decimals as usize));
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

/// Ten minutes and more: the two largest units.
fn long(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let (most, less) = match (days, hours) {
        (0, 0) => ((minutes, "min"), (seconds % 60, "s")),
        (0, _) => ((hours, "h"), (minutes % 60, "min")),
        _ => ((days, "d"), (hours % 24, "h")),
    };
    let rest = if less.0 == 0 { String::new() } else { format!(" {} {}", less.0, less.1) };
    format!("{} {}{rest}", most.0, most.1)
}

/// A time since the beginning, exact to a microsecond below a second and to a millisecond from there on. Rounded
/// down, so that a later time never looks earlier.
pub(crate) fn stamp(since: Duration) -> String {
    let nanos = since.as_nanos();
    if nanos < 1_000_000_000 {
        format!("{} ms", decimal(nanos / 1_000, 1_000, 3))
    } else {
        format!("{} s", decimal(nanos / 1_000_000, 1_000, 3))
    }
}

/// A count with its thousands apart: `1,048,576`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of bytes: `none`, `1 byte`, `1,048,576 bytes`.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0 => "none".into(),
        1 => "1 byte".into(),
        _ => format!("{} bytes", grouped(count)),
    }
}

/// `text` with characters of one column each: others become `?`, white space becomes a blank.
pub(crate) fn printable(text: &str, ascii: bool) -> String {
    let narrow = |character: char| match character {
        ' '..='~' => true,
        // Latin without the soft hyphen, Greek, Cyrillic without its combining marks, and usual punctuation.
        '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{24f}' | '\u{391}'..='\u{3a1}' | '\u{3a3}'..='\u{3ff}' => !ascii,
        '\u{400}'..='\u{482}' | '\u{48a}'..='\u{52f}' => !ascii,
        '–' | '—' | '‘' | '’' | '“' | '”' | '…' | '→' | '←' => !ascii,
        _ => false,
    };
    text.chars()
        .map(|character| match character {
            _ if character.is_whitespace() => ' ',
            _ if narrow(character) => character,
            _ => '?',
        })
        .collect()
}

/// `text` in at most `width` columns; where it is cut, it says so.
pub(crate) fn clip(text: &str, width: usize, ascii: bool) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    let mark = if ascii { ".." } else { "…" };
    let keep = width.saturating_sub(mark.chars().count());
    let kept: String = text.chars().take(keep).collect();
    format!("{}{mark}", kept.trim_end()).chars().take(width).collect()
}

/// `text` in lines of at most `width` columns, broken between words where that is possible.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if room < width && word.len() < room {
            lines.last_mut().expect("there is one").push(' ');
            room -= 1;
        } else if room < width {
            lines.push(String::new());
            room = width;
        }
        while word.len() > room {
            lines.last_mut().expect("there is one").extend(word.drain(..room));
            lines.push(String::new());
            room = width;
        }
        room -= word.len();
        lines.last_mut().expect("there is one").extend(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let cases: [(u64, &str); 17] = [
            (0, "0 ms"),
            (42_000, "0.042 ms"),
            (250_000, "0.25 ms"),
            (12_500_000, "12.5 ms"),
            (99_949_999, "99.9 ms"),
            (99_950_000, "100 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1 s"),
            (1_200_000_000, "1.2 s"),
            (60_000_000_000, "60 s"),
            (60_050_000_000, "60.05 s"),
            (240_400_000_000, "240 s"),
            (599_500_000_000, "10 min"),
            (750_000_000_000, "12 min 30 s"),
            (7_200_000_000_000, "2 h"),
            (7_260_000_000_000, "2 h 1 min"),
            (180_000_000_000_000, "2 d 2 h"),
        ];
        for (nanos, text) in cases {
            assert_eq!(human(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(human(Duration::from_nanos(u64::MAX)), "213503 d 23 h");
    }

    #[test]
    fn stamps_are_exact_and_never_ahead() {
        let cases: [(u64, &str); 6] = [
            (0, "0 ms"),
            (12_345_678, "12.345 ms"),
            (999_999_999, "999.999 ms"),
            (1_210_000_000, "1.21 s"),
            (60_000_000_000, "60 s"),
            (7_200_005_999_999, "7200.005 s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(stamp(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 1_048_576].map(grouped), ["0", "999", "1,000", "1,048,576"]);
        assert_eq!([0, 1, 65_536].map(bytes), ["none", "1 byte", "65,536 bytes"]);
    }

    #[test]
    fn texts_are_cut_and_broken() {
        assert_eq!(printable("a\tü\u{7f}漢\u{301}…", false), "a ü???…");
        assert_eq!(printable("ü…", true), "??");
        assert_eq!((clip("goodbye", 7, false), clip("goodbye", 4, false)), ("goodbye".into(), "goo…".into()));
        assert_eq!((clip("goodbye", 4, true), clip("goodbye", 1, true)), ("go..".into(), ".".into()));
        assert_eq!(wrap("read: end of stream", 8), ["read:", "end of", "stream"]);
        assert_eq!(wrap("incomprehensible x", 8), ["incompre", "hensible", "x"]);
        assert_eq!(wrap("incomprehens x", 8), ["incompre", "hens x"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
