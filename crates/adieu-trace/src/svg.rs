//! A trace as a picture: the ladder as a stand-alone SVG.
//!
//! It reads like the one in text ([`ladder`](crate::ladder)): time goes down, a segment is an arrow from its departure
//! to its arrival, a lost one ends in a cross. The states are bands along the lifelines, each with its name where it
//! begins. Time is to scale between things that lie close together; long silences are cut out and named.
//!
//! The picture brings its own background, light or dark as the viewer prefers, asks for no font but a monospace one,
//! and runs no script. `layout` gives everything its place, `paint` draws it.

mod layout;
mod paint;

use crate::Trace;

/// The ladder of `trace` as an SVG document, under `title`.
pub fn svg(trace: &Trace, title: &str) -> String {
    paint::paint(trace, &layout::Layout::of(trace), title)
}

#[cfg(test)]
mod tests;
