//! What came of it, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use adieu_core::Instant;
use adieu_sim::swarm::Report;
use adieu_trace::{Ladder, Style, Trace, human};
use anstyle::{AnsiColor, Style as Ansi};

use super::drawn::{self, hang};
use super::found::Found;
use super::progress::rate;
use super::{Outcome, version};
use crate::args::Sim;
use crate::output::{self, Ink, grouped};
use crate::spec;

/// Lines of a ladder that is shown by its end.
const LADDER: usize = 40;

/// Connections named of a world that failed and was not made smaller.
const TALKS: usize = 8;

/// How to write.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) width: usize,
    pub(super) ascii: bool,
    pub(super) style: Style,
}

impl Look {
    pub(super) fn of(sim: &Sim) -> Self {
        Self { width: output::width(), ascii: sim.ascii, style: output::style(sim.color) }
    }

    pub(super) fn bold(self, text: &str) -> String {
        Ink(self.style).paint(Ansi::new().bold(), text)
    }

    fn ladder(self) -> Ladder {
        Ladder { width: self.width, ascii: self.ascii, style: self.style }
    }
}

/// The counts, then each world that failed.
pub(super) fn page(outcome: &Outcome, sim: &Sim) -> String {
    let look = Look::of(sim);
    let mut text = String::new();
    for found in &outcome.found {
        failure(&mut text, found, look);
        text.push('\n');
    }
    tables(&mut text, &outcome.all.report, look);
    sum(&mut text, outcome, look);
    text
}

/// How many of everything, how fast, and whether all was well.
fn sum(text: &mut String, outcome: &Outcome, look: Look) {
    let Outcome { all, first, jobs, .. } = outcome;
    let (worlds, report) = (all.worlds(), &all.report);
    let worlds_a_minute = rate(worlds, Duration::from_secs(60), all.elapsed) / jobs.get() as u64;
    let connections_a_second = rate(report.connections, Duration::from_secs(1), all.elapsed);
    let threads = many(jobs.get() as u64, "thread");
    let took = human(all.elapsed);
    let pace = format!(
        "{took} on {threads}: {} worlds a minute and thread, {} connections a second",
        grouped(worlds_a_minute),
        grouped(connections_a_second)
    );
    hang(text, "", &pace, look.width);
    let verdict = match all.failed.len() {
        0 => "every promise was kept".to_owned(),
        failed => format!("{} FAILED", grouped(failed as u64)),
    };
    let stopped = if outcome.stopped { "stopped: " } else { "" };
    let counts = format!(
        "{stopped}{} from seed {first}, {}, {}; {verdict}",
        many(worlds, "world"),
        many(report.connections, "connection"),
        many(report.events, "event"),
    );
    hang(text, "", &counts, look.width);
}

/// What was reached, one table after another.
pub(super) fn tables(text: &mut String, report: &Report, look: Look) {
    if !report.endings.is_empty() {
        endings(text, report, look);
        text.push('\n');
    }
}

/// How often an ending came, and in which states.
#[derive(Default)]
struct Row<'a> {
    count: u64,
    states: Vec<(u64, &'a str)>,
}

/// Endings, most frequent first, and the states they came in.
fn endings(text: &mut String, report: &Report, look: Look) {
    let mut rows: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    for ((name, state), count) in &report.endings {
        let row = rows.entry(name).or_default();
        row.count += count;
        row.states.push((*count, state));
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(one, row), (other, next)| next.count.cmp(&row.count).then(one.cmp(other)));
    let longest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let digits = rows.iter().map(|(_, row)| grouped(row.count).len()).max().unwrap_or(0).max("ends".len());
    let head = format!("{:<longest$}  {:>digits$}  in", "ending", "ends");
    text.push_str(&look.bold(&head));
    text.push('\n');
    for (name, Row { count, mut states }) in rows {
        states.sort_by(|one, other| other.cmp(one));
        let states: Vec<String> = states.iter().map(|(count, state)| format!("{state} {}", grouped(*count))).collect();
        _ = write!(text, "{name:<longest$}  {:>digits$}  ", grouped(count));
        let column = longest + digits + 4;
        if column + 30 > look.width {
            _ = write!(text, "\n{:4}", "");
            output::wrap(text, &states.join(", "), 4, look.width);
        } else {
            output::wrap(text, &states.join(", "), column, look.width);
        }
    }
}

