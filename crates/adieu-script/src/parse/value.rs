//! The arguments of calls.

use std::collections::HashSet;

use crate::ScriptError;
use crate::ast::{Span, Spanned, Value};

use super::cursor::{Cursor, shortened, word_begins, word_length};
use super::{Defines, MAX_DEPTH};

/// A field of a structure.
struct Field<'a> {
    name: Option<&'a str>,
    /// Of the name.
    place: Span,
    value: Spanned<Value>,
}

impl<'a> Cursor<'a> {
    /// One value; `depth` counts the brackets around it, those of the call included.
    pub(super) fn value(&mut self, depth: usize) -> Result<Spanned<Value>, ScriptError> {
        let first = self.peek()?;
        let start = self.at();
        let value = match first {
            Some(b'"') => Value::Text(self.string()?.value),
            Some(b'[') => {
                let open = self.take(1);
                Value::List(self.values(open, "]", depth + 1)?)
            }
            Some(b'{') => {
                let open = self.take(1);
                self.fields(open, depth + 1)?
            }
            Some(b'.') if self.rest().starts_with("...") => {
                self.take(3);
                Value::Ellipsis
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.integer()?;
                self.flags_from(number, start)?
            }
            Some(_) if word_begins(self.rest()) => {
                let word = self.peek_word()?;
                let span = self.take(word.len());
                self.value_from(word, span, depth)?
            }
            Some(_) | None => return Err(self.expected("a value")),
        };
        Ok(Spanned { span: Span { start, end: self.end() }, value })
    }

    /// Values between commas, to the bracket that closes `open`.
    pub(super) fn values(&mut self, open: Span, close: &str, depth: usize) -> Result<Vec<Spanned<Value>>, ScriptError> {
        not_too_deep(open, depth)?;
        let mut values = Vec::new();
        if self.eat(close)?.is_some() {
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            if self.eat(",")?.is_none() {
                break;
            }
        }
        match self.eat(close)? {
            Some(_) => Ok(values),
            None => Err(self.expected(&format!("`,` or `{close}`")).with_begin(open)),
        }
    }

    /// `a=b, c`, to the closing brace.
    fn fields(&mut self, open: Span, depth: usize) -> Result<Value, ScriptError> {
        not_too_deep(open, depth)?;
        let mut fields = Vec::new();
        let mut names = HashSet::new();
        if self.eat("}")?.is_some() {
            return Ok(Value::Struct(fields));
        }
        loop {
            let Field { name, place, value } = self.field(depth)?;
            if let Some(name) = name
                && !names.insert(name)
            {
                let message = format!("expected each field once, found `{}` again", shortened(name));
                return Err(ScriptError::new(place, message, "again"));
            }
            fields.push((name.map(str::to_owned), value));
            if self.eat(",")?.is_none() {
                break;
            }
        }
        match self.eat("}")? {
            Some(_) => Ok(Value::Struct(fields)),
            None => Err(self.expected("`,` or `}`").with_begin(open)),
        }
    }

