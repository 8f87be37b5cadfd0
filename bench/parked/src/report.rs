//! The report, as tables.

use std::fmt::Write;

use serde::Serialize;

use crate::measure::Parked;
use crate::steps::{Step, Summary};

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) records: u32,
    /// How many were parked while another flow's packets were counted.
    pub(crate) parked_beside: [u32; 3],
    pub(crate) rows: Vec<Row>,
    pub(crate) others: Vec<Other>,
}

/// What one kind costs.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) kind: String,
    pub(crate) version: usize,
    /// Bytes of one that we aim at.
    pub(crate) goal: Option<u32>,
    /// Bytes of one in Linux's slab.
    pub(crate) linux: Option<u64>,
    #[serde(flatten)]
    pub(crate) parked: Parked,
}

/// One packet of another flow, and its acknowledgment.
#[derive(Serialize)]
pub(crate) struct Other {
    pub(crate) kind: String,
    pub(crate) instructions: Option<Vec<f64>>,
    pub(crate) nanos: Vec<f64>,
}

pub(crate) fn table(report: &Report) -> String {
    let mut text = format!("{} of each parked, 40,000 a second\n\n", thousands(u64::from(report.records)));
    text += &aligned(&memory(report));
    text += "\n";
    text += &aligned(&others(report));
    text += "\n";
    text += &aligned(&steps(report));
    text += "\nthe longest calls: microseconds on a CPU (by the wall clock; about how many were parked)\n";
    text += &aligned(&longest(report));
    text
}

fn memory(report: &Report) -> Vec<Vec<String>> {
    let mut table = vec![heads(&[
        "memory, bytes each",
        "live",
        "goal",
        "peak",
        "resident",
        "Linux here",
        "left when all had expired, at once, resident",
    ])];
    for row in &report.rows {
        let parked = &row.parked;
        let linux = row.linux.map_or_else(|| "not readable (needs root)".into(), |size| size.to_string());
        let left = parked.over.as_ref().map_or_else(String::new, |over| {
            format!("{}, {}, {} KiB", over.left[0], over.left[1], over.left_resident / 1024)
        });
        let goal = row.goal.map_or_else(String::new, |goal| goal.to_string());
        let [live, peak, resident] = [parked.bytes, parked.peak, parked.resident].map(|bytes| format!("{bytes:.1}"));
        table.push(vec![name(row), live, goal, peak, resident, linux, left]);
    }
    table
}

fn others(report: &Report) -> Vec<Vec<String>> {
    let mut head = heads(&["a packet of another flow, and its ACK"]);
    head.extend(report.parked_beside.iter().map(|n| format!("{} parked", thousands(u64::from(*n)))));
    head.extend(heads(&["ratio", "goal"]));
    let mut table = vec![head];
    for other in &report.others {
        table.push(flatness(&other.kind, "instructions", other.instructions.as_deref()));
        table.push(flatness(&other.kind, "nanoseconds", Some(&other.nanos)));
    }
    table
}

fn flatness(kind: &str, what: &str, each: Option<&[f64]>) -> Vec<String> {
    let mut line = vec![format!("{kind}, {what}")];
    let Some(each) = each else {
        line.push("not counted (needs valgrind)".into());
        return line;
    };
    line.extend(each.iter().map(|n| thousands(n.round() as u64)));
    let ratio = each.iter().copied().fold(0.0, f64::max) / each.first().copied().unwrap_or_default();
    line.extend([format!("{ratio:.2}"), "1.3".into()]);
    line
}

fn steps(report: &Report) -> Vec<Vec<String>> {
    let mut table = vec![heads(&[
        "longest call, us",
        "growing",
        "99.99 %",
        "goal",
        "expiring, 1 ms a step",
        "99.99 %",
        "goal",
        "all at once",
    ])];
    for row in &report.rows {
        let growing = &row.parked.growing;
        let mut line = vec![name(row), most(growing), within(growing), "5,000".into()];
        if let Some(over) = &row.parked.over {
            let at_once = thousands(over.at_once.micros.round() as u64);
            line.extend([most(&over.draining), within(&over.draining), "5,000".into(), at_once]);
        }
        table.push(line);
    }
    table
}

fn longest(report: &Report) -> Vec<Vec<String>> {
    let mut table = Vec::new();
    for row in &report.rows {
        let draining = row.parked.over.as_ref().map(|over| ("expiring", &over.draining));
        for (phase, summary) in [("growing", &row.parked.growing)].into_iter().chain(draining) {
            let mut line = vec![format!("{} {phase}", name(row))];
            line.extend(summary.longest.iter().map(step));
            table.push(line);
        }
    }
    table
}

fn heads(heads: &[&str]) -> Vec<String> {
    heads.iter().map(|head| (*head).to_owned()).collect()
}

fn name(row: &Row) -> String {
    format!("{}, IPv{}", row.kind, row.version)
}

fn most(summary: &Summary) -> String {
    summary.longest.first().map_or_else(String::new, |step| thousands(step.micros.round() as u64))
}

fn within(summary: &Summary) -> String {
    format!("{:.1}", summary.percentile_99_99)
}

fn step(step: &Step) -> String {
    let [cpu, wall] = [step.micros, step.wall].map(|micros| thousands(micros.round() as u64));
    format!("{} {cpu} ({wall}; {})", step.call, thousands(u64::from(step.parked)))
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first column to the left, the others to the right; the widest cell of a column says how wide it is.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| table.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if at == 0 { write!(line, "{cell:width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
