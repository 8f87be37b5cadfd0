//! Model checking of the code that ships.
//!
//! A state of the model is two real [`Stack`](adieu_core::Stack)s, each with its own clock, the packets between them,
//! and what must be remembered of both applications to judge them. Nothing is abstracted: every packet is bytes that go
//! through the parser and the checksum, numbers have 32 bits and begin just before they wrap. What keeps the number of
//! states finite is the [`Scope`]: few calls, few bytes, few losses, constant timers. Within a scope *everything* that
//! can happen is looked at: every call at every moment, every order of arrival, every timer whenever it is armed. The
//! clocks are independent, so a timer of one end may fire however little the other has aged: every delay is covered.
//!
//! [`check`] does it and says what it found: an [`Outcome`]. States are told apart by
//! [`Stack::digest`](adieu_core::Stack::digest).
#![forbid(unsafe_code)]

mod action;
mod check;
mod counterexample;
mod end;
mod endings;
mod joint;
mod rules;
mod scope;
mod seen;
mod state;
mod step;

pub use check::{Limits, Outcome, Progress, check, check_with};
pub use counterexample::Counterexample;
pub use endings::{Kind, Pair, why_not};
pub use joint::{Joint, STATES, Weather, added, allowed};
pub use scope::{Calls, FORGED, Part, RTO, SCOPES, Scope, TIME_WAIT, Wire, base};
pub use state::Fault;
