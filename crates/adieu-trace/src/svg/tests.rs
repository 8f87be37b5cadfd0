//! Pictures as text.

use adieu_core::State;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::svg;
use crate::Side::{Left, Right};
use crate::ladder::tests::properties::events;
use crate::stories::{SYN, Story, burst, four_way, lost_fin, reset, simultaneous};
use crate::{Trace, What};

/// Before and after the style sheet, which stands in a file of its own.
fn without_style(svg: &str) -> [&str; 2] {
    let (before, rest) = svg.split_once("<style>").unwrap();
    [before, rest.split_once("</style>\n").unwrap().1]
}

/// What stands in `text` between `begin` and the next quotation mark.
fn values<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).map(|rest| rest.split_once('"').unwrap().0)
}

fn check(trace: &Trace, title: &str) {
    let drawn = svg(trace, title);
    let [head, body] = without_style(&drawn);
    let head_and_style = &drawn[..drawn.len() - body.len()];
    let mut open = Vec::new();
    for tag in drawn.split('<').skip(1).map(|tag| tag.split_once('>').unwrap().0) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{drawn}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{text} is no length"));
    let size = [" width=\"", " height=\""].map(|name| number(values(head, name).next().unwrap()));
    for (names, most) in [([" x=\"", " x1=\"", " x2=\""], size[0]), ([" y=\"", " y1=\"", " y2=\""], size[1])] {
        for value in names.iter().flat_map(|name| values(body, name)).map(number) {
            assert!((0.0..=most).contains(&value), "{value} of {most}");
        }
    }
    for class in values(body, "class=\"").flat_map(str::split_whitespace) {
        let styled = [" ", ","].iter().any(|after| head_and_style.contains(&format!(".{class}{after}")));
        assert!(styled, ".{class} has no style");
    }
    let segments = trace.events.iter().filter_map(|event| match &event.what {
        What::Segment(segment) => Some(segment.arrives.is_some()),
        What::State { .. } | What::App { .. } => None,
    });
    let (arrived, lost): (Vec<bool>, Vec<bool>) = segments.partition(|arrives| *arrives);
    let count = |class: &str| body.matches(&format!("class=\"{class}\"")).count();
    assert_eq!((count("tip"), count("cross")), (arrived.len(), 2 * lost.len()));
}

#[test]
fn a_lost_fin() {
    assert_snapshot!(without_style(&svg(&lost_fin().trace, "A lost FIN comes again")).concat());
}

#[test]
fn stories() {
    for story in [four_way(), simultaneous(), lost_fin(), reset(), burst(), Story::begin(State::Closed)] {
        check(&story.trace, "A story");
        check(&story.trace, "");
    }
}

#[test]
fn texts_are_escaped() {
    let mut story = Story::begin(State::Closed);
    let nasty = "<script>&\"'\u{1}\u{ffff}]]>";
    story.trace.ends[0].name = nasty.into();
    story.app(Left, nasty).app(Right, &nasty.repeat(20)).send(Left, SYN, 0, 0, 0);
    check(&story.trace, nasty);
    let drawn = svg(&story.trace, nasty);
    assert!(!drawn.contains("<script") && !drawn.contains(['\u{1}', '\u{ffff}']));
    assert!(drawn.matches("&lt;script&gt;&amp;&quot;&#39;??]]&gt;").count() >= 4, "title twice, name, notes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_trace(events in events(), title in "\\PC{0,200}") {
        let mut trace = Story::begin(State::Closed).trace;
        trace.events = events;
        check(&trace, &title);
    }
}
