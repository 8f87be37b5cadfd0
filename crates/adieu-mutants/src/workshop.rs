//! The copy of the workspace: the faults in its core, and the detector program that is built from it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Trouble;
use crate::catalogue::Mutation;
use crate::schemata::{MODULE, module, weave_all};

/// The program that runs the detectors.
pub const DETECTOR: &str = "adieu-detect";

const CORE: &str = "crates/adieu-core/src";

/// Makes the copy of `workspace` in `place`, with all of `mutations` in it, and builds its detector; where that is.
/// What has not changed is left as it is, so that cargo does not build it again.
pub fn build(workspace: &Path, place: &Path, mutations: &[Mutation]) -> Result<PathBuf, Trouble> {
    let source = place.join("src");
    copy(workspace, &source, mutations)?;
    compile(&source, &place.join("target"))
}

fn copy(workspace: &Path, to: &Path, mutations: &[Mutation]) -> Result<(), Trouble> {
    let read = |file: &Path| fs::read(workspace.join(file)).map_err(|error| Trouble::File(file.into(), error));
    let text = |file: &str| {
        let file = Path::new(CORE).join(file);
        fs::read_to_string(workspace.join(&file)).map_err(|error| Trouble::File(file, error))
    };
    let woven = weave_all(mutations, text)?;
    let woven = |file: &Path| file.strip_prefix(CORE).ok().and_then(|file| woven.get(file.to_str()?));
    let root = Path::new(CORE).join("lib.rs");
    let knows = Path::new(CORE).join(MODULE).with_extension("rs");
    let mut files = BTreeSet::from(["Cargo.toml".into(), "Cargo.lock".into()]);
    list(workspace, Path::new("crates"), &mut files)?;
    for file in &files {
        let mut bytes = match woven(file) {
            Some(text) => text.clone().into_bytes(),
            None => read(file)?,
        };
        if *file == root {
            bytes.extend_from_slice(format!("\nmod {MODULE};\n").as_bytes());
        }
        write(&to.join(file), &bytes)?;
    }
    write(&to.join(&knows), module(mutations).as_bytes())?;
    files.insert(knows);
    let mut there = BTreeSet::new();
    list(to, Path::new("crates"), &mut there)?;
    for stale in there.difference(&files) {
        fs::remove_file(to.join(stale)).map_err(|error| Trouble::File(stale.clone(), error))?;
    }
    Ok(())
}

/// The files below `directory`, which is below `root`.
fn list(root: &Path, directory: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Trouble> {
    let broken = |error| Trouble::File(root.join(directory), error);
    for entry in fs::read_dir(root.join(directory)).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path = directory.join(entry.file_name());
        let name = entry.file_name();
        if entry.file_type().map_err(broken)?.is_dir() {
            if name != "target" {
                list(root, &path, files)?;
            }
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// Writes a file if it is not there as it should be.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| Trouble::File(path.into(), error))
}

/// As shipped, but quicker to build: the checks that the core makes of itself in debug builds are off, so that what is
/// found is found from outside.
const PROFILE: [&str; 6] = [
    "profile.release.lto=false",
    "profile.release.codegen-units=16",
    "profile.release.debug=false",
    "profile.release.debug-assertions=false",
    "profile.release.incremental=true",
    // A branch in the middle of an expression is no beauty, and nobody reads it.
    "build.rustflags=[\"-Awarnings\"]",
];

fn compile(source: &Path, target: &Path) -> Result<PathBuf, Trouble> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--locked", "--offline", "--package", "adieu-mutants", "--example", DETECTOR]);
    command.args(PROFILE.into_iter().flat_map(|setting| ["--config", setting]));
    command.arg("--target-dir").arg(target).current_dir(source).stdin(Stdio::null());
    // What the cargo that runs us was told is not meant for this one.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let cargo = text.starts_with("CARGO") && text != "CARGO_HOME";
        if cargo || text.starts_with("RUSTC") || text.starts_with("RUSTFLAGS") || text == "RUSTDOCFLAGS" {
            command.env_remove(&name);
        }
    }
    let output = command.output();
    let failed = |log| {
        let words: Vec<_> =
            [command.get_program()].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
        Trouble::Build { command: format!("in {}: {}", source.display(), words.join(" ")), log }
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(target.join("release/examples").join(DETECTOR).with_extension(env::consts::EXE_EXTENSION))
}
