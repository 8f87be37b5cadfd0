//! From the text of a script to its events.
//!
//! One pass over the original text, so that every place is a place in what the author wrote: comments, `#ifdef` and
//! line ends are stepped over between two tokens (`cursor.rs`), nothing is rewritten before. There is no backtracking,
//! and recursion only into values, at most [`MAX_DEPTH`] deep: time and memory are linear in the text.

use core::time::Duration;

use crate::ScriptError;
use crate::ast::{Event, Script, Setting, Span, Spanned, Time, What};

use self::cursor::Cursor;
pub use self::defines::{DefineError, Defines};

mod call;
mod cursor;
mod defines;
mod options;
mod packet;
mod time;
mod value;

/// The longest text that [`parse`] reads, in bytes.
pub const MAX_TEXT: usize = 16 << 20;

/// How deep values may stand in values, and conditions in conditions.
pub const MAX_DEPTH: usize = 32;

/// Reads a whole script.
///
/// `defines` decides `#ifdef`, and replaces words that have a value where a number, a symbol or a text stands.
///
/// # Errors
///
/// The first thing that is not of the language, at its place. What the language has and this crate does not know is
/// either an error here or an [`Other`](crate::ast::Body::Other) for the caller to refuse; nothing is skipped.
pub fn parse(text: &str, defines: &Defines) -> Result<Script, ScriptError> {
    if text.len() > MAX_TEXT {
        let message = format!("a script has at most {MAX_TEXT} bytes, and this one has {}", text.len());
        return Err(ScriptError::new(Span::default(), message, "too long"));
    }
    let mut cursor = Cursor::new(text, defines);
    let mut script = Script::default();
    let mut settings_may_follow = false;
    loop {
        cursor.skip()?;
        if cursor.is_done() {
            break;
        }
        let setting = cursor.rest().starts_with("--");
        let first = cursor.line_begins() || (setting && settings_may_follow);
        if !first {
            return Err(cursor.expected("the end of the line"));
        }
        cursor.enter_line();
        settings_may_follow = setting;
        if !setting {
            script.events.push(cursor.event()?);
        } else if script.events.is_empty() {
            script.options.push(cursor.setting()?);
        } else {
            let word = cursor.rest().split(char::is_whitespace).next().unwrap_or_default();
            let span = Span { start: cursor.at(), end: cursor.at() + word.len() };
            return Err(ScriptError::new(span, "expected options before the first event only", "too late"));
        }
    }
    script.timers_none = cursor.finish()?;
    Ok(script)
}

impl Cursor<'_> {
    /// `--name` or `--name=value`. No blanks within, as on a command line.
    fn setting(&mut self) -> Result<Spanned<Setting>, ScriptError> {
        let dashes = self.take(2);
        let length = self.rest().bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
        let name = self.rest().get(..length).unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(ScriptError::new(dashes, "expected the name of an option behind `--`", "no name"));
        }
        self.take(length);
        let value = if self.rest().starts_with('=') { Some(self.setting_value()?) } else { None };
        // A name that runs into something else is not the name it seems to be.
        if self.rest().chars().next().is_some_and(|c| !c.is_whitespace()) {
            return Err(self.expected_instead("`=` or a blank behind the option"));
        }
        Ok(Spanned { span: Span { start: dashes.start, end: self.end() }, value: Setting { name, value } })
    }

    /// `=value`, where the value is in quotes or reaches to the next blank.
    fn setting_value(&mut self) -> Result<String, ScriptError> {
        let equals = self.take(1);
        if self.rest().starts_with('"') {
            return Ok(self.string()?.value);
        }
        let word = self.rest().split(char::is_whitespace).next().unwrap_or_default();
        if word.is_empty() {
            return Err(ScriptError::new(equals, "expected a value behind the equals sign", "no value"));
        }
        self.take(word.len());
        Ok(self.defined(word).unwrap_or(word).to_owned())
    }

    /// `TIME WHAT`, or `WHAT` alone.
    fn event(&mut self) -> Result<Event, ScriptError> {
        let start = self.at();
        let timing = self.timing()?;
        let what = self.what(timing.is_some())?;
        let (time, ends) = match timing {
            None => (Time::After(Duration::ZERO), None),
            Some(timing) => {
                if let (Some(ends), What::Inject(_) | What::Expect(_) | What::Code(_) | What::Shell(_)) =
                    (&timing.ends, &what)
                {
                    return Err(ScriptError::new(ends.span, "only a call can block until a time", "an end")
                        .with_help("write one time, or a range such as 0.1~0.2"));
                }
                (timing.time, timing.ends.map(|ends| ends.value))
            }
        };
        Ok(Event { span: Span { start, end: self.end() }, time, ends, what })
    }

    fn what(&mut self, timed: bool) -> Result<What, ScriptError> {
        match self.peek()? {
            Some(b'<') => {
                self.take(1);
                Ok(What::Inject(self.packet()?))
            }
            Some(b'>') => {
                self.take(1);
                Ok(What::Expect(self.packet()?))
            }
            Some(b'`') => Ok(What::Shell(self.enclosed("`", "`", "the command in backticks")?)),
            Some(b'%') if self.rest().starts_with("%{") => Ok(What::Code(self.enclosed("%{", "}%", "the code")?)),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => Ok(What::Call(self.call()?)),
            _ if timed => Err(self.expected("an event behind the time").with_help(
                "an event is a packet (`< ..` comes in, `> ..` goes out), a call, code in `%{ .. }%` or a command in \
                 backticks",
            )),
            _ => Err(self.expected("an event").with_help(
                "expected a time such as 0, +0.1 or *, and behind it a packet, a call, code or a command in backticks",
            )),
        }
    }
}
