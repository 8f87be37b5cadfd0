//! The command given with `--exec`: the peer, or whoever makes one.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::failure::notice;
use crate::signals::Signals;

/// How long a command that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the command finds in its environment.
pub(crate) struct Environment<'a> {
    /// The stack's own address.
    pub(crate) addr: IpAddr,
    /// This host's address on the same link.
    pub(crate) kernel: IpAddr,
    /// The port that is listened at, or connected to.
    pub(crate) port: u16,
    /// The interface.
    pub(crate) tun: &'a str,
}

/// A command that runs beside the connection, in a process group of its own so that Ctrl-C reaches us first. Dropped,
/// it is told to end.
pub(crate) struct Exec {
    child: Child,
    status: Option<ExitStatus>,
}

impl Exec {
    /// Starts `command` with `sh -c`. Our standard input and output belong to the connection: its input is empty, and
    /// its output goes to standard error.
    pub(crate) fn start(command: &str, environment: &Environment<'_>) -> io::Result<Self> {
        let output = Stdio::from(io::stderr().as_fd().try_clone_to_owned()?);
        let child = Command::new("sh")
            .args(["-c", command])
            .env("ADIEU_ADDR", environment.addr.to_string())
            .env("ADIEU_KERNEL", environment.kernel.to_string())
            .env("ADIEU_PORT", environment.port.to_string())
            .env("ADIEU_TUN", environment.tun)
            .stdin(Stdio::null())
            .stdout(output)
            .process_group(0)
            .spawn()?;
        Ok(Self { child, status: None })
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Waits until it ends. Cancel-safe.
    pub(crate) async fn ended(&mut self) {
        if self.status.is_none() {
            self.status = self.child.wait().await.ok();
        }
    }

    /// Waits until it ends by itself, for as long as `patience` says or until a signal comes; then tells it to end.
    /// Whether it was well: it succeeded, or ended because it was told to.
    pub(crate) async fn finish(mut self, signals: &mut Signals, patience: Option<Duration>) -> bool {
        let enough = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => {
                    signals.next().await;
                }
            }
        };
        tokio::select! {
            biased;
            () = self.ended() => {}
            () = enough => {
                self.tell(Signal::TERM);
                if tokio::time::timeout(PATIENCE, self.ended()).await.is_err() {
                    self.tell(Signal::KILL);
                    self.ended().await;
                }
                return true;
            }
        }
        match self.status {
            Some(status) if status.success() => true,
            Some(status) => {
                notice(format_args!("adieu: the command of --exec failed: {status}"));
                false
            }
            None => false,
        }
    }

    /// Sends a signal to the command and what it has started, unless it is known to have ended.
    fn tell(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let (None, Some(pid)) = (self.status, pid) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.tell(Signal::TERM);
    }
}

/// Waits until the command ends; for ever where there is none.
pub(crate) async fn ended(exec: &mut Option<Exec>) {
    match exec {
        Some(exec) => exec.ended().await,
        None => std::future::pending().await,
    }
}