/// A world that broke a promise.
fn failure(text: &mut String, found: &Found, look: Look) {
    let red = |text: &str| Ink(look.style).paint(Ansi::new().bold().fg_color(Some(AnsiColor::Red.into())), text);
    let (mark, id) = (if look.ascii { "FAIL" } else { "✗" }, found.id());
    let head = format!("{mark} seed {} breaks {id}", found.seed);
    _ = writeln!(text, "{}", red(&head));
    let meanings = match found.promise.filter(|promise| promise.id() == id) {
        Some(promise) => vec![format!("{id}: {promise} (A promise that nobody makes: --promise {id})")],
        None => spec::meanings(id),
    };
    meanings.iter().for_each(|meaning| hang(text, "  ", meaning, look.width));
    let first = found.text().lines().next().unwrap_or_default();
    let rest = if found.text().lines().count() > 1 { " ... (all of it: --json)" } else { "" };
    hang(text, "  ", &format!("what was seen: {first}{rest}"), look.width);
    if let Some(place) = &found.place {
        hang(text, "  ", &format!("where: {place}"), look.width);
    }
    hang(text, "  ", &format!("with: {}", version()), look.width);
    // A command is to be copied: it is not broken into lines.
    _ = writeln!(text, "  again: {}", look.bold(&found.replay()));
    let Some(broken) = &found.broken else {
        let other = "run again it broke no promise: something besides the seed decides what becomes of it";
        hang(text, "  ", other, look.width);
        return;
    };
    let left = found.pieces - found.without.len();
    let tried = match found.tried {
        0 => String::new(),
        tried => format!(", after {}", many(tried as u64, "smaller world")),
    };
    _ = writeln!(text, "\nWhat is left of the world: {left} of {} pieces{tried}.", found.pieces);
    text.push_str(&drawn::world(&found.plan, TALKS, look.width));
    text.push('\n');
    ladder(text, broken.world.trace(), look);
    if let Some(file) = &found.file {
        _ = writeln!(text, "\nPackets: {}", file.display());
    }
}

/// The end of a ladder, and how much came before.
pub(super) fn ladder(text: &mut String, trace: &Trace, look: Look) {
    let all = trace.events.len();
    if all == 0 {
        text.push_str("The connection it happened to sent nothing.\n");
        return;
    }
    let mut last =
        Trace { events: trace.events[all.saturating_sub(LADDER)..].to_vec(), ..Trace::new(trace.ends.clone()) };
    let mut drawn = look.ladder().draw(&last);
    // Two lines are the names at its head.
    while drawn.lines().count() > LADDER + 2 && !last.events.is_empty() {
        last.events.remove(0);
        drawn = look.ladder().draw(&last);
    }
    let before = all - last.events.len();
    if let Some(first) = last.events.first().filter(|_| before > 0) {
        let (before, since) = (many(before as u64, "event"), human(first.at.since(Instant::ZERO)));
        hang(text, "", &format!("(The end of it, {since} after the world began; {before} came before.)"), look.width);
    }
    text.push_str(&drawn);
}

/// All of a ladder, but for the middles of long runs.
pub(super) fn whole_ladder(text: &mut String, trace: &Trace, look: Look) {
    text.push_str(&look.ladder().draw(&crate::tour::collapse(trace)));
}

/// `1 world`, `1,000 worlds`.
pub(super) fn many(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_a_table_at_any_width() {
        let mut report = Report::default();
        for (name, state, count) in [
            ("graceful-local-first", "TIME-WAIT", 1200),
            ("graceful-local-first", "LAST-ACK", 3),
            ("reset-by-peer", "ESTABLISHED", 40),
        ] {
            report.endings.insert((name, state), count);
        }
        let mut text = String::new();
        endings(&mut text, &report, Look { width: 80, ascii: true, style: Style::Plain });
        let expected = "\
ending                 ends  in
graceful-local-first  1,203  TIME-WAIT 1,200, LAST-ACK 3
reset-by-peer            40  ESTABLISHED 40
";
        assert_eq!(text, expected);
        text.clear();
        endings(&mut text, &report, Look { width: 40, ascii: true, style: Style::Plain });
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
    }
}
