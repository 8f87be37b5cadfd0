//! The command, run as a user runs it.

mod common;
mod connect;
mod listen;
mod peers;
mod real;
mod rootless;
mod signals;
mod tour;
