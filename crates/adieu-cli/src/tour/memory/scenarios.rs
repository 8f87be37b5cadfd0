//! The scenarios of the tour.

use super::{Scenario, abrupt, alone, crossing, exit, lost, orderly, time_wait, without_wait};

/// All of them, in the order of the tour.
pub(in crate::tour) const SCENARIOS: &[Scenario] = &[
    // One end closes, then the other.
    Scenario {
        name: "four-way",
        title: "the client closes first; the server says what it still has to say, then closes too",
        run: orderly::four_way,
    },
    Scenario { name: "server-first", title: "the server closes first, and waits", run: orderly::server_first },
    Scenario {
        name: "three-segments",
        title: "the goodbye in three segments: the server's FIN goes with its ACK of the client's",
        run: orderly::three_segments,
    },
    Scenario { name: "last-words", title: "the FIN rides on the last data", run: orderly::last_words },
    Scenario {
        name: "half-close-client",
        title: "the client is done; the server sends 1,000,000 bytes, then closes",
        run: orderly::half_close_client,
    },
    Scenario {
        name: "half-close-server",
        title: "the server is done; the client sends 1,000,000 bytes, then closes",
        run: orderly::half_close_server,
    },
    Scenario {
        name: "program-exit",
        title: "a program ends, and with it connections in six different situations",
        run: exit::program_exit,
    },
    // Both at once.
    Scenario { name: "simultaneous", title: "both close at once, and their FINs cross", run: crossing::simultaneous },
    Scenario {
        name: "simultaneous-open",
        title: "both connect to each other at once, then close at once",
        run: crossing::simultaneous_open,
    },
    // Lost and late.
    Scenario { name: "lost-fin", title: "the first FIN is lost", run: lost::lost_fin },
    Scenario { name: "lost-ack-of-fin", title: "the ACK of the first FIN is lost", run: lost::lost_ack_of_fin },
    Scenario {
        name: "lost-last-ack",
        title: "the last ACK is lost: TIME-WAIT answers the repeated FIN",
        run: lost::lost_last_ack,
    },
    Scenario {
        name: "fin-overtakes-data",
        title: "the FIN arrives before the data it follows",
        run: lost::fin_overtakes_data,
    },
    // TIME-WAIT.
    Scenario {
        name: "old-duplicate",
        title: "a segment that was under way all the time meets TIME-WAIT, and does no harm",
        run: time_wait::old_duplicate,
    },
    Scenario {
        name: "no-time-wait",
        title: "why TIME-WAIT exists: an old segment corrupts a new connection unnoticed",
        run: without_wait::no_time_wait,
    },
    Scenario {
        name: "no-time-wait-reset",
        title: "and another reason: a lost last ACK turns a goodbye into a reset",
        run: without_wait::no_time_wait_reset,
    },
    Scenario {
        name: "time-wait",
        title: "TIME-WAIT of 30 s, 60 s and 120 s; then port and memory are free (30 s is drawn)",
        run: time_wait::time_wait,
    },
    Scenario {
        name: "time-wait-refuses-port",
        title: "a port in TIME-WAIT cannot connect again to the same peer; another can",
        run: time_wait::time_wait_refuses_port,
    },
    Scenario {
        name: "time-wait-reopened",
        title: "a SYN that can only be new opens a connection from TIME-WAIT",
        run: time_wait::time_wait_reopened,
    },
    Scenario {
        name: "reset-ignored-in-time-wait",
        title: "a reset does not end TIME-WAIT",
        run: time_wait::reset_ignored_in_time_wait,
    },
    // Resets.
    Scenario { name: "abort", title: "the client gives up, with a reset", run: abrupt::abort },
    Scenario {
        name: "close-unread",
        title: "the client closes without having read what came: a reset, not a FIN",
        run: abrupt::close_unread,
    },
    Scenario {
        name: "data-after-close",
        title: "the server sends to a client that has closed for good: a reset",
        run: abrupt::data_after_close,
    },
    Scenario { name: "linger-zero", title: "close with a linger time of 0: a reset", run: abrupt::linger_zero },
    Scenario { name: "spoofed-reset", title: "a stranger's reset is not believed", run: abrupt::spoofed_reset },
    Scenario { name: "refused", title: "nobody listens", run: abrupt::refused },
    Scenario {
        name: "connect-cancelled",
        title: "the client closes before the server has answered",
        run: abrupt::connect_cancelled,
    },
    Scenario {
        name: "peer-forgot",
        title: "the server's host loses its power, and comes back knowing nothing",
        run: abrupt::peer_forgot,
    },
    // Nobody there.
    Scenario {
        name: "fin-wait-2-abandoned",
        title: "the server never closes: the client's FIN-WAIT-2 ends by itself",
        run: alone::fin_wait_2_abandoned,
    },
    Scenario {
        name: "last-ack-never-comes",
        title: "the server's FIN is never acknowledged: its LAST-ACK ends by itself",
        run: alone::last_ack_never_comes,
    },
    Scenario { name: "no-answer", title: "nobody answers the SYN", run: alone::no_answer },
    Scenario { name: "peer-vanished", title: "the wire is cut while the client waits", run: alone::peer_vanished },
    Scenario {
        name: "both-gone",
        title: "the wire is cut, and both ends close: both end by themselves",
        run: crossing::both_gone,
    },
    // A closed window.
    Scenario {
        name: "zero-window-close",
        title: "a FIN before a closed window: the probe is the FIN",
        run: alone::zero_window_close,
    },
    Scenario {
        name: "zero-window-abandoned",
        title: "the client closes with data left to send, and the server never reads",
        run: alone::zero_window_abandoned,
    },
];
