//! Errors for people: one sentence on standard error, and exit code 2.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// What was asked for cannot be done: a mistake in the command, or something the machine lacks.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// Exit code of a check that failed, or a connection that did not end gracefully.
pub(crate) const NOT_GRACEFUL: u8 = 1;
const USAGE_OR_ENVIRONMENT: u8 = 2;

impl Failure {
    pub(crate) fn usage(sentence: impl Display) -> Self {
        Self(sentence.to_string())
    }

    pub(crate) fn report(&self) -> ExitCode {
        notice(format_args!("adieu: {}", self.0));
        ExitCode::from(USAGE_OR_ENVIRONMENT)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// A line on standard error. Where nobody reads it there is nobody to tell: `eprintln!` would panic.
pub(crate) fn notice(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
