//! The command, run as a user runs it.

mod common;
mod listen;
mod tour;
