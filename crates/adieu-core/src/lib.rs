//! The protocol core of adieu: TCP, and as much IP and ICMP as TCP needs.
//!
//! Sans-IO: no clock, no randomness, no threads, no sockets. Time comes in as an argument, secrets come in once,
//! packets come in and go out as values. So a run is a function of its inputs, and the code that ships can be
//! simulated, model-checked and replayed.
//!
//! Where to look first:
//! * how a connection closes: [`connection::close`], one page to hold against RFC 9293's state diagram;
//! * how a connection ended: [`Ending`] and [`Receipt`];
//! * how a segment travels: [`Stack::handle_packet`] -> [`Connection::handle_segment`] -> the steps of RFC 9293
//!   section 3.10.7.4, and [`Stack::poll_transmit`] -> [`Connection::poll_transmit`] on the way out;
//! * what can be set: [`Config`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bytequeue;
mod config;
pub mod connection;
mod cookie;
mod digest;
mod fin_wait_2;
mod info;
mod listener;
mod opening;
mod ports;
mod reset;
mod secrets;
mod seq;
mod settings;
mod stack;
mod time;
mod time_wait;
pub mod wire;

pub use config::{Algorithm, Config};
pub use connection::close::{Closer, State};
pub use connection::ending::{Cause, Ending, Limit, Order, Phase, Receipt, RecvSide, Released, SendSide, Spent};
pub use connection::{Connection, DrainBudget, Events, ReadError, Transmit, Unwanted, WriteError};
pub use info::{Info, RecoveryState};
pub use secrets::Secrets;
pub use seq::{Offset, Seq};
pub use settings::{Keepalive, Settings};
pub use stack::{
    Armed, BindError, CarryError, ConnectError, Endings, Flow, FlowState, FlowView, Glance, HandleId, Imported,
    Leaving, Leftover, ListenerId, Numbers, Outgoing, Outlook, PortUsage, Stack, Stats, Warning,
};
pub use time::{Duration, Instant};
