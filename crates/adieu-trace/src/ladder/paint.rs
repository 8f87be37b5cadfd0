//! Draws a plan.

use adieu_core::Duration;

use super::layout::Layout;
use super::plan::{Arrow, LOST, Path, Plan, Row};
use crate::ink::{Ink, Line, Style};
use crate::label;
use crate::words::{clip, human, printable, stamp};
use crate::{Side, Trace, What};

/// The picture.
pub(super) fn paint(trace: &Trace, layout: &Layout, plan: &Plan, style: Style) -> String {
    let glyphs = if layout.ascii { &ASCII } else { &BOXES };
    let mut wire = Wire { layout, glyphs, rows: vec![vec![Cell::default(); layout.wire]; plan.rows.len()] };
    for arrow in &plan.arrows {
        wire.arrow(arrow);
    }
    // Where nothing at all is said of states, the rails are those of a connection.
    let silent = !trace.events.iter().any(|event| matches!(event.what, What::State { .. }));
    let exists = [silent; 2];
    let mut canvas = Canvas { layout, glyphs, style, exists, out: String::new() };
    canvas.header(trace);
    for (row, wire) in plan.rows.iter().zip(&wire.rows) {
        canvas.row(row, wire);
    }
    canvas.out
}

/// The characters of a style of drawing.
struct Glyphs {
    /// Lines by where they lead: up 1, down 2, left 4, right 8.
    lines: [char; 16],
    /// A rail where there is no connection, and where there is one.
    rails: [char; 2],
    /// The same where a segment leaves to the right, and to the left.
    leaves: [[char; 2]; 2],
    /// Arrival at the left, and at the right.
    tips: [char; 2],
    lost: char,
    faded: char,
    silence: char,
}

const BOXES: Glyphs = Glyphs {
    lines: [' ', '│', '│', '│', '─', '╯', '╮', '┤', '─', '╰', '╭', '├', '─', '┴', '┬', '┼'],
    rails: ['┆', '┃'],
    leaves: [['├', '┠'], ['┤', '┨']],
    tips: ['◄', '►'],
    lost: '✗',
    faded: '┄',
    silence: '⋮',
};

const ASCII: Glyphs = Glyphs {
    lines: [' ', '|', '|', '|', '-', '\'', '.', '+', '-', '\'', '.', '+', '-', '+', '+', '+'],
    rails: [':', '|'],
    leaves: [[':', '|'], [':', '|']],
    tips: ['<', '>'],
    lost: 'x',
    faded: '~',
    silence: '~',
};

const UP: usize = 1;
const DOWN: usize = 2;
const LEFT: usize = 4;
const RIGHT: usize = 8;

/// One character of the wire.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Lines through it.
    lines: usize,
    /// What covers them.
    over: Option<char>,
    ink: Ink,
}

/// All between the rails.
struct Wire<'a> {
    layout: &'a Layout,
    glyphs: &'a Glyphs,
    rows: Vec<Vec<Cell>>,
}

impl Wire<'_> {
    fn arrow(&mut self, arrow: &Arrow) {
        let Arrow { segment, path, leaves, lands, .. } = *arrow;
        let last = self.layout.wire - 1;
        let pen = Pen { from: segment.from, ink: label::ink(&segment) };
        let lands = lands.unwrap_or(leaves);
        match path {
            Path::Straight => {
                self.across(pen, leaves, 0, last);
                self.tip(pen, leaves);
            }
            Path::Bent(steps) => {
                self.across(pen, leaves, 0, steps);
                self.line(pen, leaves, steps, pen.back() | DOWN);
                for row in leaves + 1..lands {
                    self.line(pen, row, steps, UP | DOWN);
                }
                self.line(pen, lands, steps, UP | pen.ahead());
                self.across(pen, lands, steps + 1, last);
                self.tip(pen, lands);
            }
            Path::Faded(steps) => {
                self.across(pen, leaves, 0, steps);
                self.over(pen, leaves, steps, self.glyphs.faded);
                self.across(pen, lands, steps + 1, last);
                self.over(pen, lands, steps, self.glyphs.faded);
                self.tip(pen, lands);
            }
            Path::Lost(steps, word) => {
                self.across(pen, leaves, 0, steps);
                let pen = Pen { ink: Ink::Lost, ..pen };
                self.over(pen, leaves, steps, self.glyphs.lost);
                if word {
                    self.word(pen, leaves, steps);
                }
            }
        }
        for (row, column, text) in &arrow.labels {
            self.text(*row, *column, text, pen.ink);
        }
    }

    /// The word for a loss, beyond the cross.
    fn word(&mut self, pen: Pen, row: usize, steps: usize) {
        let cross = self.layout.column(pen.from, steps);
        match pen.from {
            Side::Left => self.text(row, cross + 1, LOST, pen.ink),
            Side::Right => self.text(row, cross - LOST.len(), &format!("{} ", LOST.trim()), pen.ink),
        }
    }

    fn across(&mut self, pen: Pen, row: usize, begin: usize, end: usize) {
        for steps in begin..end {
            self.line(pen, row, steps, LEFT | RIGHT);
        }
    }

    fn tip(&mut self, pen: Pen, row: usize) {
        self.over(pen, row, self.layout.wire - 1, self.glyphs.tips[pen.from.other() as usize]);
    }

    fn line(&mut self, pen: Pen, row: usize, steps: usize, lines: usize) {
        let cell = &mut self.rows[row][self.layout.column(pen.from, steps)];
        cell.lines |= lines;
        cell.ink = pen.ink;
    }

    fn over(&mut self, pen: Pen, row: usize, steps: usize, character: char) {
        let cell = &mut self.rows[row][self.layout.column(pen.from, steps)];
        *cell = Cell { over: Some(character), ink: pen.ink, ..*cell };
    }

    fn text(&mut self, row: usize, column: usize, text: &str, ink: Ink) {
        for (cell, character) in self.rows[row][column..].iter_mut().zip(text.chars()) {
            *cell = Cell { over: Some(character), ink, ..*cell };
        }
    }
}

