//! Each seeded fault is found by a detector, and none is found where there is none.
//!
//! `cargo test -p adieu-mutants --test mutants fin-` tries those with `fin-` in their names; the page is looked at only
//! when all have been tried. Those of which the catalogue says that nobody finds them yet are ignored;
//! `-- --include-ignored` looks whether that is still so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use adieu_mutants::catalogue::{self, Mutation};
use adieu_mutants::trial::{self, Limits, Outcome};
use adieu_mutants::{SEEDS, Trouble, page, workshop};
use libtest_mimic::{Arguments, Failed, Trial};

/// What all trials share.
struct Bench {
    mutations: Vec<Mutation>,
    detector: PathBuf,
    outcomes: Mutex<BTreeMap<String, Outcome>>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The detector with the faults in it; who only lists the trials needs none.
fn detector(arguments: &Arguments, mutations: &[Mutation]) -> Result<PathBuf, Trouble> {
    if arguments.list {
        return Ok(PathBuf::new());
    }
    println!("building a copy of the core with {} faults in it", mutations.len());
    workshop::build(&workspace(), &Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"), mutations)
}

impl Bench {
    fn attempt(&self, mutation: Option<&Mutation>) -> Result<Outcome, Failed> {
        let name = mutation.map(|mutation| mutation.name.as_str());
        let outcome = trial::run(&self.detector, name, &Limits::default())?;
        if let Some(name) = name {
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.insert(name.to_owned(), outcome.clone());
        }
        Ok(outcome)
    }
}

/// Without a fault nothing is found, over the same seeds and scopes.
fn control(bench: &Bench) -> Result<(), Failed> {
    match bench.attempt(None)? {
        Outcome::Survived => Ok(()),
        outcome => Err(format!("something is found where there is no fault: {outcome:?}").into()),
    }
}

/// Each fault is found; one of which the catalogue says that it is not, is not.
fn is_found(bench: &Bench, mutation: &Mutation) -> Result<(), Failed> {
    let outcome = bench.attempt(Some(mutation))?;
    match (&outcome, &mutation.missed) {
        (Outcome::Caught(_), None) => Ok(()),
        (Outcome::Caught(finding), Some(_)) => {
            Err(format!("it is found now; take `missed` out of the catalogue: {finding}").into())
        }
        (_, Some(_)) => Ok(()),
        (Outcome::Survived, None) => Err(format!("found by nobody, within {SEEDS} seeds: {}", mutation.words).into()),
        (Outcome::Hung, None) => Err("the detector hangs, and should say so".into()),
        (Outcome::Died(how), None) => Err(format!("the detector dies, and should say why: {how}").into()),
    }
}

fn main() -> ExitCode {
    tried().unwrap_or_else(|trouble| {
        eprintln!("{trouble}");
        ExitCode::FAILURE
    })
}

fn tried() -> Result<ExitCode, Trouble> {
    let arguments = Arguments::from_args();
    let groups = catalogue::groups()?;
    let mutations = catalogue::all()?;
    let detector = detector(&arguments, &mutations)?;
    let bench = Arc::new(Bench { mutations, detector, outcomes: Mutex::default() });
    let shared = Arc::clone(&bench);
    let mut trials = vec![Trial::test("control", move || control(&shared))];
    for mutation in bench.mutations.clone() {
        let shared = Arc::clone(&bench);
        let (name, missed) = (mutation.name.clone(), mutation.missed.is_some());
        trials.push(Trial::test(name, move || is_found(&shared, &mutation)).with_ignored_flag(missed));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() {
        return Ok(conclusion.exit_code());
    }
    let outcomes = bench.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let tried = |mutation: &Mutation| mutation.missed.is_some() || outcomes.contains_key(&mutation.name);
    if bench.mutations.iter().all(tried) && !page::is_current(&workspace(), &page::page(&groups, &outcomes)) {
        eprintln!("docs/mutations.md is not what was found: run this test with ADIEU_BLESS=1");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
