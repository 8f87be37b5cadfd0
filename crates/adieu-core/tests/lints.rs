//! The core's bans bite: a clock and a hash-ordered map are refused by clippy with the reasons in `clippy.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

const GUILTY: &str = r#"
use std::collections::HashMap;

pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

pub fn first(map: &HashMap<u8, u8>) -> Option<u8> {
    for key in map.keys() {
        return Some(*key);
    }
    None
}
"#;

/// A crate with these sources under the core's bans, in a directory that goes away.
struct Fixture(PathBuf);

impl Fixture {
    fn new(name: &str, source: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("adieu-lints-{}-{name}", std::process::id()));
        std::fs::create_dir_all(dir.join("src")).unwrap();
        let manifest = "[package]\nname = \"guilty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
        std::fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(dir.join("src/lib.rs"), source).unwrap();
        let bans = Path::new(env!("CARGO_MANIFEST_DIR")).join("clippy.toml");
        std::fs::copy(bans, dir.join("clippy.toml")).unwrap();
        Self(dir)
    }

    /// What clippy says, and whether it is content.
    fn clippy(&self) -> (bool, String) {
        let mut command = Command::new(env!("CARGO"));
        command.args(["clippy", "--quiet", "--offline", "--", "-D", "warnings", "-D", "clippy::iter_over_hash_type"]);
        command.current_dir(&self.0).env("CARGO_TARGET_DIR", self.0.join("target")).env_remove("RUSTFLAGS");
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_clock_and_hash_order_are_refused_with_their_reasons() {
    let clippy = Command::new(env!("CARGO")).args(["clippy", "--version"]).output();
    if !clippy.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "clippy is required here");
        return eprintln!("skipped: no clippy");
    }
    let (content, said) = Fixture::new("guilty", GUILTY).clippy();
    assert!(!content, "{said}");
    for reason in
        ["a run must be a function of its inputs", "its order differs from run to run", "unordered hash-based type"]
    {
        assert!(said.contains(reason), "{reason:?} in:\n{said}");
    }
    let (content, said) = Fixture::new("innocent", "//! Nothing.\n").clippy();
    assert!(content, "{said}");
}
