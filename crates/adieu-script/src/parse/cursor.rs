//! The place in the text, and what may stand between two tokens: blanks, comments, line ends, conditions.

use crate::ScriptError;
use crate::ast::{Span, Spanned};

use super::{Defines, MAX_DEPTH};

/// A place in the text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    defines: &'a Defines,
    /// The next byte; always between two characters.
    at: usize,
    /// Behind the last token.
    end: usize,
    /// No token yet on this line.
    line_begins: bool,
    /// Tokens of later lines belong to what is being read, too.
    pub(super) over_lines: bool,
    /// The `#ifdef`s that are open, from the outside in.
    conditions: Vec<Condition>,
    timers_none: bool,
}

/// One open `#ifdef`.
struct Condition {
    span: Span,
    /// The text around it counts.
    outside: bool,
    /// The text that follows counts.
    holds: bool,
    /// `#else` was there.
    reversed: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, defines: &'a Defines) -> Self {
        // Editors of some systems put a byte order mark there.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self {
            text,
            defines,
            at,
            end: at,
            line_begins: true,
            over_lines: false,
            conditions: Vec::new(),
            timers_none: false,
        }
    }

    /// The next byte's place.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The place behind the last token.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// No token stands before this place on its line.
    pub(super) fn line_begins(&self) -> bool {
        self.line_begins
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// What is still to be read, the blanks that may come first included.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What stands in for a word.
    pub(super) fn defined(&self, word: &str) -> Option<&'a str> {
        self.defines.value(word)
    }

    /// What comes next belongs to a line that is being read.
    pub(super) fn enter_line(&mut self) {
        self.line_begins = false;
        self.end = self.at;
    }

    /// The next byte of what is being read: on this line, or anywhere if it reaches over lines.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ScriptError> {
        self.skip()?;
        let ended = self.line_begins && !self.over_lines;
        Ok(if ended { None } else { self.rest().bytes().next() })
    }

    /// The word ahead; empty where there is none.
    pub(super) fn peek_word(&mut self) -> Result<&'a str, ScriptError> {
        if self.peek()?.is_none() {
            return Ok("");
        }
        let rest = self.rest();
        Ok(rest.get(..word_length(rest)).unwrap_or_default())
    }

    /// Goes over a token of so many bytes.
    pub(super) fn take(&mut self, bytes: usize) -> Span {
        let start = self.at;
        self.at += bytes;
        self.end = self.at;
        self.line_begins = false;
        Span { start, end: self.at }
    }

    /// Goes over `token` if it is the next.
    pub(super) fn eat(&mut self, token: &str) -> Result<Option<Span>, ScriptError> {
        let found = self.peek()?.is_some() && self.rest().starts_with(token);
        Ok(found.then(|| self.take(token.len())))
    }

    /// Goes over `token`, which must be the next; `place` says where, for the message.
    pub(super) fn expect(&mut self, token: &str, place: &str) -> Result<Span, ScriptError> {
        match self.eat(token)? {
            Some(span) => Ok(span),
            None => Err(self.expected(&format!("`{token}` {place}"))),
        }
    }

    /// What stands between two marks, whatever it is.
    pub(super) fn enclosed(&mut self, open: &str, close: &str, what: &str) -> Result<Spanned<String>, ScriptError> {
        let (span, inside) = self.enclosure(open, close, what)?;
        self.take(span.end - self.at);
        let inner = Span { start: span.start + open.len(), end: span.end - close.len() };
        Ok(Spanned { span: inner, value: inside.to_owned() })
    }

    /// Where what begins here ends, and what is inside.
    fn enclosure(&self, open: &str, close: &str, what: &str) -> Result<(Span, &'a str), ScriptError> {
        let inside = self.rest().get(open.len()..).unwrap_or_default();
        let begin = Span { start: self.at, end: self.at + open.len() };
        match inside.find(close) {
            Some(length) => {
                let end = begin.end + length + close.len();
                Ok((Span { start: begin.start, end }, inside.get(..length).unwrap_or_default()))
            }
            None => {
                let message = format!("expected `{close}` behind {what}, found the end of the script");
                Err(ScriptError::new(begin, message, "begins here"))
            }
        }
    }

    /// The thing ahead that is not what was expected: a word, a number, or one character.
    pub(super) fn ahead(&self) -> Span {
        let rest = self.rest();
        let length = match word_length(rest) {
            0 if rest.starts_with("...") => 3,
            0 => rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        Span { start: self.at, end: self.at + length }
    }

    /// The error for what comes next where `what` should.
    pub(super) fn expected(&self, what: &str) -> ScriptError {
        if self.line_begins && !self.over_lines {
            let span = Span { start: self.end, end: self.end };
            return ScriptError::new(span, format!("expected {what}, found the end of the line"), "the line ends here");
        }
        self.expected_instead(what)
    }

    /// The same for what comes next on whatever line.
    pub(super) fn expected_instead(&self, what: &str) -> ScriptError {
        let span = self.ahead();
        match self.text.get(span.start..span.end) {
            None | Some("") => {
                let message = format!("expected {what}, found the end of the script");
                ScriptError::new(span, message, "the script ends here")
            }
            Some(found) => {
                ScriptError::new(span, format!("expected {what}, found `{}`", shortened(found)), "not expected here")
            }
        }
    }

    /// At the end of the text: whether the script says `// timers: none`.
    pub(super) fn finish(self) -> Result<bool, ScriptError> {
        match self.conditions.last() {
            None => Ok(self.timers_none),
            Some(open) => {
                let message = "expected `#endif`, found the end of the script";
                Err(ScriptError::new(open.span, message, "not closed"))
            }
        }
    }

    /// Goes over everything that is no token.
    pub(super) fn skip(&mut self) -> Result<(), ScriptError> {
        loop {
            let rest = self.rest();
            match rest.as_bytes() {
                [b' ' | b'\t' | b'\r', ..] => self.at += 1,
                [b'\n', ..] => {
                    self.at += 1;
                    self.line_begins = true;
                }
                [b'/', b'/', ..] => {
                    let line = line(rest);
                    self.at += line.len();
                    self.timers_none |= line.trim_start_matches('/').trim() == "timers: none";
                }
                [b'/', b'*', ..] => {
                    let (span, inside) = self.enclosure("/*", "*/", "the comment")?;
                    self.at = span.end;
                    self.line_begins |= inside.contains('\n');
                }
                [b'#', ..] if self.line_begins => {
                    self.directive()?;
                    self.skip_inactive()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn active(&self) -> bool {
        self.conditions.last().is_none_or(|condition| condition.holds)
    }

    /// A line that begins with `#`: a condition or a comment. It stops where a comment may still follow.
    fn directive(&mut self) -> Result<(), ScriptError> {
        let line = line(self.rest());
        let behind = line.get(1..).unwrap_or_default();
        let word = behind.get(..word_length(behind)).unwrap_or_default();
        let span = Span { start: self.at, end: self.at + 1 + word.len() };
        match word {
            "ifdef" => self.open_condition(span, true),
            "ifndef" => self.open_condition(span, false),
            "else" => self.reverse_condition(span),
            "endif" => self.close_condition(span),
            // No script means these as a comment, and skipping one would run what it should have kept out.
            "if" | "elif" | "elifdef" | "elifndef" | "define" | "undef" | "include" => {
                let message = format!("expected `#ifdef`, `#ifndef`, `#else` or `#endif`, found `#{word}`");
                Err(ScriptError::new(span, message, "not known here")
                    .with_help("a comment has a blank behind the number sign"))
            }
            _ => {
                let second = behind.trim_start();
                let word = second.get(..word_length(second)).unwrap_or_default();
                if matches!(word, "ifdef" | "ifndef" | "endif") {
                    let end = span.start + (line.len() - second.len()) + word.len();
                    let message = format!("expected no blank between the number sign and `{word}`");
                    return Err(ScriptError::new(Span { end, ..span }, message, "a comment or a condition?"));
                }
                self.at += line.len();
                Ok(())
            }
        }
    }

    fn open_condition(&mut self, directive: Span, defined: bool) -> Result<(), ScriptError> {
        if self.conditions.len() >= MAX_DEPTH {
            let message = format!("conditions stand in conditions at most {MAX_DEPTH} deep");
            return Err(ScriptError::new(directive, message, "one more"));
        }
        self.at = directive.end;
        let line = line(self.rest());
        let name = line.trim_start();
        self.at += line.len() - name.len();
        if !word_begins(name) {
            let span = Span { start: directive.start, end: directive.end };
            return Err(ScriptError::new(span, "expected a name behind the condition", "whether what is defined?"));
        }
        let name = name.get(..word_length(name)).unwrap_or_default();
        self.at += name.len();
        let span = Span { start: directive.start, end: self.at };
        let outside = self.active();
        let holds = outside && self.defines.contains(name) == defined;
        self.conditions.push(Condition { span, outside, holds, reversed: false });
        self.end_directive("the name")
    }

    fn reverse_condition(&mut self, directive: Span) -> Result<(), ScriptError> {
        let Some(open) = self.conditions.last_mut() else {
            return Err(ScriptError::new(directive, "expected `#ifdef` or `#ifndef` before this `#else`", "of what?"));
        };
        if open.reversed {
            let message = "expected `#endif`, found a second `#else`";
            return Err(ScriptError::new(directive, message, "not expected here").with_begin(open.span));
        }
        open.reversed = true;
        open.holds = open.outside && !open.holds;
        self.at = directive.end;
        self.end_directive("`#else`")
    }

    fn close_condition(&mut self, directive: Span) -> Result<(), ScriptError> {
        if self.conditions.pop().is_none() {
            return Err(ScriptError::new(directive, "expected `#ifdef` or `#ifndef` before this `#endif`", "of what?"));
        }
        self.at = directive.end;
        self.end_directive("`#endif`")
    }

    /// Nothing but a comment stands behind a condition.
    fn end_directive(&mut self, behind: &str) -> Result<(), ScriptError> {
        let line = line(self.rest());
        let more = line.trim_start();
        self.at += line.len() - more.len();
        if more.is_empty() || more.starts_with("//") || more.starts_with("/*") {
            return Ok(());
        }
        Err(self.expected_instead(&format!("the end of the line behind {behind}")))
    }

    /// Goes over text that a condition keeps out. What is in quotes there, in comments or in code cannot end it.
    fn skip_inactive(&mut self) -> Result<(), ScriptError> {
        let mut line_begins = false;
        while !self.active() {
            let rest = self.rest();
            match rest.as_bytes() {
                [] => return Ok(()),
                [b'\n', ..] => {
                    self.at += 1;
                    line_begins = true;
                    continue;
                }
                [b' ' | b'\t' | b'\r', ..] => {
                    self.at += 1;
                    continue;
                }
                [b'#', ..] if line_begins => self.directive()?,
                [b'/', b'/', ..] => self.at += line(rest).len(),
                [b'/', b'*', ..] => self.at = self.enclosure("/*", "*/", "the comment")?.0.end,
                [b'%', b'{', ..] => self.at = self.enclosure("%{", "}%", "the code")?.0.end,
                [b'`', ..] => self.at = self.enclosure("`", "`", "the command in backticks")?.0.end,
                [b'"', ..] => self.at += quoted_length(rest),
                _ => {
                    let first = rest.chars().next().map_or(0, char::len_utf8);
                    let plain = rest.get(first..).unwrap_or_default();
                    let more = plain.find(['\n', '/', '%', '`', '"']).unwrap_or(plain.len());
                    self.at += first + more;
                }
            }
            line_begins = false;
        }
        Ok(())
    }
}

/// A word for a message: it may be a megabyte, and the place shows the whole.
pub(super) fn shortened(word: &str) -> String {
    let mut short: String = word.chars().take(40).flat_map(char::escape_debug).collect();
    if word.chars().nth(40).is_some() {
        short.push_str("..");
    }
    short
}

/// The text up to the next line end.
fn line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// How long the text in quotes is that begins here: to its closing quote or to the end of the line.
fn quoted_length(text: &str) -> usize {
    let mut escaped = true;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' => return place,
            b'"' if !escaped => return place + 1,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

/// How many bytes of a word (letters, digits, underscores) the text begins with.
pub(super) fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Whether a word that is no number begins here.
pub(super) fn word_begins(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}
