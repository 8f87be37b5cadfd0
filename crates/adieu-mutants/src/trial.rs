//! A detector run against one fault, in a process of its own: a fault may loop for ever, or eat all memory.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::finding::{Finding, read};
use crate::{SWITCH, Trouble};

/// Address space of a detector, in kibibytes; none needs a tenth of it.
const MEMORY: u32 = 4 << 20;
/// Seconds of computing; none needs a tenth of them for all its seeds and scopes.
const SECONDS: u32 = 180;
/// However little it computes: who sleeps that long has hung.
const PATIENCE: Duration = Duration::from_secs(900);

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
pub fn run(detector: &Path, mutation: Option<&str>) -> Result<Outcome, Trouble> {
    let mut command = Command::new("sh");
    let limits = format!("ulimit -v {MEMORY} 2>/dev/null; ulimit -t {SECONDS} 2>/dev/null; exec \"$0\" \"$@\"");
    command.arg("-c").arg(limits).arg(detector).env_remove(SWITCH).envs(mutation.map(|name| (SWITCH, name)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let broken = |error| Trouble::File(detector.into(), error);
    let mut child = command.spawn().map_err(broken)?;
    let Some(status) = wait(&mut child).map_err(broken)? else { return Ok(Outcome::Hung) };
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
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > PATIENCE {
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
