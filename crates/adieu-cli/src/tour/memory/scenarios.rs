//! The scenarios of the tour.

use super::{Scenario, abrupt, alone, crossing, exit, lost, orderly, time_wait, without_wait};
use super::{half_close, linger, orphans, ports, quarantine, reuse};

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
    Scenario {
        name: "program-exit-deadline",
        title: "a program ends, and gives its connections five seconds",
        run: exit::program_exit_deadline,
    },
    // One direction closed, the other not.
    Scenario {
        name: "half-close-idle",
        title: "half-closed, with a budget: half a minute without a word ends it",
        run: half_close::half_close_idle,
    },
    Scenario {
        name: "close-wait-leak",
        title: "an application forgets to close: CLOSE-WAIT, and a watchdog that names it",
        run: half_close::close_wait_leak,
    },
    Scenario {
        name: "shutdown-read-refuse",
        title: "the server reads no more: new data draws a reset",
        run: half_close::shutdown_read_refuse,
    },
    Scenario {
        name: "shutdown-read-discard",
        title: "the server reads no more: new data is acknowledged and thrown away",
        run: half_close::shutdown_read_discard,
    },
    Scenario {
        name: "close-drain",
        title: "an answer before the upload is read: a close that drains saves it",
        run: half_close::close_drain,
    },
    Scenario {
        name: "close-without-drain",
        title: "the same with a plain close: the reset destroys the answer",
        run: half_close::close_without_drain,
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
        name: "assassination",
        title: "the same where resets end TIME-WAIT: the hazard that RFC 1337 describes",
        run: time_wait::assassination,
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
        name: "time-wait-reopened-by-timestamp",
        title: "a SYN with a lower number, but a later timestamp, opens TIME-WAIT",
        run: reuse::time_wait_reopened_by_timestamp,
    },
    Scenario {
        name: "time-wait-refuses-syn",
        title: "the same without timestamps: it may be an old one, and is refused",
        run: reuse::time_wait_refuses_syn,
    },
    Scenario {
        name: "time-wait-comes-back",
        title: "a SYN opens TIME-WAIT, and comes to nothing: the record is back",
        run: reuse::time_wait_comes_back,
    },
    Scenario {
        name: "time-wait-taken-back",
        title: "our own connect takes a port from TIME-WAIT: after a second, with timestamps",
        run: reuse::time_wait_taken_back,
    },
    Scenario {
        name: "time-wait-evicted",
        title: "no room for another record: one gives way, and leaves a tombstone",
        run: ports::time_wait_evicted,
    },
    Scenario {
        name: "ports-run-out",
        title: "ten ports, ten connections: a warning, an error, and ports from TIME-WAIT",
        run: ports::ports_run_out,
    },
    Scenario {
        name: "restart-remembers",
        title: "a program ends in TIME-WAIT, and the next one goes on with it",
        run: reuse::restart_remembers,
    },
    Scenario {
        name: "restart-forgets",
        title: "the same without its records: a goodbye becomes a reset",
        run: reuse::restart_forgets,
    },
    Scenario {
        name: "reset-ignored-in-time-wait",
        title: "a reset does not end TIME-WAIT",
        run: time_wait::reset_ignored_in_time_wait,
    },
    // Resets.
    Scenario { name: "abort", title: "the client gives up, with a reset", run: abrupt::abort },
    Scenario {
        name: "abort-challenged",
        title: "the reset does not fit, because data was lost: challenged, then placed exactly",
        run: quarantine::abort_challenged,
    },
    Scenario {
        name: "abort-overtaken",
        title: "the reset and late data overtake each other: a third one fits",
        run: quarantine::abort_overtaken,
    },
    Scenario {
        name: "abort-unheard",
        title: "the reset is lost: whatever the server says next draws another",
        run: quarantine::abort_unheard,
    },
    Scenario {
        name: "close-unread",
        title: "the client closes without having read what came: a reset, not a FIN",
        run: abrupt::close_unread,
    },
    Scenario {
        name: "close-unread-in-every-state",
        title: "the same in every state: a reset, but not in TIME-WAIT",
        run: linger::close_unread_in_every_state,
    },
    Scenario {
        name: "data-after-close",
        title: "the server sends to a client that has closed for good: a reset",
        run: abrupt::data_after_close,
    },
    Scenario { name: "linger-zero", title: "close with a linger time of 0: a reset", run: abrupt::linger_zero },
    Scenario {
        name: "linger-zero-in-every-state",
        title: "the same in every state: a reset",
        run: linger::linger_zero_in_every_state,
    },
    Scenario {
        name: "linger-connecting",
        title: "close with a linger time before the server has answered: cancelled",
        run: linger::linger_connecting,
    },
    Scenario {
        name: "linger-in-time",
        title: "close waits until all is acknowledged: one round trip",
        run: linger::linger_in_time,
    },
    Scenario {
        name: "linger-continues",
        title: "the linger time runs out, and the connection goes on without its application",
        run: linger::linger_continues,
    },
    Scenario {
        name: "linger-gives-up",
        title: "the linger time runs out, and the connection is given up",
        run: linger::linger_gives_up,
    },
    Scenario {
        name: "linger-in-time-wait",
        title: "close with a linger time of 0 in TIME-WAIT: nothing happens",
        run: linger::linger_in_time_wait,
    },
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
        name: "orphan-hears-data",
        title: "nobody holds the client's end, and the server says more: a record resets",
        run: orphans::orphan_hears_data,
    },
    Scenario {
        name: "orphan-hears-fin",
        title: "nobody holds the client's end, and the server closes: TIME-WAIT",
        run: orphans::orphan_hears_fin,
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
    Scenario {
        name: "orphans-too-many",
        title: "six connections are dropped before closed windows, and three are too many",
        run: orphans::orphans_too_many,
    },
];
