//! A trace as a ladder: time goes down, one end on each side, segments between them.

use crate::Trace;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// Columns available.
    pub width: usize,
}

impl Ladder {
    /// The ladder of `trace`.
    pub fn draw(&self, trace: &Trace) -> String {
        format!("{trace:#?} {}", self.width)
    }
}
