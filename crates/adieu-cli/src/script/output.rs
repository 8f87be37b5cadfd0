//! Verdicts for people, and for programs.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adieu_trace::{Ladder, Run, pcapng};
use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource, ThemeCharacters, ThemeStyles};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::{Trouble, Verdict};
use crate::args::Script;
use crate::failure::Failure;
use crate::output;

/// Refuses what cannot be written before anything is run.
pub(crate) fn check(script: &Script) -> Result<(), Failure> {
    for file in [&script.pcap, &script.junit].into_iter().flatten() {
        fs::OpenOptions::new().create(true).append(true).open(file).map_err(|error| cannot(file, &error))?;
    }
    Ok(())
}

/// Everything that was asked for.
pub(crate) fn write(verdicts: &[Verdict], script: &Script, took: Duration) -> Result<(), Failure> {
    if let Some(file) = &script.pcap {
        fs::write(file, capture(verdicts)).map_err(|error| cannot(file, &error))?;
    }
    if let Some(file) = &script.junit {
        fs::write(file, junit(verdicts)?).map_err(|error| cannot(file, &error))?;
    }
    if script.json {
        anstream::print!("{}", json(verdicts)?);
        return Ok(());
    }
    for verdict in verdicts {
        print(verdict, script);
    }
    let failed = verdicts.iter().filter(|verdict| verdict.result.is_err()).count();
    let rate = verdicts.len() as f64 / took.as_secs_f64().max(1e-6);
    let scripts = if verdicts.len() == 1 { "script" } else { "scripts" };
    let sum = if failed == 0 { "all hold".into() } else { format!("{failed} FAILED") };
    anstream::println!("{} {scripts}, {sum}; {rate:.0} a second", verdicts.len());
    Ok(())
}

fn print(verdict: &Verdict, script: &Script) {
    let (yes, no) = if script.ascii { ("ok   ", "FAIL ") } else { ("✓ ", "✗ ") };
    let over = if verdict.over.is_empty() { String::new() } else { format!(" over {}", verdict.over) };
    match &verdict.result {
        Ok(()) => anstream::println!("{yes}{}{over}", verdict.file),
        Err(trouble) => {
            anstream::println!("{no}{}{over}: {}", verdict.file, trouble.kind);
            anstream::print!("{}", diagnostic(verdict, trouble, script));
        }
    }
    for note in &verdict.notes {
        anstream::println!("  note: {note}");
    }
    if script.ladder || verdict.result.is_err() {
        let Some(trace) = verdict.trace.as_ref().filter(|trace| !trace.events.is_empty()) else { return };
        let mut trace = trace.clone();
        if !script.ladder {
            // The end is what matters.
            let first = trace.events.len().saturating_sub(LAST);
            trace.events.drain(..first);
        }
        let ladder = Ladder { width: output::width(), ascii: script.ascii, style: output::style(script.color) };
        anstream::println!("{}", ladder.draw(&trace));
    }
}

/// Events shown of a script that does not hold.
const LAST: usize = 16;

/// The script's line, underlined.
fn diagnostic(verdict: &Verdict, trouble: &Trouble, script: &Script) -> String {
    let characters = if script.ascii { ThemeCharacters::ascii() } else { ThemeCharacters::unicode() };
    let styles = match output::style(script.color) {
        adieu_trace::Style::Plain => ThemeStyles::none(),
        adieu_trace::Style::Color => ThemeStyles::ansi(),
    };
    let theme = GraphicalTheme { characters, styles };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(output::width()).with_links(false);
    let source = NamedSource::new(&verdict.file, verdict.text.clone());
    let report = miette::Report::new(trouble.error.clone()).with_source_code(source);
    let mut text = String::new();
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        Err(_) => format!("{}\n", trouble.error),
    }
}

fn capture(verdicts: &[Verdict]) -> Vec<u8> {
    let runs: Vec<Run<'_>> = verdicts
        .iter()
        .filter_map(|verdict| Some(Run { name: &verdict.file, title: verdict.over, trace: verdict.trace.as_ref()? }))
        .collect();
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    pcapng(&runs, u64::try_from(origin).unwrap_or(0))
}

// ---- for programs ----------------------------------------------------------------------------------------------

/// The version is raised when a field changes its meaning or goes.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    scripts: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    over: Option<&'a str>,
    held: bool,
    kind: Option<&'a str>,
    message: Option<String>,
    line: Option<usize>,
    detail: Option<&'a str>,
    notes: &'a [String],
    micros: u128,
}

fn json(verdicts: &[Verdict]) -> Result<String, Failure> {
    let scripts = verdicts.iter().map(|verdict| {
        let trouble = verdict.result.as_ref().err();
        Entry {
            file: &verdict.file,
            over: Some(verdict.over).filter(|over| !over.is_empty()),
            held: trouble.is_none(),
            kind: trouble.map(|trouble| trouble.kind),
            message: trouble.map(|trouble| trouble.error.message.clone()),
            line: trouble.map(|trouble| line(verdict, trouble)),
            detail: trouble.map(|trouble| trouble.error.label.as_str()),
            notes: &verdict.notes,
            micros: verdict.micros,
        }
    });
    let document = Document { version: 1, scripts: scripts.collect() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Counted from 1.
fn line(verdict: &Verdict, trouble: &Trouble) -> usize {
    let before = verdict.text.as_bytes().get(..trouble.error.span.start).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn junit(verdicts: &[Verdict]) -> Result<String, Failure> {
    let mut suite = TestSuite::new("scripts");
    for verdict in verdicts {
        let status = match &verdict.result {
            Ok(()) => TestCaseStatus::success(),
            Err(trouble) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let place = format!("{}:{}", verdict.file, line(verdict, trouble));
                status.set_type(trouble.kind).set_message(trouble.error.message.clone());
                status.set_description(format!("{place}: {}; {}", trouble.error.message, trouble.error.label));
                status
            }
        };
        let name = [verdict.file.as_str(), verdict.over].join(" ");
        let mut case = TestCase::new(name.trim_end(), status);
        case.set_time(Duration::from_micros(u64::try_from(verdict.micros).unwrap_or(u64::MAX)));
        suite.add_test_case(case);
    }
    let mut report = Report::new("adieu script");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format_args!("cannot write {}: {error}; give a path this user may write to", path.display()))
}
