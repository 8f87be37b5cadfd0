//! Seeded faults in the close path, one at a time, and the demand that a detector finds each (section 4.7).
//!
//! A test suite that passes says that it found nothing; this says that it would have. The shipped core has no hooks for
//! it: the faults are data (`mutations/*.toml`), and at test time a copy of the workspace is made in which each of them
//! is a branch ([`schemata`]). The copy is built once ([`workshop`]), and its detector program runs once for each fault
//! ([`trial`]), told by the environment which one to switch on. What found what stands in `docs/mutations.md`
//! ([`page`]).
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod finding;
pub mod page;
pub mod schemata;
pub mod trial;
pub mod workshop;

use std::io;
use std::path::PathBuf;

/// Names the fault that is switched on in a detector of the copy; none where it is not set.
pub const SWITCH: &str = "ADIEU_MUTANT";

/// Seeds of the simulator that a fault has to show itself within.
pub const SEEDS: u64 = 3000;

/// Why the faults could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file of faults does not say what it must.
    #[error("mutations/{file}: {what}")]
    Catalogue {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The text that a fault replaces is not there any more, or not only once.
    #[error("{mutation}: crates/adieu-core/src/{file} holds this {times} times, and must once:\n{text}")]
    Lost {
        /// The fault's name.
        mutation: String,
        /// The file it is for.
        file: String,
        /// What it looks for.
        text: String,
        /// How often that is there.
        times: usize,
    },
    /// Two faults replace texts that overlap, neither of which holds the other.
    #[error("{0} and {1} replace texts that overlap")]
    Overlap(String, String),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// The copy does not build.
    #[error("the copy with the faults in it does not build: {command}\n{log}")]
    Build {
        /// What was run.
        command: String,
        /// What it said.
        log: String,
    },
    /// A detector said something that it must not.
    #[error("the detector said {0:?}")]
    Answer(String),
}
