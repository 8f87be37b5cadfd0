//! Running the command, on its own and in a script.

use std::process::{Command, Output};

use crate::sandbox;
pub(crate) use crate::sandbox::{TempDir, texts};

/// Runs the command with `args`.
pub(crate) fn adieu(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_adieu")).args(args).env_remove("NO_COLOR").output().expect("the command starts")
}

/// [`sandbox::namespace`] with `$ADIEU`, the command.
pub(crate) fn namespace(script: &str, env: &[(&str, String)]) -> Output {
    let command = ("ADIEU", env!("CARGO_BIN_EXE_adieu").to_owned());
    sandbox::namespace(script, &[env, &[command]].concat())
}
