//! TCP options between angle brackets.

use crate::ScriptError;
use crate::ast::{Options, Span, Spanned, TcpOption};

use super::cursor::{Cursor, word_begins};

impl Cursor<'_> {
    /// `<..>`, which may reach over lines.
    pub(super) fn options(&mut self) -> Result<Spanned<Options>, ScriptError> {
        let open = self.take(1);
        self.over_lines = true;
        let options = if self.eat("...")?.is_some() { Options::Any } else { Options::List(self.option_list()?) };
        let close = match (self.eat(">")?, &options) {
            (Some(close), Options::Any | Options::List(_)) => close,
            (None, Options::Any) => return Err(self.expected("`>` behind `...`").with_begin(open)),
            (None, Options::List(_)) => return Err(self.expected("`,` or `>` behind an option").with_begin(open)),
        };
        self.over_lines = false;
        Ok(Spanned { span: Span { start: open.start, end: close.end }, value: options })
    }

    fn option_list(&mut self) -> Result<Vec<Spanned<TcpOption>>, ScriptError> {
        let mut options = Vec::new();
        if self.peek()? == Some(b'>') {
            return Ok(options);
        }
        loop {
            options.push(self.option()?);
            if self.eat(",")?.is_none() {
                return Ok(options);
            }
        }
    }

    fn option(&mut self) -> Result<Spanned<TcpOption>, ScriptError> {
        let word = self.peek_word()?;
        if !word_begins(word) {
            return Err(self.expected("an option such as mss, wscale, sackOK, sack, TS, nop, eol, FO, uto or kind"));
        }
        let start = self.take(word.len()).start;
        let value = match word {
            "eol" => TcpOption::End,
            "nop" => TcpOption::Nop,
            "mss" => TcpOption::Mss(self.number("the segment size behind `mss`", u32::from(u16::MAX))?.value),
            "wscale" => TcpOption::WindowScale(self.number("the shift behind `wscale`", u32::from(u8::MAX))?.value),
            "sackOK" => TcpOption::SackPermitted,
            "sack" => TcpOption::Sack(self.sack_blocks()?),
            "TS" => self.timestamps()?,
            "FO" => TcpOption::FastOpen { cookie: self.cookie()?, experimental: false },
            "uto" => self.user_timeout()?,
            "kind" => self.any_option()?,
            "FOEXP" => TcpOption::FastOpen { cookie: self.cookie()?, experimental: true },
            _ => {
                self.skip_option()?;
                TcpOption::Other(word.to_owned())
            }
        };
        Ok(Spanned { span: Span { start, end: self.end() }, value })
    }

    /// `1:1001 2001:3001`
    fn sack_blocks(&mut self) -> Result<Vec<(u32, u32)>, ScriptError> {
        let mut blocks = Vec::new();
        loop {
            let left = self.number("a block of sequence numbers such as 1:1001 behind `sack`", u32::MAX)?.value;
            self.expect(":", "between the edges of a block")?;
            blocks.push((left, self.number("the right edge of a block", u32::MAX)?.value));
            if matches!(self.peek()?, Some(b',' | b'>')) {
                return Ok(blocks);
            }
        }
    }

    /// `val N ecr N`
    fn timestamps(&mut self) -> Result<TcpOption, ScriptError> {
        let mut numbers = [0; 2];
        for (number, name) in numbers.iter_mut().zip(["val", "ecr"]) {
            if self.peek_word()? != name {
                return Err(self.expected(&format!("`{name}` and a number")).with_help("as in `TS val 100 ecr 200`"));
            }
            self.take(name.len());
            *number = self.number(&format!("a number behind `{name}`"), u32::MAX)?.value;
        }
        let [val, ecr] = numbers;
        Ok(TcpOption::Timestamps { val, ecr })
    }

    /// `300` seconds, `5m` minutes.
    fn user_timeout(&mut self) -> Result<TcpOption, ScriptError> {
        const WHAT: &str = "seconds or, with an m, minutes behind `uto`";
        let word = self.peek_word()?;
        if let Some(time) = word.strip_suffix('m').and_then(|digits| digits.parse().ok()).filter(|time| *time < 1 << 15)
        {
            self.take(word.len());
            return Ok(TcpOption::UserTimeout { time, minutes: true });
        }
        let time = self.number(WHAT, (1 << 15) - 1)?.value;
        Ok(TcpOption::UserTimeout { time: u16::try_from(time).unwrap_or(0), minutes: false })
    }

    /// `253`, `253 0a0b`.
    fn any_option(&mut self) -> Result<TcpOption, ScriptError> {
        let kind = self.number("the number of an option behind `kind`", u32::from(u8::MAX))?.value;
        let digits = self.cookie()?;
        let byte = |n: usize| u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok();
        let body = (0..digits.len() / 2).filter_map(byte).collect();
        Ok(TcpOption::Raw { kind: u8::try_from(kind).unwrap_or(0), body })
    }

    /// Hexadecimal digits, or nothing.
    fn cookie(&mut self) -> Result<String, ScriptError> {
        let word = self.peek_word()?;
        let digits = self.defined(word).unwrap_or(word);
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.len() % 2 == 1 {
            return Err(self.expected("whole bytes in hexadecimal"));
        }
        if !word.is_empty() {
            self.take(word.len());
        }
        Ok(digits.to_owned())
    }

    /// Over the rest of an option that is kept by its name alone.
    fn skip_option(&mut self) -> Result<(), ScriptError> {
        while !matches!(self.peek()?, Some(b',' | b'>') | None) {
            let length = self.rest().chars().next().map_or(1, char::len_utf8);
            self.take(length);
        }
        Ok(())
    }
}
