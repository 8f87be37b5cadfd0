//! Network namespaces to run scripts in.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs a shell script in a network and mount namespace of its own, which goes away with it; `$DIR` is an empty
/// directory, and where it begins. Bounded in time.
pub(crate) fn namespace(script: &str, env: &[(&str, String)]) -> Output {
    let dir = TempDir::new();
    let script = format!("set -eu\nip link set lo up\ncd \"$DIR\"\n{script}");
    let mut command = Command::new("unshare");
    // What a failing script leaves running would keep our end of its output open for ever: the first process of its
    // namespace, `timeout`, takes all the others with it.
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.args(["timeout", "--kill-after=5", "150", "bash", "-c", &script]);
    command.env("DIR", &dir.0).envs(env.iter().cloned());
    command.output().expect("coreutils' timeout and util-linux' unshare are here")
}

/// An empty directory that goes away.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("adieu-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Standard output and error as text.
pub(crate) fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}
