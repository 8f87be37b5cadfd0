//! What is tested, as a script sees it: from the side of its packets, and from the side of its system calls.
//!
//! Nothing here blocks. A call that would have to wait says `EAGAIN` (`connect`: `EINPROGRESS`, `EALREADY`), and is
//! made again when something may have happened.

use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;

use adieu_core::{Flow, State};
use adieu_trace::Trace;

/// A packet that has left.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Since the script's beginning.
    pub at: Duration,
    /// From its IP header on.
    pub bytes: Vec<u8>,
}

/// How much time passes for what takes none, and how exactly times must be kept.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A packet may leave, and a call return, this far from its time, even where a script allows less.
    pub tolerance: Duration,
    /// A timer may be late by this part of its time.
    pub rounding: f64,
    /// A call that must not block may take this long.
    pub moment: Duration,
}

/// The packet side: a clock, a wire, and a view of the connections.
pub trait Host {
    /// Its own address, and the peer's.
    fn addresses(&self) -> [IpAddr; 2];

    /// Where the numbers of its connections begin, if that is known before they do.
    fn initial_number(&self) -> Option<u32>;

    /// How exact it is.
    fn pace(&self) -> Pace;

    /// Whether PSH, and the sizes of windows, must be as a script says. They are a system's own choice; else only
    /// whether a window is shut is compared.
    fn is_exact(&self) -> bool;

    /// Since the script's beginning.
    fn now(&self) -> Duration;

    /// Takes what it wants to send now.
    fn settle(&mut self);

    /// Lets time pass until something may have happened, not beyond `limit`; false where nothing can until then.
    fn step(&mut self, limit: Duration) -> bool;

    /// Lets time pass until `at`.
    fn run_to(&mut self, at: Duration);

    /// A packet comes in, from its IP header on.
    fn inject(&mut self, bytes: Vec<u8>);

    /// The oldest packet that has left and was not looked at.
    fn pop(&mut self) -> Option<Sent>;

    /// How many packets have crossed the wire.
    fn packets(&self) -> usize;

    /// The state of a connection; CLOSED where there is none.
    fn state_of(&self, flow: &Flow) -> State;

    /// Writes down what the application does.
    fn note(&mut self, text: String);

    /// What has happened.
    fn take_trace(&mut self) -> Trace;

    /// Why nothing that was seen can be trusted any more, if so.
    fn trouble(&self) -> Option<String>;
}

/// A socket of the system under test.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Id(pub u32);

/// What a call brings, or the name of its error.
pub type Outcome<T> = Result<T, &'static str>;

/// A field of `struct tcp_info` by its name without `tcpi_`, and what it says in Linux's units.
pub type Field = (&'static str, i64);

/// The application's side: its system calls. A socket that was not given by [`socket`](System::socket) or
/// [`accept`](System::accept), or was closed, is `EBADF`.
pub trait System {
    /// A new socket of the family of the script.
    fn socket(&mut self) -> Outcome<Id>;

    /// Gives it an address.
    fn bind(&mut self, id: Id, address: SocketAddr) -> Outcome<()>;

    /// Listens at its address, or at `default`.
    fn listen(&mut self, id: Id, backlog: u32, default: SocketAddr) -> Outcome<()>;

    /// The oldest connection that waits.
    fn accept(&mut self, id: Id) -> Outcome<Id>;

    /// Begins to connect, or asks how far that has come; `again` where the same call asks once more.
    fn connect(&mut self, id: Id, address: SocketAddr, again: bool) -> Outcome<()>;

    /// Takes bytes that came, or looks at them.
    fn receive(&mut self, id: Id, bytes: &mut [u8], peek: bool) -> Outcome<usize>;

    /// Writes as much as there is room for, as urgent data if so.
    fn send(&mut self, id: Id, bytes: &[u8], urgent: bool) -> Outcome<usize>;

    /// Closes. Where it lingers, `EAGAIN` until that is over; the call was first made at `began`.
    fn close(&mut self, id: Id, began: Duration, nonblocking: bool) -> Outcome<()>;

    /// How long a close may wait, where the system does not come back by itself when that is over.
    fn lingers(&self, id: Id) -> Option<Duration> {
        let _ = id;
        None
    }

    /// Closes the sending direction, the receiving one, or both.
    fn shut_down(&mut self, id: Id, how: Shutdown) -> Outcome<()>;

    /// `SO_LINGER`.
    fn set_linger(&mut self, id: Id, time: Option<Duration>) -> Outcome<()>;

    /// Sets an option that is a number; `None` where there is no such option.
    fn set_option(&mut self, id: Id, level: i64, name: i64, value: i64) -> Option<Outcome<()>>;

    /// What an option that is a number is; `None` where the system cannot be asked.
    fn get_option(&mut self, id: Id, level: i64, name: i64) -> Option<Outcome<i64>>;

    /// `SO_ERROR`: the error that nobody was told yet.
    fn take_error(&mut self, id: Id) -> Option<&'static str>;

    /// `SIOCINQ`.
    fn unread(&mut self, id: Id) -> Outcome<u64>;

    /// `SIOCOUTQ`.
    fn unacknowledged(&mut self, id: Id) -> Outcome<u64>;

    /// `SIOCATMARK`: whether the next byte is the last of urgent data; `None` where the system cannot be asked.
    fn at_mark(&mut self, id: Id) -> Option<Outcome<bool>>;

    /// All that `poll` could tell of a socket now, as Linux's numbers.
    fn ready(&mut self, id: Id) -> i64;

    /// The connection of a socket, if it has one.
    fn flow(&self, id: Id) -> Option<Flow>;

    /// The state of the connection of a socket, if it has one.
    fn state(&self, id: Id) -> Option<State>;

    /// What the connection of a socket looks like from inside, without its state; `None` where there is none, or none
    /// any more.
    fn info(&self, id: Id) -> Option<Vec<Field>>;

    /// Aborts the connection of a socket, if it has one, without closing the socket.
    fn abort(&mut self, id: Id);

    /// Sets a parameter of the system; false where it has no such parameter.
    ///
    /// # Errors
    /// In a sentence, where it cannot have this value.
    fn sysctl(&mut self, name: &str, value: &str) -> Result<bool, String>;
}

/// Both sides of what is tested.
pub trait Target: Host + System {}

impl<T: Host + System> Target for T {}
