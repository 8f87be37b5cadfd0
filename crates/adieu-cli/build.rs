//! Tells `adieu` which commit it was built from, where that is known: a seed means the same world only there.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=ADIEU_COMMIT");
    // A list of what has been checked out and committed here; without it nothing is known, and nothing is watched.
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.git/logs/HEAD");
    println!("cargo:rerun-if-changed={}", if log.exists() { log.display().to_string() } else { "build.rs".into() });
    if std::env::var_os("ADIEU_COMMIT").is_none()
        && log.exists()
        && let Some(commit) = commit()
    {
        println!("cargo:rustc-env=ADIEU_COMMIT={commit}");
    }
}

/// The short name of the commit, with `-dirty` behind it where files differ from it.
fn commit() -> Option<String> {
    let described =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]).output();
    let described = described.ok().filter(|output| output.status.success())?;
    let commit = String::from_utf8(described.stdout).ok()?;
    Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
}
