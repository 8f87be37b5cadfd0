//! Faults woven into source text: each is a branch, taken where it is switched on.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use crate::catalogue::{Edit, Kind, Mutation};
use crate::{SWITCH, Trouble};

/// The module of the copy that knows which fault is on.
pub const MODULE: &str = "mutation";

/// One place to change.
#[derive(Debug)]
struct Place<'a> {
    range: Range<usize>,
    number: usize,
    edit: &'a Edit,
    name: &'a str,
}

/// The files of the core that faults change, as they are with all of them woven in. `read` finds a file as it ships.
pub fn weave_all(
    mutations: &[Mutation],
    read: impl Fn(&str) -> Result<String, Trouble>,
) -> Result<BTreeMap<String, String>, Trouble> {
    let mut files: BTreeMap<&str, Vec<(usize, &Mutation, &Edit)>> = BTreeMap::new();
    for (number, mutation) in mutations.iter().enumerate() {
        for edit in &mutation.edits {
            files.entry(&edit.file).or_default().push((number, mutation, edit));
        }
    }
    let woven = files.into_iter().map(|(file, edits)| {
        let source = read(file)?;
        Ok((file.to_owned(), weave(&source, &edits)?))
    });
    woven.collect()
}

fn weave(source: &str, edits: &[(usize, &Mutation, &Edit)]) -> Result<String, Trouble> {
    let mut places = Vec::new();
    for (number, mutation, edit) in edits {
        places.push(Place { range: locate(source, mutation, edit)?, number: *number, edit, name: &mutation.name });
    }
    // What holds others comes before them.
    places.sort_by_key(|place| (place.range.start, usize::MAX - place.range.end, place.number));
    for pair in places.windows(2) {
        let (first, second) = (&pair[0].range, &pair[1].range);
        if second.start < first.end && second.end > first.end {
            return Err(Trouble::Overlap(pair[0].name.to_owned(), pair[1].name.to_owned()));
        }
    }
    Ok(branches(source, &(0..source.len()), &places))
}

/// Where an edit is to be made.
fn locate(source: &str, mutation: &Mutation, edit: &Edit) -> Result<Range<usize>, Trouble> {
    let once = |text: &str, wanted: &str| {
        let mut found = text.match_indices(wanted);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (first, _) => Err(Trouble::Lost {
                mutation: mutation.name.clone(),
                file: edit.file.clone(),
                text: wanted.to_owned(),
                times: first.map_or(0, |_| text.matches(wanted).count()),
            }),
        }
    };
    let (from, text) = match edit.within.as_deref().map(str::trim) {
        Some(within) => {
            let from = once(source, within)?;
            (from, &source[from..from + within.len()])
        }
        None => (0, source),
    };
    let find = edit.find.trim();
    let at = from + once(text, find)?;
    Ok(at..at + find.len())
}

/// The text of `range` with `places` in it made branches, those that lie in others inside the branch that is shipped.
fn branches(source: &str, range: &Range<usize>, places: &[Place<'_>]) -> String {
    let (mut text, mut at, mut rest) = (String::new(), range.start, places);
    while let Some(place) = rest.first() {
        let same = rest.iter().take_while(|other| other.range == place.range).count();
        let inside = rest.iter().take_while(|other| other.range.end <= place.range.end).count();
        text.push_str(&source[at..place.range.start]);
        let shipped = branches(source, &place.range, &rest[same..inside]);
        text.push_str(&branch(&rest[..same], &shipped));
        at = place.range.end;
        rest = &rest[inside..];
    }
    text.push_str(&source[at..range.end]);
    text
}

fn branch(places: &[Place<'_>], shipped: &str) -> String {
    let mut text = String::new();
    for place in places {
        let (on, replace) =
            (format!("crate::{MODULE}::on({}) /* {} */", place.number, place.name), place.edit.replace.trim());
        _ = write!(text, "if {on} {{ {replace} }} else ");
    }
    let is_value = places.iter().any(|place| place.edit.kind == Kind::Expression);
    // A comment at the end of a line ends with it.
    if is_value { format!("({text}{{ {shipped}\n}})") } else { format!("{text}{{ {shipped}\n}}") }
}

/// The source of the module that knows which fault is on.
pub fn module(mutations: &[Mutation]) -> String {
    let names: Vec<&str> = mutations.iter().map(|mutation| mutation.name.as_str()).collect();
    format!(
        "\
//! Which fault is switched on, if any.

extern crate std;

use std::sync::OnceLock;

const NAMES: [&str; {}] = {names:#?};

static ACTIVE: OnceLock<usize> = OnceLock::new();

/// Whether it is this one.
pub(crate) fn on(number: usize) -> bool {{
    *ACTIVE.get_or_init(active) == number
}}

fn active() -> usize {{
    let Ok(wanted) = std::env::var(\"{SWITCH}\") else {{ return usize::MAX }};
    NAMES.iter().position(|name| *name == wanted).expect(\"{SWITCH} names no fault\")
}}
",
        names.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(name: &str, edits: &[(&str, &str, Kind)]) -> Mutation {
        let edit = |(find, replace, kind): &(&str, &str, Kind)| Edit {
            file: "a.rs".into(),
            within: None,
            find: (*find).into(),
            replace: (*replace).into(),
            kind: *kind,
        };
        Mutation {
            name: name.into(),
            letter: None,
            breaks: vec!["X".into()],
            words: String::new(),
            missed: None,
            edits: edits.iter().map(edit).collect(),
        }
    }

    fn woven(source: &str, mutations: &[Mutation]) -> Result<String, Trouble> {
        let files = weave_all(mutations, |_| Ok(source.to_owned()))?;
        Ok(files["a.rs"].clone())
    }

    #[test]
    fn expressions_and_statements_become_branches() {
        use Kind::{Expression, Statements};
        let one = mutation("one", &[("a + b", "a", Expression), ("f();", "", Statements)]);
        let text = woven("let x = a + b; f();", &[one]).unwrap();
        assert_eq!(
            text,
            "let x = (if crate::mutation::on(0) /* one */ { a } else { a + b\n}); \
             if crate::mutation::on(0) /* one */ {  } else { f();\n}"
        );
    }

    #[test]
    fn faults_share_a_place_or_lie_in_each_other() {
        use Kind::{Expression, Statements};
        let all = [
            mutation("inner", &[("a", "b", Expression)]),
            mutation("outer", &[("f(a);", "g();", Statements)]),
            mutation("other", &[("f(a);", "h();", Statements)]),
        ];
        let inner = "(if crate::mutation::on(0) /* inner */ { b } else { a\n})";
        let outer = "if crate::mutation::on(1) /* outer */ { g(); } else ";
        let other = "if crate::mutation::on(2) /* other */ { h(); } else ";
        assert_eq!(woven("f(a);", &all).unwrap(), format!("{outer}{other}{{ f({inner});\n}}"));
    }

    #[test]
    fn what_is_not_there_or_not_alone_is_an_error_with_its_name() {
        let lost = |source| woven(source, &[mutation("gone", &[("a", "b", Kind::Expression)])]).unwrap_err();
        assert!(lost("x").to_string().starts_with("gone: crates/adieu-core/src/a.rs holds this 0 times"));
        assert!(lost("a a").to_string().starts_with("gone: crates/adieu-core/src/a.rs holds this 2 times"));
        let edits = [("a b", "x", Kind::Expression), ("b c", "y", Kind::Expression)];
        assert!(matches!(woven("a b c", &[mutation("both", &edits)]), Err(Trouble::Overlap(..))));
    }
}
