//! Laws that hold in the instant of an event, each with the ids of its requirement.

mod ports;

pub(super) use ports::Ports;