    /// `name=value`, `name(..)=value` or a value alone.
    fn field(&mut self, depth: usize) -> Result<Field<'a>, ScriptError> {
        self.peek()?;
        if !word_begins(self.rest()) {
            let value = self.value(depth)?;
            return Ok(Field { name: None, place: value.span, value });
        }
        let word = self.peek_word()?;
        let place = self.take(word.len());
        if self.eat("=")?.is_some() {
            return Ok(Field { name: Some(word), place, value: self.value(depth)? });
        }
        let value = self.value_from(word, place, depth)?;
        // The language writes `msg_iov(1)=[..]`. What is between the parentheses repeats what the value says.
        if matches!(value, Value::Function(..)) && self.eat("=")?.is_some() {
            return Ok(Field { name: Some(word), place, value: self.value(depth)? });
        }
        let span = Span { start: place.start, end: self.end() };
        Ok(Field { name: None, place, value: Spanned { span, value } })
    }

    /// What a word begins: a function, a symbol, flags.
    fn value_from(&mut self, word: &str, span: Span, depth: usize) -> Result<Value, ScriptError> {
        if let Some(open) = self.eat("(")? {
            return Ok(Value::Function(word.to_owned(), self.values(open, ")", depth + 1)?));
        }
        let first = self.resolved(word, span)?;
        self.flags_from(first, span.start)
    }

    /// `first`, which begins at `start`, or `first|second|..`
    fn flags_from(&mut self, first: Value, start: usize) -> Result<Value, ScriptError> {
        if self.peek()? != Some(b'|') {
            return Ok(first);
        }
        let mut flags = Vec::new();
        let mut next = first;
        loop {
            match next {
                // A name may stand for several.
                Value::Flags(several) => flags.extend(several),
                Value::Number(_) | Value::Symbol(_) => flags.push(next),
                Value::Ellipsis | Value::Text(_) | Value::List(_) | Value::Struct(_) | Value::Function(..) => {
                    let span = Span { start, end: self.end() };
                    return Err(ScriptError::new(span, "expected numbers or symbols around `|`", "neither"));
                }
            }
            if self.eat("|")?.is_none() {
                return Ok(Value::Flags(flags));
            }
            next = match self.peek()? {
                Some(b'-' | b'0'..=b'9') => self.integer()?,
                Some(_) if word_begins(self.rest()) => {
                    let word = self.peek_word()?;
                    let span = self.take(word.len());
                    self.resolved(word, span)?
                }
                Some(_) | None => return Err(self.expected("a number or a symbol behind `|`")),
            };
        }
    }

    /// The symbol `word`, or what it is defined as.
    fn resolved(&self, word: &str, span: Span) -> Result<Value, ScriptError> {
        let Some(text) = self.defined(word) else {
            return Ok(Value::Symbol(word.to_owned()));
        };
        let nothing = Defines::new();
        let mut inner = Cursor::new(text, &nothing);
        inner.over_lines = true;
        let value = inner.value(MAX_DEPTH).and_then(|value| inner.skip().map(|()| value.value));
        if let Ok(value @ (Value::Number(_) | Value::Symbol(_) | Value::Flags(_) | Value::Text(_))) = value
            && inner.is_done()
        {
            return Ok(value);
        }
        let message = format!(
            "expected a number, a symbol or a quoted text, found {} defined as `{}`",
            shortened(word),
            shortened(text)
        );
        Err(ScriptError::new(span, message, "defined as something else"))
    }

    /// Decimal, perhaps negative, or hexadecimal.
    fn integer(&mut self) -> Result<Value, ScriptError> {
        let rest = self.rest();
        let (sign, digits) = match rest.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", rest),
        };
        let word = digits.get(..word_length(digits)).unwrap_or_default();
        if word.is_empty() {
            return Err(self.expected_instead("a value"));
        }
        let length = sign.len() + word.len();
        let span = Span { start: self.at(), end: self.at() + length };
        if word.len() > 1 && word.starts_with('0') && word.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = "expected a number without a leading zero, for that could mean octal";
            return Err(ScriptError::new(span, message, "decimal or octal?"));
        }
        let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (word, 10),
        };
        let number = i64::from_str_radix(&format!("{sign}{digits}"), radix);
        let Ok(number) = number else {
            let message = "expected a decimal or hexadecimal number of at most 63 bits";
            return Err(ScriptError::new(span, message, "no such number"));
        };
        self.take(length);
        Ok(Value::Number(number))
    }

    /// A text in quotes, its escapes resolved.
    pub(super) fn string(&mut self) -> Result<Spanned<String>, ScriptError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let start = self.at();
        let mut text = Vec::new();
        let mut place = 1;
        loop {
            match bytes.get(place) {
                None | Some(b'\n') => {
                    let begin = Span { start, end: start + 1 };
                    let message = "expected a closing quote, found the end of the line";
                    return Err(ScriptError::new(begin, message, "not closed"));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    let behind = rest.get(place + 1..).unwrap_or_default();
                    let (byte, length) = escape(behind, start + place)?;
                    text.push(byte);
                    place += 1 + length;
                }
                Some(byte) => {
                    text.push(*byte);
                    place += 1;
                }
            }
        }
        let span = self.take(place + 1);
        match String::from_utf8(text) {
            Ok(value) => Ok(Spanned { span, value }),
            Err(_) => Err(ScriptError::new(span, "expected bytes that are UTF-8", "its escapes are not UTF-8")),
        }
    }
}

/// The limit of the recursion.
fn not_too_deep(open: Span, depth: usize) -> Result<(), ScriptError> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(ScriptError::new(open, format!("expected values in values at most {MAX_DEPTH} deep"), "one deeper"))
}

/// What stands behind a backslash: the byte it means and its length without the backslash, which stands at `place`.
fn escape(behind: &str, place: usize) -> Result<(u8, usize), ScriptError> {
    let plain = match behind.as_bytes() {
        [b'n', ..] => Some(b'\n'),
        [b't', ..] => Some(b'\t'),
        [b'r', ..] => Some(b'\r'),
        [b'\\', ..] => Some(b'\\'),
        [b'"', ..] => Some(b'"'),
        // More digits would make it octal.
        [b'0', b'0'..=b'9', ..] => None,
        [b'0', ..] => Some(0),
        [b'x', ..] => {
            let digits = behind.get(1..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                return Ok((byte, 3));
            }
            None
        }
        [..] => None,
    };
    match plain {
        Some(byte) => Ok((byte, 1)),
        None => {
            let escaped = behind.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
            let span = Span { start: place, end: place + 1 + escaped };
            let message = r#"expected one of the escapes \n \t \r \\ \" \0 and \xNN"#;
            Err(ScriptError::new(span, message, "not one of them"))
        }
    }
}