/// In which direction, and in which ink.
#[derive(Clone, Copy)]
struct Pen {
    from: Side,
    ink: Ink,
}

impl Pen {
    fn ahead(self) -> usize {
        match self.from {
            Side::Left => RIGHT,
            Side::Right => LEFT,
        }
    }

    fn back(self) -> usize {
        match self.from {
            Side::Left => LEFT,
            Side::Right => RIGHT,
        }
    }
}

/// All lines, from the top.
struct Canvas<'a> {
    layout: &'a Layout,
    glyphs: &'a Glyphs,
    style: Style,
    /// Whether the connection exists, at each end.
    exists: [bool; 2],
    out: String,
}

impl Canvas<'_> {
    /// Names and addresses, over the rails.
    fn header(&mut self, trace: &Trace) {
        let [left, right] = &trace.ends;
        self.over_rails([&left.name, &right.name], Ink::Title);
        self.over_rails([&left.address.to_string(), &right.address.to_string()], Ink::Faint);
    }

    fn over_rails(&mut self, texts: [&str; 2], ink: Ink) {
        let Layout { width, ascii, .. } = *self.layout;
        let rails = self.layout.rails();
        let middle = rails[0].midpoint(rails[1]);
        let mut line = Line::new(width);
        for ((text, rail), bounds) in texts.into_iter().zip(rails).zip([[0, middle], [middle + 1, width]]) {
            let text = clip(&printable(text, ascii), bounds[1] - bounds[0], ascii);
            let length = text.chars().count();
            let begin = (rail + 1).saturating_sub(length.div_ceil(2)).clamp(bounds[0], bounds[1] - length);
            line.write(begin, &text, ink);
        }
        line.print(self.style, &mut self.out);
    }

    fn row(&mut self, row: &Row, wire: &[Cell]) {
        let Layout { width, notes, .. } = *self.layout;
        let rails = self.layout.rails();
        let mut line = Line::new(width);
        if let Some(since) = row.stamp {
            self.stamp(&mut line, since);
        }
        for (side, note) in row.notes.iter().enumerate() {
            let Some(note) = note else { continue };
            let text = clip(&note.text, notes[side], self.layout.ascii);
            let left = rails[0].saturating_sub(1 + text.chars().count());
            line.write([left, rails[1] + 2][side], &text, note.ink);
            self.exists[side] = note.exists.unwrap_or(self.exists[side]);
        }
        for side in [0, 1] {
            let exists = usize::from(self.exists[side]);
            let rail = match row.silence {
                Some(_) => self.glyphs.silence,
                None if row.leaves[side] => self.glyphs.leaves[side][exists],
                None => self.glyphs.rails[exists],
            };
            line.put(rails[side], rail, if exists == 0 { Ink::Faint } else { Ink::Plain });
        }
        for (column, cell) in wire.iter().enumerate() {
            line.put(rails[0] + 1 + column, cell.over.unwrap_or(self.glyphs.lines[cell.lines]), cell.ink);
        }
        if let Some(passed) = row.silence {
            self.silence(&mut line, wire, passed);
        }
        line.print(self.style, &mut self.out);
    }

    fn stamp(&self, line: &mut Line, since: Duration) {
        let Layout { time, notes, ascii, .. } = *self.layout;
        if time > 0 {
            line.write(0, &format!("{:>time$}", stamp(since)), Ink::Faint);
        } else {
            let compact = stamp(since).replace(' ', "");
            line.write(0, &clip(&compact, notes[0] + 1, ascii), Ink::Faint);
        }
    }

    /// How much time passes, in the middle of the wire or as near to it as there is room.
    fn silence(&self, line: &mut Line, wire: &[Cell], passed: Duration) {
        let passed = human(passed);
        let clear = |begin: usize, length: usize| {
            let cells = wire.get(begin..begin + length).unwrap_or_default();
            cells.len() == length && cells.iter().all(|cell| cell.lines == 0)
        };
        for text in [format!(" {passed} pass "), format!(" {passed} "), passed.replace(' ', "")] {
            let length = text.len();
            let middle = wire.len().saturating_sub(length) / 2;
            let mut places: Vec<usize> = (0..wire.len()).collect();
            places.sort_by_key(|place| place.abs_diff(middle));
            if let Some(place) = places.into_iter().find(|place| clear(*place, length)) {
                line.write(self.layout.rails()[0] + 1 + place, &text, Ink::Faint);
                return;
            }
        }
    }
}
