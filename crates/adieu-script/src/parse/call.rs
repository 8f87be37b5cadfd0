//! System calls and their results.

use crate::ScriptError;
use crate::ast::{Call, Outcome, Span, Spanned, Value};

use super::cursor::Cursor;

impl Cursor<'_> {
    /// `name(arguments) = result`, the result or all behind the parenthesis left out.
    pub(super) fn call(&mut self) -> Result<Call, ScriptError> {
        let word = self.peek_word()?;
        let name = Spanned { span: self.take(word.len()), value: word.to_owned() };
        let open = self.expect("(", "behind the name of a call")?;
        self.over_lines = true;
        let arguments = self.values(open, ")", 1)?;
        // No event begins with an equals sign, so one on the next line belongs here.
        let result = if self.eat("=")?.is_some() { Some(self.outcome()?) } else { None };
        self.over_lines = false;
        Ok(Call { span: Span { start: name.span.start, end: self.end() }, name, arguments, result })
    }

    /// `0`, `...`, `F_X|F_Y`, `-1 EAGAIN (Resource temporarily unavailable)`
    fn outcome(&mut self) -> Result<Spanned<Outcome>, ScriptError> {
        let value = self.value(1)?;
        match value.value {
            Value::Ellipsis | Value::Number(_) | Value::Symbol(_) | Value::Flags(_) => {}
            Value::Text(_) | Value::List(_) | Value::Struct(_) | Value::Function(..) => {
                let message = "expected a number, flags or `...` as the result of the call";
                return Err(ScriptError::new(value.span, message, "no call returns this"));
            }
        }
        self.over_lines = false;
        let word = self.peek_word()?;
        // Any other word would be a second event on the line.
        let errno = is_errno(word).then(|| {
            self.take(word.len());
            word.to_owned()
        });
        let note = if self.peek()? == Some(b'(') { Some(self.note()?) } else { None };
        Ok(Spanned {
            span: Span { start: value.span.start, end: self.end() },
            value: Outcome { value: value.value, errno, note },
        })
    }

    /// The text between parentheses, which may hold more of them, on one line.
    fn note(&mut self) -> Result<String, ScriptError> {
        let rest = self.rest();
        let mut open = 0_usize;
        for (place, byte) in rest.bytes().enumerate() {
            match byte {
                b'\n' => break,
                b'(' => open += 1,
                b')' if open == 1 => {
                    self.take(place + 1);
                    return Ok(rest.get(1..place).unwrap_or_default().to_owned());
                }
                b')' => open -= 1,
                _ => {}
            }
        }
        let begin = Span { start: self.at(), end: self.at() + 1 };
        Err(ScriptError::new(
            begin,
            "expected `)` behind the text of the error, found the end of the line",
            "not closed",
        ))
    }
}

/// `EAGAIN`, `E2BIG`: the letter and capitals, digits behind it.
fn is_errno(word: &str) -> bool {
    let capitals = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    word.strip_prefix('E').is_some_and(|rest| !rest.is_empty() && capitals(rest))
}
