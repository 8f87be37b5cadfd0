//! The scenarios that can be staged with the kernel's TCP as the other end.

use std::pin::Pin;

use super::setup::Setup;
use super::stage::Stage;
use super::{abrupt, alone, exit, lost, orderly, time_wait};
use crate::args::Role::{self, Client, Server};

/// One way a connection ends. A name that the tour in memory has, too, means the same there.
pub(in crate::tour) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What adieu can be.
    pub(super) roles: &'static [Role],
    pub(super) prepare: fn(&mut Setup),
    pub(super) run: for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

const BOTH: &[Role] = &[Client, Server];

const fn nothing(_: &mut Setup) {}

macro_rules! scenario {
    ($name:literal, $title:literal, $run:path) => {
        scenario!($name, $title, $run, BOTH, nothing)
    };
    ($name:literal, $title:literal, $run:path, $roles:expr) => {
        scenario!($name, $title, $run, $roles, nothing)
    };
    ($name:literal, $title:literal, $run:path, $roles:expr, $prepare:path) => {
        Scenario { name: $name, title: $title, roles: $roles, prepare: $prepare, run: |stage| Box::pin($run(stage)) }
    };
}

/// All of them, in the order of the tour.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario!("four-way", "the client closes first; the server says a last word, then closes too", orderly::four_way),
    scenario!("server-first", "the server closes first, and waits", orderly::server_first),
    scenario!(
        "three-segments",
        "the goodbye in three segments: the server's FIN goes with its ACK of the client's",
        orderly::three_segments
    ),
    scenario!("last-words", "the FIN rides on the last data", orderly::last_words),
    scenario!(
        "half-close-client",
        "the client is done; the server sends 1,000,000 bytes, then closes",
        orderly::half_close_client
    ),
    scenario!(
        "half-close-server",
        "the server is done; the client sends 1,000,000 bytes, then closes",
        orderly::half_close_server
    ),
    scenario!(
        "program-exit",
        "a program of ours ends, and with it connections in five different situations",
        exit::program_exit
    ),
    scenario!("simultaneous", "both close at once, and their FINs cross", orderly::simultaneous),
    scenario!(
        "simultaneous-open",
        "both connect to each other at once, then close at once",
        orderly::simultaneous_open
    ),
    scenario!("lost-fin", "the first FIN is lost", lost::lost_fin),
    scenario!("lost-ack-of-fin", "the ACK of the first FIN is lost", lost::lost_ack_of_fin),
    scenario!("lost-last-ack", "the last ACK is lost: TIME-WAIT answers the repeated FIN", lost::lost_last_ack),
    scenario!("fin-overtakes-data", "the FIN arrives before the data it follows", lost::fin_overtakes_data),
    scenario!("time-wait", "TIME-WAIT lasts; then port and memory are free", time_wait::time_wait),
    scenario!(
        "time-wait-refuses-port",
        "a port in TIME-WAIT cannot connect again to the same peer; another can",
        time_wait::refuses_port,
        BOTH,
        time_wait::longer
    ),
    scenario!(
        "time-wait-reopened",
        "a SYN that can only be new opens a connection from TIME-WAIT",
        time_wait::reopened,
        BOTH,
        time_wait::longer
    ),
    scenario!(
        "old-duplicate",
        "a segment that was under way all the time meets our TIME-WAIT, and does no harm",
        time_wait::old_duplicate,
        &[Client],
        time_wait::longer
    ),
    scenario!(
        "assassination",
        "an old segment ends Linux's TIME-WAIT: the hazard that RFC 1337 describes",
        time_wait::assassination,
        &[Server]
    ),
    scenario!(
        "reset-ignored-in-time-wait",
        "a reset does not end TIME-WAIT",
        time_wait::reset_ignored,
        BOTH,
        time_wait::rfc1337
    ),
    scenario!("abort", "the client gives up, with a reset", abrupt::abort),
    scenario!(
        "close-unread",
        "the client closes without having read what came: a reset, not a FIN",
        abrupt::close_unread
    ),
    scenario!(
        "data-after-close",
        "the server sends to a client that has closed for good: a reset",
        abrupt::data_after_close
    ),
    scenario!("linger-zero", "close with a linger time of 0: a reset", abrupt::linger_zero),
    scenario!("spoofed-reset", "a stranger's reset is not believed", abrupt::spoofed_reset),
    scenario!("refused", "nobody listens", abrupt::refused),
    scenario!("connect-cancelled", "the client closes before the server has answered", abrupt::connect_cancelled),
    scenario!("peer-forgot", "the server's host loses its power, and comes back knowing nothing", abrupt::peer_forgot),
    scenario!(
        "fin-wait-2-abandoned",
        "the server never closes: the client's FIN-WAIT-2 ends by itself",
        alone::fin_wait_2_abandoned,
        BOTH,
        alone::short_fin_wait_2
    ),
    scenario!(
        "last-ack-never-comes",
        "the server's FIN is never acknowledged: its LAST-ACK ends by itself",
        alone::last_ack_never_comes,
        BOTH,
        alone::few_retries
    ),
    scenario!("no-answer", "nobody answers the SYN", alone::no_answer, BOTH, alone::few_syns),
    scenario!(
        "peer-vanished",
        "the wire is cut while the client waits",
        alone::peer_vanished,
        BOTH,
        alone::few_retries
    ),
    scenario!(
        "both-gone",
        "the wire is cut, and both ends close: both end by themselves",
        alone::both_gone,
        BOTH,
        alone::few_retries
    ),
    scenario!(
        "zero-window-close",
        "a goodbye behind data that a closed window keeps back",
        alone::zero_window_close,
        BOTH,
        alone::small_server
    ),
];

/// Scenarios of the tour in memory that the kernel cannot play, and why.
pub(super) const NOT_WITH_LINUX: &[(&str, &str)] = &[
    ("no-time-wait", "the kernel's TIME-WAIT cannot be turned off, nor its initial numbers chosen"),
    ("no-time-wait-reset", "the kernel's TIME-WAIT cannot be turned off"),
    ("zero-window-abandoned", "that takes 100 s, which is not shortened"),
];
