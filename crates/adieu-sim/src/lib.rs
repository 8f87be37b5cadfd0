//! The world adieu is tried in: two hosts and a wire, under one virtual clock and one seed.
//!
//! A [`World`] runs the shipped stack, not a model of it. The same seed and the same calls give the same run, to the
//! nanosecond. Its last assertion is [`World::assert_nothing_left`]: no connection, no timer, no byte, no port.

mod aim;
mod bottleneck;
mod budget;
mod capture;
mod clock;
pub mod coverage;
mod device;
mod faults;
mod forged;
mod goal;
mod host;
mod icmp;
mod life;
mod nat;
mod path;
mod rules;
mod sightings;
pub mod swarm;
mod wire;
mod world;

pub use aim::{Aimed, Number};
pub use bottleneck::Bottleneck;
pub use budget::Budget;
pub use capture::Keep;
pub use device::Device;
pub use faults::{Class, Deed, Fault, Strikes};
pub use forged::Forged;
pub use goal::Goal;
pub use host::{Heard, Host};
pub use icmp::IcmpError;
pub use life::Legacy;
pub use nat::{Forgotten, Nat};
pub use path::{LinkDown, Narrow, Path, TooBig};
pub use rules::{Rule, Sight, Verdict};
pub use wire::Wire;
pub use world::{Happened, Occurrence, Quote, Setup, Summary, World};
