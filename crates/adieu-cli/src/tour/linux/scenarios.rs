//! The scenarios that can be staged with the kernel's TCP as the other end.

use std::pin::Pin;

use super::setup::Setup;
use super::stage::Stage;
use super::{abrupt, alone, exit, linger, lost, orderly, time_wait};
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
    scenario!(
        "half-close-idle",
        "half-closed, with a budget: a while without a word ends it",
        linger::half_close_idle,
        &[Client]
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
        "time-wait-comes-back",
        "a SYN opens TIME-WAIT, and comes to nothing: the record is back",
        time_wait::comes_back,
        &[Server],
        time_wait::longer
    ),
    scenario!(
        "time-wait-taken-back",
        "our own connect takes a port from TIME-WAIT: after a second, with timestamps",
        time_wait::taken_back,
        &[Client],
        time_wait::longer
    ),
    scenario!(
        "ports-run-out",
        "three ports, three connections: an error, and ports after TIME-WAIT",
        linger::ports_run_out,
        &[Client],
        linger::few_ports
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
        "abort-challenged",
        "the reset does not fit, because data was lost: challenged, then placed exactly",
        abrupt::abort_challenged
    ),
    scenario!("abort-unheard", "the reset is lost: whatever the server says next draws another", abrupt::abort_unheard),
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
    scenario!(
        "linger-in-time",
        "close waits until all is acknowledged: one round trip",
        linger::linger_in_time,
        &[Client]
    ),
    scenario!(
        "linger-continues",
        "the linger time runs out, and the connection goes on without its application",
        linger::linger_continues,
        &[Client]
    ),
    scenario!(
        "linger-gives-up",
        "the linger time runs out, and the connection is given up",
        linger::linger_gives_up,
        &[Client]
    ),
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
        "orphan-hears-data",
        "nobody holds the client's end, and the server says more: a record resets",
        linger::orphan_hears_data,
        &[Client]
    ),
    scenario!(
        "orphan-hears-fin",
        "nobody holds the client's end, and the server closes: TIME-WAIT",
        linger::orphan_hears_fin,
        &[Client]
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

const FAST: &str = "Linux's initial numbers advance by 15,625,000 a second, so that they are hardly ever lower";
const CORE: &str = "its call is one of the core, which the library does not offer yet";

/// Scenarios of the tour in memory that the kernel cannot play, and why.
pub(super) const NOT_WITH_LINUX: &[(&str, &str)] = &[
    ("no-time-wait", "the kernel's TIME-WAIT cannot be turned off, nor its initial numbers chosen"),
    ("no-time-wait-reset", "the kernel's TIME-WAIT cannot be turned off"),
    ("zero-window-abandoned", "that takes 100 s, which is not shortened"),
    ("orphans-too-many", "that takes 100 s, which is not shortened"),
    ("time-wait-reopened-by-timestamp", FAST),
    ("time-wait-refuses-syn", FAST),
    ("time-wait-evicted", "it is about our memory; to the other end it is time-wait-taken-back"),
    ("restart-remembers", "a second stack of ours on the same device is not staged"),
    ("restart-forgets", "a second stack of ours on the same device is not staged"),
    ("abort-overtaken", "it needs an order of arrival that real time does not promise"),
    ("close-unread-in-every-state", "it needs each state for a moment; with Linux there is close-unread"),
    ("linger-zero-in-every-state", "it needs each state for a moment; with Linux there is linger-zero"),
    ("linger-connecting", "to the other end it is connect-cancelled"),
    ("linger-in-time-wait", "nothing is sent: there is no other end in it"),
    ("program-exit-deadline", "to the other end it is abort"),
    ("close-wait-leak", "that takes minutes, which are not shortened"),
    ("shutdown-read-refuse", CORE),
    ("shutdown-read-discard", CORE),
    ("close-drain", CORE),
    ("close-without-drain", "to the other end it is close-unread"),
];
