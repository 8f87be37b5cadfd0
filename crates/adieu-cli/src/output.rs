//! How wide and how colourful to write.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};

use adieu_trace::Style;

use crate::args::Color;
use crate::failure::Failure;

/// Columns of the terminal; 100 where the output is no terminal.
pub(crate) fn width() -> usize {
    let known = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    known.unwrap_or(100).clamp(20, 120)
}

/// Colour as asked; by itself on a terminal that takes it, unless NO_COLOR is set. The receipts of `listen` and
/// `connect` ask for nothing.
pub(crate) fn style(color: Color) -> Style {
    match color {
        Color::Always => {
            anstream::ColorChoice::Always.write_global();
            Style::Color
        }
        Color::Never => Style::Plain,
        Color::Auto => {
            let stdout = std::io::stdout();
            let wanted = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
            if stdout.is_terminal() && wanted { Style::Color } else { Style::Plain }
        }
    }
}

/// Colour, or none.
#[derive(Clone, Copy)]
pub(crate) struct Ink(pub(crate) Style);

impl Ink {
    pub(crate) fn paint(self, ansi: anstyle::Style, text: &str) -> String {
        match self.0 {
            Style::Plain => text.to_owned(),
            Style::Color => format!("{ansi}{text}{ansi:#}"),
        }
    }
}

/// Writes `text` behind `indent` columns that stand there already, in lines of at most `width`, the further ones as far
/// in.
pub(crate) fn wrap(page: &mut String, text: &str, indent: usize, width: usize) {
    let (mut column, mut first) = (indent, true);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if first {
            first = false;
        } else if column + 1 + length > width {
            _ = write!(page, "\n{:indent$}", "");
            column = indent;
        } else {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += length;
    }
    page.push('\n');
}

/// All of `text` to standard output. Whoever stops reading, as `head` does, has read enough.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A count with its thousands apart.
pub(crate) fn grouped(count: impl TryInto<u64>) -> String {
    adieu_trace::grouped(count.try_into().unwrap_or(u64::MAX))
}
