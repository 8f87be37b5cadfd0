//! A detector run against one fault, in a process of its own: a fault may loop for ever, or eat all memory.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::finding::{Finding, read};
use crate::{SWITCH, Trouble};

/// How much a detector may take before it is ended.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space, in kibibytes.
    pub memory: u32,
    /// Seconds of computing.
    pub computing: u32,
    /// However little it computes: who sleeps that long has hung.
    pub patience: Duration,
}

impl Default for Limits {
    /// No detector needs a tenth of it for all its seeds and scopes.
    fn default() -> Self {
        Self { memory: 4 << 20, computing: 300, patience: Duration::from_secs(1800) }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A detector has seen something wrong.
    Caught(Finding),
    /// Nothing was seen.
    Survived,
    /// It did not come to an end. Whether that is the fault's doing or the detector's nobody has said.
    Hung,
    /// It died without a word: out of memory, or out of stack.
    Died(String),
}

/// Runs a detector with a fault switched on, or with none.
pub fn run(detector: &Path, mutation: Option<&str>, limits: &Limits) -> Result<Outcome, Trouble> {
    let mut command = Command::new("sh");
    let Limits { memory, computing, patience } = limits;
    let limited = format!("ulimit -v {memory} 2>/dev/null; ulimit -t {computing} 2>/dev/null; exec \"$0\"");
    command.arg("-c").arg(limited).arg(detector).env_remove(SWITCH).envs(mutation.map(|name| (SWITCH, name)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let broken = |error| Trouble::File(detector.into(), error);
    let mut child = command.spawn().map_err(broken)?;
    let Some(status) = wait(&mut child, *patience).map_err(broken)? else { return Ok(Outcome::Hung) };
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut said).map_err(broken)?;
    }
    if !status.success() {
        return Ok(if is_cut_off(status) { Outcome::Hung } else { Outcome::Died(status.to_string()) });
    }
    let last = said.lines().last().unwrap_or_default();
    match read(last).ok_or_else(|| Trouble::Answer(said.clone()))? {
        Some(finding) => Ok(Outcome::Caught(finding)),
        None => Ok(Outcome::Survived),
    }
}

/// Waits for a child, which says too little to fill its pipe; `None` where it took too long and was killed.
fn wait(child: &mut Child, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the limit on computing has ended it: by SIGXCPU, or by SIGKILL soon after.
#[cfg(unix)]
fn is_cut_off(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    matches!(status.signal(), Some(9 | 24))
}

#[cfg(not(unix))]
fn is_cut_off(_: ExitStatus) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::{env, process};

    use super::*;

    #[test]
    fn a_run_ends_in_one_of_four_ways() {
        let script = env::temp_dir().join(format!("adieu-mutants-{}", process::id()));
        let limits = Limits { computing: 1, patience: Duration::from_secs(20), ..Limits::default() };
        let outcome = |text: &str| {
            fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&script, Permissions::from_mode(0o700)).unwrap();
            run(&script, Some("name-of-a-fault"), &limits)
        };
        let found = Finding { detector: "d".into(), place: "seed 1".into(), id: "INV-1".into(), words: "w".into() };
        assert_eq!(outcome("echo; printf 'found\\td\\tseed 1\\tINV-1\\tw\\n'").unwrap(), Outcome::Caught(found));
        assert_eq!(outcome("[ $ADIEU_MUTANT = name-of-a-fault ] && echo nothing").unwrap(), Outcome::Survived);
        assert_eq!(outcome("while :; do :; done").unwrap(), Outcome::Hung);
        assert!(matches!(outcome("exit 3").unwrap(), Outcome::Died(_)));
        assert!(matches!(outcome("echo what"), Err(Trouble::Answer(_))));
        fs::write(&script, "#!/bin/sh\nexec sleep 60\n").unwrap();
        let brief = Limits { patience: Duration::from_millis(50), ..limits };
        assert_eq!(run(&script, None, &brief).unwrap(), Outcome::Hung);
        fs::remove_file(&script).unwrap();
    }
}
