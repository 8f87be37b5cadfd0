//! Running the command, and network namespaces to run it in.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs the command with `args`.
pub(crate) fn adieu(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_adieu")).args(args).env_remove("NO_COLOR").output().expect("the command starts")
}

/// Whether a TUN can be made in a namespace of our own. Where it cannot, says so, unless `ADIEU_REQUIRE_TUN=1`
/// demands it.
pub(crate) fn tun_is_here() -> bool {
    let made = namespace("ip link set lo up && test -c /dev/net/tun && ip tuntap add dev probe0 mode tun", &[]);
    let here = made.status.success();
    if !here {
        let why = String::from_utf8_lossy(&made.stderr);
        assert!(std::env::var_os("ADIEU_REQUIRE_TUN").is_none(), "a TUN is required here, and cannot be made: {why}");
        eprintln!("skipped: no /dev/net/tun");
    }
    here
}

/// Runs a shell script in a network and mount namespace of its own, which goes away with it; `$ADIEU` is the command,
/// `$DIR` an empty directory. Bounded in time.
pub(crate) fn namespace(script: &str, env: &[(&str, &str)]) -> Output {
    let dir = TempDir::new();
    let script = format!("set -eu\nip link set lo up\ncd \"$DIR\"\n{script}");
    let mut command = Command::new("timeout");
    command.args(["150", "unshare", "--net", "--mount", "--", "bash", "-c", &script]);
    command.env("ADIEU", env!("CARGO_BIN_EXE_adieu")).env("DIR", &dir.0).envs(env.iter().copied());
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
