//! What can befall packets, paths and hosts in the simulated world (4.8): each fault does what it says, and no more.

#[path = "faults/aimed.rs"]
mod aimed;
#[path = "faults/captured.rs"]
mod captured;
#[path = "faults/classes.rs"]
mod classes;
#[path = "faults/common.rs"]
mod common;
#[path = "faults/hosts.rs"]
mod hosts;
#[path = "faults/icmp.rs"]
mod icmp;
#[path = "faults/memory.rs"]
mod memory;
#[path = "faults/middlebox.rs"]
mod middlebox;
#[path = "faults/path.rs"]
mod path;
