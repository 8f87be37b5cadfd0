//! A world that breaks a promise: made smaller, run once more, its packets kept.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use adieu_sim::Keep;
use adieu_sim::swarm::{Failure as Broken, Plan, Promise, id, retrace, shrink_plan, try_run};
use adieu_trace::{Run, Trace, pcapng};

use super::places::Places;
use super::progress::Progress;
use super::{quiet, stop};
use crate::args::Sim;
use crate::failure::Failure;

/// Worlds tried at most, to make one smaller.
const TRIES: usize = 600;

/// Packets written at most, the last ones.
const PACKETS: usize = 50_000;

/// Captures of one seed in one directory.
const FILES: u32 = 1000;

pub(super) struct Found {
    pub(super) seed: u64,
    /// The promise it broke, as it was said when that was found.
    pub(super) what: String,
    /// Places of the pieces that were left out, then or before.
    pub(super) without: Vec<usize>,
    pub(super) promise: Option<Promise>,
    /// What is left.
    pub(super) plan: Plan,
    /// How many pieces the seed draws.
    pub(super) pieces: usize,
    /// How many worlds were tried to make it smaller.
    pub(super) tried: usize,
    /// The last run, with its trace; `None` where that broke no promise.
    pub(super) broken: Option<Broken>,
    /// Where in the code.
    pub(super) place: Option<String>,
    pub(super) file: Option<PathBuf>,
}

impl Found {
    /// Looks at a world that broke a promise, and `what` it said.
    pub(super) fn examine(
        sim: &Sim,
        seed: u64,
        whole: &Plan,
        what: &str,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let pieces = whole.parts().len();
        let without = sim.without.as_ref().map(|places| places.of(pieces)).transpose()?.unwrap_or_default();
        let mut found = Self {
            seed,
            what: what.to_owned(),
            promise: sim.promise,
            plan: whole.without(&without),
            without,
            pieces,
            tried: 0,
            broken: None,
            place: None,
            file: None,
        };
        // What has pieces left out comes from an earlier run that has made it smaller.
        let failure = if sim.no_shrink || !found.without.is_empty() {
            try_run(&found.plan).err()
        } else {
            found.shrink(whole, progress)
        };
        let keep = Keep::last(PACKETS);
        found.broken = failure.and_then(|failure| retrace(&found.plan, &failure, keep));
        found.place = quiet::place().filter(|_| found.broken.is_some());
        if let Some(broken) = &found.broken {
            found.file = Some(write(&sim.output, seed, id(what), &broken.world.captured())?);
        }
        Ok(found)
    }

    fn shrink(&mut self, whole: &Plan, progress: &Progress) -> Option<Broken> {
        let (seed, what) = (self.seed, &self.what);
        let shrunk = shrink_plan(whole, TRIES, |tried, left| {
            progress.shrinks(seed, what, [tried, TRIES], left);
            if stop::asked().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        (self.without, self.plan, self.tried) = (shrunk.without, shrunk.plan, shrunk.tried);
        Some(shrunk.failure)
    }

    /// The requirement, or the false promise.
    pub(super) fn id(&self) -> &str {
        self.broken.as_ref().map_or_else(|| id(&self.what), Broken::id)
    }

    /// All that was said of it, the last time.
    pub(super) fn text(&self) -> &str {
        self.broken.as_ref().map_or(&self.what, |broken| &broken.what)
    }

    /// What is to be typed to see it again.
    pub(super) fn replay(&self) -> String {
        let mut command = format!("adieu sim --seed {}", self.seed);
        if !self.without.is_empty() {
            command += &format!(" --without {}", Places::from(self.without.as_slice()));
        }
        if let Some(promise) = self.promise {
            command += &format!(" --promise {}", promise.id());
        }
        command
    }
}

/// Writes a capture beside whatever is there already.
fn write(dir: &Path, seed: u64, id: &str, captured: &Trace) -> Result<PathBuf, Failure> {
    let name = format!("seed {seed}");
    let origin = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let title = format!("breaks {id}");
    let run = Run { name: &name, title: &title, trace: captured };
    let bytes = pcapng(&[run], u64::try_from(origin).unwrap_or(0));
    for number in 1..=FILES {
        let file = match number {
            1 => format!("adieu-sim-{seed}.pcapng"),
            _ => format!("adieu-sim-{seed}-{number}.pcapng"),
        };
        let path = dir.join(file);
        match File::create_new(&path).and_then(|mut file| file.write_all(&bytes)) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::usage(format_args!("cannot write {}: {error}", path.display()))),
        }
    }
    let dir = dir.display();
    Err(Failure::usage(format_args!("{dir} has {FILES} captures of seed {seed}; take some away")))
}
