//! `--mutants`: whether the scripts would notice a fault.

use std::process::ExitCode;

use adieu_script::mutate::mutants;
use adieu_script::run::Family;
use adieu_script::{Defines, Settings, parse, run};

use super::find::Source;
use crate::failure::{Failure, NOT_GRACEFUL};

/// Of a hundred mutants, this many must fail.
const NEEDED: usize = 99;

/// Runs every mutant of every script, and reports those that hold all the same.
pub(crate) fn run_mutants(
    sources: &[Source],
    families: &[Option<Family>],
    settings: &Settings,
    defines: &Defines,
) -> Result<ExitCode, Failure> {
    let (mut all, mut survivors) = (0, 0);
    for source in sources {
        for family in families {
            let script = parse(&source.text, &defines.over(*family))
                .map_err(|error| Failure::usage(format_args!("{}: {error}", source.name)))?;
            let settings = Settings { family: *family, strict: true, ..settings.clone() };
            if let Err(failure) = run(&script, &settings) {
                let name = &source.name;
                return Err(Failure::usage(format_args!("{name} does not hold itself: {}", failure.message)));
            }
            for mutant in mutants(&script) {
                all += 1;
                if run(&mutant.script, &settings).is_ok() {
                    survivors += 1;
                    let line = 1 + source.text[..mutant.span.start].matches('\n').count();
                    anstream::println!("survives: {}:{line}: {}", source.name, mutant.what);
                }
            }
        }
    }
    let caught = all - survivors;
    let scripts = sources.len();
    anstream::println!("{scripts} scripts, {all} mutants: {caught} fail as they must, {survivors} survive");
    let enough = caught * 100 >= all * NEEDED;
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}
