//! `%{ assert tcpi_state == TCP_CLOSE_WAIT }%`: questions to the connection. A small evaluator, not a Python.

use adieu_core::State;

use super::failure::{Failure, Kind};
use super::sockets::Scene;
use super::values::constant;
use crate::ast::{Span, Spanned};

/// Deeper expressions are refused.
const DEPTH: usize = 32;

/// Checks every assertion in `code`, one per line or between semicolons.
pub(crate) fn check(code: &Spanned<String>, scene: &Scene) -> Result<(), Box<Failure>> {
    for line in code.value.split(['\n', ';']) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(expression) = line.strip_prefix("assert").filter(|rest| !rest.starts_with(char::is_alphanumeric))
        else {
            return Err(Failure::not_built(code.span, &format!("the statement `{line}`; only `assert ..` is known")));
        };
        // What stands behind a comma is the message of Python's assert.
        let mut parser = Parser { rest: expression, span: code.span, scene, depth: 0 };
        let value = parser.or()?;
        let rest = parser.rest.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err(Failure::meaning(code.span, format!("cannot read `{rest}` in an assertion")));
        }
        if value == 0 {
            return Err(Failure::new(Kind::Assertion, code.span, format!("`{line}` does not hold"))
                .got(parser.values(expression)));
        }
    }
    Ok(())
}

/// An expression that is read and computed at once. True is 1.
struct Parser<'a> {
    rest: &'a str,
    span: Span,
    scene: &'a Scene,
    depth: usize,
}

type Comparison = fn(&i64, &i64) -> bool;
type Value = Result<i64, Box<Failure>>;

impl Parser<'_> {
    fn or(&mut self) -> Value {
        let mut value = self.and()?;
        while self.takes("or") || self.takes("||") {
            let right = self.and()?;
            value = i64::from(value != 0 || right != 0);
        }
        Ok(value)
    }

    fn and(&mut self) -> Value {
        let mut value = self.not()?;
        while self.takes("and") || self.takes("&&") {
            let right = self.not()?;
            value = i64::from(value != 0 && right != 0);
        }
        Ok(value)
    }

    fn not(&mut self) -> Value {
        self.enter()?;
        let value = if self.takes("not") { i64::from(self.not()? == 0) } else { self.comparison()? };
        self.depth -= 1;
        Ok(value)
    }

    /// `a < b < c`, as Python reads it.
    fn comparison(&mut self) -> Value {
        let mut left = self.sum()?;
        let (mut holds, mut compared) = (true, false);
        while let Some(compare) = self.comparator() {
            let right = self.sum()?;
            holds &= compare(&left, &right);
            compared = true;
            left = right;
        }
        Ok(if compared { i64::from(holds) } else { left })
    }

    fn comparator(&mut self) -> Option<Comparison> {
        let all: [(&str, Comparison); 6] =
            [("==", i64::eq), ("!=", i64::ne), ("<=", i64::le), (">=", i64::ge), ("<", i64::lt), (">", i64::gt)];
        all.into_iter().find(|(sign, _)| self.takes(sign)).map(|(_, compare)| compare)
    }

    fn sum(&mut self) -> Value {
        let mut value = self.product()?;
        loop {
            if self.takes("+") {
                value = value.saturating_add(self.product()?);
            } else if self.takes("-") {
                value = value.saturating_sub(self.product()?);
            } else if self.takes("|") {
                value |= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Value {
        let mut value = self.unary()?;
        loop {
            if self.takes("*") {
                value = value.saturating_mul(self.unary()?);
            } else if self.takes("/") {
                let by = self.unary()?;
                value = value.checked_div(by).ok_or_else(|| Failure::meaning(self.span, "a division by zero"))?;
            } else if self.takes("&") {
                value &= self.unary()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn unary(&mut self) -> Value {
        self.enter()?;
        let value = if self.takes("-") {
            self.unary()?.saturating_neg()
        } else if self.takes("(") {
            let value = self.or()?;
            if !self.takes(")") {
                return Err(Failure::meaning(self.span, "a parenthesis that is not closed"));
            }
            value
        } else {
            self.word()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self) -> Value {
        let rest = self.rest.trim_start();
        let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(length);
        self.rest = rest;
        let number = match word.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        };
        if let Some(number) = number {
            return Ok(number);
        }
        match word {
            "True" => Ok(1),
            "False" => Ok(0),
            "" => Err(Failure::meaning(self.span, "a number or a name is needed in an assertion")),
            _ => match word.strip_prefix("tcpi_") {
                Some(field) => self.info(field),
                None => constant(word).ok_or_else(|| Failure::not_built(self.span, &format!("the name {word}"))),
            },
        }
    }

    /// A field of `struct tcp_info` of the connection that the script has opened last.
    fn info(&self, field: &str) -> Value {
        let state = self.scene.state();
        let state = state.ok_or_else(|| Failure::meaning(self.span, "no socket has a connection to ask about"))?;
        match field {
            "state" => Ok(match state {
                State::Established => 1,
                State::SynSent => 2,
                State::SynReceived => 3,
                State::FinWait1 => 4,
                State::FinWait2 => 5,
                State::TimeWait => 6,
                State::Closed => 7,
                State::CloseWait => 8,
                State::LastAck => 9,
                State::Listen => 10,
                State::Closing => 11,
            }),
            _ => {
                let ended = || Failure::meaning(self.span, "the connection has ended: only its state can be asked");
                let fields = self.scene.info().ok_or_else(ended)?;
                let found = fields.iter().find(|(known, _)| *known == field);
                found.map(|(_, value)| *value).ok_or_else(|| Failure::not_built(self.span, &format!("tcpi_{field}")))
            }
        }
    }

    /// What the fields in an expression are, for the message.
    fn values(&self, expression: &str) -> String {
        let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let known = words.filter_map(|word| {
            let value = self.info(word.strip_prefix("tcpi_")?).ok()?;
            Some(format!("{word} = {value}"))
        });
        known.collect::<Vec<_>>().join(", ")
    }

    fn takes(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(after) = rest.strip_prefix(sign) else { return false };
        let is_word = sign.starts_with(char::is_alphabetic);
        // `or` is no part of `order`, `<` none of `<=`, and `|` none of `||`.
        let splits = is_word && after.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
        let doubles = matches!(sign, "|" | "&") && after.starts_with(sign);
        if splits || doubles {
            return false;
        }
        self.rest = after;
        true
    }

    fn enter(&mut self) -> Result<(), Box<Failure>> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Failure::meaning(self.span, "an assertion that is nested too deeply"));
        }
        Ok(())
    }
}
