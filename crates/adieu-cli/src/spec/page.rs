//! Requirements as text.

use std::fmt::Write;

use adieu_trace::Style;
use anstyle::{AnsiColor, Style as Ansi};

use super::Summary;
use super::table::{Requirement, Stage};
use crate::output::{self, Ink};

/// Below this many columns the meaning stands on lines of its own.
const NARROW: usize = 72;

/// Sections with their rows, and the sum. `places` names what shows a row rather than counting it.
pub(super) fn page(rows: &[&Requirement], sum: Summary, places: bool, width: usize, style: Style) -> String {
    let ink = Ink(style);
    let longest = |of: fn(&Requirement) -> usize| rows.iter().map(|row| of(row)).max().unwrap_or(0);
    let columns = [longest(|row| row.id.len()), longest(|row| row.level.len()), longest(|row| row.kind.name().len())];
    let (mut text, mut section) = (String::new(), "");
    for row in rows {
        if row.section != section {
            section = &row.section;
            text.push_str(if text.is_empty() { "" } else { "\n" });
            output::wrap(&mut text, section, 0, width);
        }
        line(&mut text, row, columns, width, ink);
        if places {
            for place in &row.shown_by {
                _ = writeln!(text, "    {}", ink.paint(Ansi::new().dimmed(), place));
            }
        }
    }
    text.push_str(if text.is_empty() { "" } else { "\n" });
    output::wrap(&mut text, &sentence(sum), 0, width);
    text
}

/// One row: its mark and columns, then what it means and how often it is shown.
fn line(text: &mut String, row: &Requirement, [id, level, kind]: [usize; 3], width: usize, ink: Ink) {
    let stage = match row.stage {
        Stage::Built => Ansi::new(),
        Stage::Planned => Ansi::new().dimmed(),
    };
    let name = ink.paint(Ansi::new().bold(), &row.id);
    _ = write!(text, "{name}{:1$}", "", id - row.id.len());
    _ = write!(text, "  {:<level$}  {:<kind$}  ", row.level, row.kind.name());
    text.push_str(&ink.paint(stage, &format!("{:<7}", row.stage.name())));
    let (shown, color) = match (row.shown_by.len(), row.stage) {
        (0, Stage::Built) => ("not shown".to_owned(), Ansi::new().fg_color(Some(AnsiColor::Red.into()))),
        (0, Stage::Planned) => ("-".to_owned(), Ansi::new().dimmed()),
        (count, _) => (format!("shown {count}"), Ansi::new().fg_color(Some(AnsiColor::Green.into()))),
    };
    _ = write!(text, "  {}", ink.paint(color, &shown));
    let column = id + level + kind + 2 * 5 + 7 + 9;
    let indent = if width < NARROW { 4 } else { column };
    if width < NARROW {
        _ = write!(text, "\n{:indent$}", "");
    } else {
        _ = write!(text, "{:1$}", "", 9 - shown.len() + 2);
    }
    output::wrap(text, &row.meaning, indent, width);
}

/// `12 requirements: 10 built, all shown; 2 planned, 1 shown`.
fn sentence(sum: Summary) -> String {
    let part = |count: usize, stage: Stage, shown: usize| {
        let shown = match shown {
            _ if count == 0 => return None,
            0 => "none shown".to_owned(),
            shown if shown == count => "all shown".to_owned(),
            shown => format!("{shown} shown"),
        };
        Some(format!("{count} {}, {shown}", stage.name()))
    };
    let parts =
        [part(sum.built, Stage::Built, sum.built_and_shown), part(sum.planned, Stage::Planned, sum.planned_and_shown)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match sum.built + sum.planned {
        0 => "no requirements".to_owned(),
        1 => format!("1 requirement: {}", parts.join("; ")),
        all => format!("{all} requirements: {}", parts.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Kind;
    use super::*;

    fn row(id: &str, stage: Stage, shown_by: &[&str]) -> Requirement {
        Requirement {
            id: id.into(),
            level: "S".into(),
            stage,
            kind: Kind::Test,
            section: "1.6 Close with unread data".into(),
            meaning: "A reset tells the peer that what it has sent was not read by anybody, and is lost.".into(),
            shown_by: shown_by.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_page_wide_and_narrow() {
        let rows = [row("A-1", Stage::Built, &["a.rs::one", "b.pkt"]), row("A-10", Stage::Planned, &[])];
        let rows: Vec<&Requirement> = rows.iter().collect();
        let wide = page(&rows, Summary::of(&rows), true, 90, Style::Plain);
        let expected = "\
1.6 Close with unread data
A-1   S  test  built    shown 2    A reset tells the peer that what it has sent was not
                                   read by anybody, and is lost.
    a.rs::one
    b.pkt
A-10  S  test  planned  -          A reset tells the peer that what it has sent was not
                                   read by anybody, and is lost.

2 requirements: 1 built, all shown; 1 planned, none shown
";
        assert_eq!(wide, expected);
        let narrow = page(&rows, Summary::of(&rows), false, 40, Style::Plain);
        assert!(narrow.contains("built    shown 2\n    A reset tells the peer that what it\n    has"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 40) && !narrow.contains("b.pkt"), "{narrow}");
        let drawn = page(&rows, Summary::of(&rows), true, 90, Style::Color);
        assert_eq!(anstream::adapter::strip_str(&drawn).to_string(), wide);
    }

    #[test]
    fn the_sum_is_a_sentence() {
        let sum = |built, built_and_shown, planned, planned_and_shown| {
            sentence(Summary { built, built_and_shown, planned, planned_and_shown })
        };
        assert_eq!(sum(0, 0, 0, 0), "no requirements");
        assert_eq!(sum(1, 0, 0, 0), "1 requirement: 1 built, none shown");
        assert_eq!(sum(3, 3, 2, 1), "5 requirements: 3 built, all shown; 2 planned, 1 shown");
    }
}
