//! Ctrl-C and SIGTERM: the first stops the run, the second ends the command at once.

use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

/// The exit code of the signal that came; 0 before one has come.
static CODE: AtomicU8 = AtomicU8::new(0);

/// Signals stop the run from now on. Where they cannot be heard they end the command, as ever.
pub(super) fn listen() {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(hear()))
    });
}

#[cfg(unix)]
async fn hear() {
    let Ok(mut signals) = crate::signals::Signals::new() else { return };
    loop {
        came(if signals.next().await == "SIGINT" { 130 } else { 143 });
    }
}

#[cfg(not(unix))]
async fn hear() {
    while tokio::signal::ctrl_c().await.is_ok() {
        came(130);
    }
}

fn came(code: u8) {
    if CODE.swap(code, Ordering::Relaxed) != 0 {
        std::process::exit(code.into());
    }
}

/// The exit code for the signal, if one has come.
pub(super) fn asked() -> Option<u8> {
    Some(CODE.load(Ordering::Relaxed)).filter(|code| *code != 0)
}
