//! The world adieu is tried in: two hosts and a wire, under one virtual clock and one seed.
//!
//! A [`World`] runs the shipped stack, not a model of it. The same seed and the same calls give the same run, to the
//! nanosecond. Its last assertion is [`World::assert_nothing_left`]: no connection, no timer, no byte, no port.

pub mod coverage;
mod device;
mod forged;
mod goal;
mod host;
mod rules;
pub mod swarm;
mod wire;
mod world;

pub use device::Device;
pub use forged::Forged;
pub use goal::Goal;
pub use host::{Heard, Host};
pub use rules::{Rule, Sight, Verdict};
pub use wire::Wire;
pub use world::{Happened, Occurrence, Setup, Summary, World};
