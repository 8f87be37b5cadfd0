//! Times: exact decimals of seconds.

use core::time::Duration;

use crate::ScriptError;
use crate::ast::{Span, Spanned, Time};

use super::cursor::{Cursor, word_length};

/// The latest time a script can name, in seconds: some thirty years.
const MAX_SECONDS: u64 = 1_000_000_000;

/// What stands before an event.
pub(super) struct Timing {
    pub(super) time: Time,
    /// Behind three dots.
    pub(super) ends: Option<Spanned<Time>>,
}

/// One number of seconds.
struct Seconds {
    span: Span,
    relative: bool,
    duration: Duration,
}

impl Seconds {
    fn time(&self) -> Time {
        if self.relative { Time::After(self.duration) } else { Time::At(self.duration) }
    }
}

impl Cursor<'_> {
    /// The time of an event, if it has one.
    pub(super) fn timing(&mut self) -> Result<Option<Timing>, ScriptError> {
        if self.eat("*")?.is_some() {
            return Ok(Some(Timing { time: Time::Any, ends: None }));
        }
        let begins = match self.rest().as_bytes() {
            [b'0'..=b'9' | b'+', ..] | [b'.', b'0'..=b'9', ..] => true,
            [..] => false,
        };
        if !begins {
            return Ok(None);
        }
        let first = self.seconds()?;
        if self.eat("~")?.is_some() {
            let last = self.seconds()?;
            let time = range(&first, &last)?;
            return Ok(Some(Timing { time, ends: None }));
        }
        if self.eat("...")?.is_none() {
            return Ok(Some(Timing { time: first.time(), ends: None }));
        }
        let last = self.seconds()?;
        if first.relative == last.relative && last.duration < first.duration {
            return Err(backwards(&first, &last));
        }
        Ok(Some(Timing { time: first.time(), ends: Some(Spanned { span: last.span, value: last.time() }) }))
    }

    /// `0`, `0.1`, `.1`, each with or without a plus sign.
    fn seconds(&mut self) -> Result<Seconds, ScriptError> {
        self.peek()?;
        let start = self.at();
        let relative = self.eat("+")?.is_some();
        if self.peek()?.is_none() {
            return Err(self.expected("a time such as 0, +0.1 or *"));
        }
        let rest = self.rest();
        let whole = digits(rest);
        let behind = rest.get(whole.len()..).unwrap_or_default();
        let fraction = behind.strip_prefix('.').map(digits).unwrap_or_default();
        let length = whole.len() + if fraction.is_empty() { 0 } else { 1 + fraction.len() };
        if length == 0 {
            return Err(self.expected("a time such as 0, +0.1 or *"));
        }
        self.take(length);
        let span = Span { start, end: self.end() };
        if word_length(self.rest()) > 0 {
            return Err(self.expected_instead("a blank behind the time").with_help("times are in seconds"));
        }
        Ok(Seconds { span, relative, duration: duration(whole, fraction, span)? })
    }
}

/// The digits that the text begins with.
fn digits(text: &str) -> &str {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..length).unwrap_or_default()
}

/// Exact to the nanosecond, or an error.
fn duration(whole: &str, fraction: &str, span: Span) -> Result<Duration, ScriptError> {
    let whole = whole.trim_start_matches('0');
    let seconds = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
    let Some(seconds) = seconds.filter(|seconds| *seconds <= MAX_SECONDS) else {
        let message = format!("expected a time of at most {MAX_SECONDS} seconds");
        return Err(ScriptError::new(span, message, "too late"));
    };
    let fraction = fraction.trim_end_matches('0');
    // Padded to nine digits it counts nanoseconds.
    match format!("{fraction:0<9}").parse::<u32>() {
        Ok(nanos) if fraction.len() <= 9 => Ok(Duration::new(seconds, nanos)),
        Ok(_) | Err(_) => {
            Err(ScriptError::new(span, "expected a time of at most nine decimals", "finer than a nanosecond"))
        }
    }
}

/// `first~last`
fn range(first: &Seconds, last: &Seconds) -> Result<Time, ScriptError> {
    if first.relative != last.relative {
        let message = "expected a range of times that are both absolute or both relative";
        return Err(ScriptError::new(Span { start: first.span.start, end: last.span.end }, message, "one of each")
            .with_help("write 0.1~0.2 or +0.1~+0.2"));
    }
    if last.duration < first.duration {
        return Err(backwards(first, last));
    }
    Ok(if first.relative {
        Time::AfterBetween(first.duration, last.duration)
    } else {
        Time::Between(first.duration, last.duration)
    })
}

fn backwards(first: &Seconds, last: &Seconds) -> ScriptError {
    let span = Span { start: first.span.start, end: last.span.end };
    ScriptError::new(span, "expected an end that is not before its beginning", "backwards")
}
