//! Packet scripts: timed lines of system calls, packets that come in and packets that are expected, in the language of
//! packetdrill, run on the shipped stack in virtual time, or on another system in its own.

pub mod ast;
mod error;
pub mod mutate;
pub mod parse;
pub mod run;

pub use error::ScriptError;
pub use parse::{Defines, parse};
pub use run::{Failure, Report, Settings, run};
