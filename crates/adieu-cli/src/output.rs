//! How wide and how colourful to write.

use std::io::IsTerminal;

use adieu_trace::Style;

/// Columns of the terminal; 100 where the output is no terminal.
pub(crate) fn width() -> usize {
    let known = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    known.unwrap_or(100).clamp(20, 120)
}

/// Colour on a terminal that takes it, unless NO_COLOR is set; plain otherwise.
pub(crate) fn style() -> Style {
    let colour = std::io::stdout().is_terminal()
        && anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    if colour { Style::Color } else { Style::Plain }
}
