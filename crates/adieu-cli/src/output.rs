//! How wide and how colourful to write.

use std::io::IsTerminal;

use adieu_trace::Style;

use crate::args::Color;

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
