//! Lines of characters, each with what it stands for; colour is decided when a line is printed.

use anstyle::{AnsiColor, Style as Ansi};

/// Whether a picture is coloured. Colour repeats what the characters say; it never says anything alone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// Characters only.
    #[default]
    Plain,
    /// With ANSI escape codes.
    Color,
}

/// What a character stands for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Ink {
    /// Nothing in particular.
    #[default]
    Plain,
    /// The name of something.
    Title,
    /// Times, addresses, labels: what the eye may skip.
    Faint,
    /// The name of a state.
    State,
    /// What an application did or saw.
    App,
    /// A segment with SYN.
    Syn,
    /// A segment with FIN.
    Fin,
    /// A segment with RST.
    Rst,
    /// The end of a lost segment.
    Lost,
}

impl Ink {
    fn ansi(self) -> Ansi {
        match self {
            Self::Plain => Ansi::new(),
            Self::Title | Self::State => Ansi::new().bold(),
            Self::Faint => Ansi::new().dimmed(),
            Self::App => AnsiColor::Cyan.on_default(),
            Self::Syn => AnsiColor::Green.on_default(),
            Self::Fin => AnsiColor::Yellow.on_default(),
            Self::Rst => AnsiColor::Magenta.on_default(),
            Self::Lost => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// One line of fixed width, blank at first.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    cells: Vec<(char, Ink)>,
}

impl Line {
    /// A blank line.
    pub(crate) fn new(width: usize) -> Self {
        Self { cells: vec![(' ', Ink::Plain); width] }
    }

    /// Writes one character; nothing beyond the end.
    pub(crate) fn put(&mut self, column: usize, character: char, ink: Ink) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = (character, ink);
        }
    }

    /// Writes `text` from `column` on; what does not fit is left out.
    pub(crate) fn write(&mut self, column: usize, text: &str, ink: Ink) {
        for (column, character) in (column..).zip(text.chars()) {
            self.put(column, character, ink);
        }
    }

    /// Appends the line to `out`, without blanks at its end.
    pub(crate) fn print(&self, style: Style, out: &mut String) {
        let end = self.cells.iter().rposition(|(character, _)| *character != ' ').map_or(0, |last| last + 1);
        for run in self.cells[..end].chunk_by(|a, b| a.1 == b.1) {
            let text = run.iter().map(|(character, _)| *character);
            let ansi = run[0].1.ansi();
            if style == Style::Plain || ansi.is_plain() {
                out.extend(text);
            } else {
                out.push_str(&ansi.render().to_string());
                out.extend(text);
                out.push_str(&ansi.render_reset().to_string());
            }
        }
        out.push('\n');
    }
}
