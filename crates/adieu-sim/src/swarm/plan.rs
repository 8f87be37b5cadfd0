//! What a world of the swarm is made of: hosts, weather, and what the applications have in mind. All of it comes from
//! one seed, and each piece can be left out.

use std::fmt;

use adieu_core::{Config, DrainBudget, Duration, Seq, Settings, State, Unwanted};
use adieu_trace::Side;

use super::promise::Promise;
use crate::{Fault, IcmpError, Narrow, Wire};

/// All that a seed decides beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Left and right host's configuration.
    pub config: [Config; 2],
    /// Where each host's sequence numbers begin, if not where its secrets say.
    pub initial: [Option<Seq>; 2],
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
    /// The wire at the beginning.
    pub wire: Wire,
    /// Which hosts listen.
    pub listens: [bool; 2],
    /// Longest pause before a host accepts.
    pub accept_pace: Duration,
    /// Ports come round again while the network may still hold old segments.
    pub reuse: bool,
    /// When the network heals: from then on nothing is lost, late or twice. `None`: never.
    pub heals: Option<Duration>,
    /// The connections to come.
    pub talks: Vec<Talk>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
    /// One more promise to judge by, a false one; none where a seed draws the world.
    pub promise: Option<Promise>,
}

/// One connection to come.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Its number, which it keeps where others are left out.
    pub number: usize,
    /// When it begins.
    pub at: Duration,
    /// Who opens it.
    pub opener: Side,
    /// From which port.
    pub port: Port,
    /// What both applications have in mind.
    pub programs: [Program; 2],
    /// What they have chosen.
    pub settings: [Settings; 2],
}

/// How a connection gets its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// Any that is free.
    Any,
    /// The host's own, which may still be taken.
    Own,
    /// Both hosts connect from their own ports to each other's, so much apart.
    Crossing(Duration),
}

/// What one application has in mind.
#[derive(Clone, Debug)]
pub struct Program {
    /// Bytes to write.
    pub total: u64,
    /// Most bytes of one write.
    pub piece: u64,
    /// Longest pause between looks.
    pub pace: Duration,
    /// When it reads.
    pub reading: Reading,
    /// Half-close as soon as everything is written, rather than after the peer's end of stream.
    pub shut_down_early: bool,
    /// Deeds at instants after its connection is there; none for one that writes all, reads all, and then closes.
    pub deeds: Vec<(Duration, Deed)>,
    /// Something else makes it act besides ([`Mishap::Act`]).
    pub driven: bool,
}

impl Program {
    /// Writes all, reads all, closes: nothing of it may be lost.
    pub fn is_gentle(&self) -> bool {
        self.deeds.is_empty() && !self.driven
    }
}

/// When an application reads.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// Whatever comes, at once.
    Eager,
    /// So many bytes each time it looks.
    Slow(usize),
    /// Not at all at first.
    After(Duration),
}

/// What an application does besides writing and reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Half-close.
    ShutDown,
    /// No more reading.
    ShutDownRead(Unwanted),
    /// Full close.
    Close,
    /// Full close that throws away what still comes.
    CloseDrain(DrainBudget),
    /// A close shall be a reset: `SO_LINGER` with 0 s.
    ZeroLinger,
    /// Full close, and patience for this long: `SO_LINGER`; then a reset, or the connection is left to itself.
    Linger(Duration, Impatience),
    /// That patience is over.
    LingerOver(Impatience),
    /// The handle is dropped.
    Release,
    /// Reset.
    Abort,
}

/// What becomes of a closed connection of which not all is acknowledged in time (LM-6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Impatience {
    /// It goes on.
    Continue,
    /// It is reset.
    Abort,
}

/// Something goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Incident {
    /// When.
    pub when: When,
    /// What.
    pub what: Mishap,
}

/// When an incident happens.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// So long after the beginning.
    At(Duration),
    /// Some events after an end of this connection is seen in this state.
    After {
        /// The number of the connection.
        talk: usize,
        /// Its end.
        side: Side,
        /// The state.
        state: State,
        /// How many events later.
        events: u64,
    },
}

/// What can go wrong (4.8).
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    /// The wire changes.
    Wire(Wire),
    /// Nothing gets through, for some time or for ever.
    Outage(Option<Duration>),
    /// A host stops listening.
    Unlisten(Side),
    /// A host listens again.
    Listen(Side),
    /// A host's program dies, and after some time another begins, with its TIME-WAIT records or without.
    Restart {
        /// Which host.
        side: Side,
        /// It carries its records over.
        records: bool,
        /// How long nobody is there.
        dead: Duration,
    },
    /// An application does something in the middle of its program, where it has a connection then.
    Act {
        /// The number of the connection.
        talk: usize,
        /// Its end.
        side: Side,
        /// What it does.
        deed: Deed,
    },
    /// A host begins to want timestamps on new connections, or wants them no more.
    Timestamps(Side, bool),
    /// A host's program closes everything.
    CloseAll(Side),
    /// A host's program gives everything up.
    AbortAll(Side),
    /// A host's address is removed for a moment.
    RemoveAddress {
        /// Which host.
        side: Side,
        /// Resets can still leave.
        reachable: bool,
    },
    /// A host's device goes for this long.
    Unplug(Side, Duration),
    /// A host's device has no room for this long.
    Full(Side, Duration),
    /// A host has hardly any memory for this long.
    Squeeze(Side, Duration),
    /// A host's program stands still for this long; so many packets wait for it.
    Suspend(Side, Duration, usize),
    /// A host's clock leaps ahead.
    Leap(Side, Duration),
    /// A host's clock stands still for this long.
    Stop(Side, Duration),
    /// Something befalls segments of a class.
    Fault(Fault),
    /// The link from one host is down for this long.
    LinkDown(Side, Duration),
    /// The path from a host carries only packets of this size.
    Narrow(Side, Narrow),
    /// A middlebox forgets flows that were idle for this long.
    Nat {
        /// The host behind it.
        inside: Side,
        /// How long it remembers.
        idle: Duration,
        /// It answers what it does not know with resets.
        resets: bool,
    },
    /// A host hears an ICMP error about a packet under way, or about one that it never sent.
    Icmp {
        /// Who hears it.
        to: Side,
        /// What it says.
        error: IcmpError,
        /// It quotes numbers that nobody has sent.
        forged: bool,
    },
    /// A segment comes that nobody has sent.
    Forge(Side, Forgery),
}

/// A segment that nobody has sent, on some connection that is there. Only an exact reset may end anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgery {
    /// A reset at RCV.NXT.
    Reset,
    /// A reset so many numbers beyond it, inside the window (RA-6).
    ResetInWindow(u32),
    /// A reset so many numbers before it; where there is only a SYN-SENT, one that does not acknowledge its SYN (RA-3).
    ResetBefore(u32),
    /// A SYN at RCV.NXT and so many on (SY-1).
    Syn(u32),
    /// An old acknowledgment with an old number.
    OldAck(u32),
    /// An acknowledgment of what was never sent (FA-6).
    AckBeyond(u32),
    /// An acknowledgment of the one number after all that was sent (FA-6).
    AckNext,
    /// A FIN before RCV.NXT.
    OldFin(u32),
    /// A FIN that far beyond the window.
    FinBeyond(u32),
    /// Data that far beyond the window.
    DataBeyond(u32),
}

/// A piece of a plan that can be left out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// A connection, by number.
    Talk(usize),
    /// An incident, by place.
    Incident(usize),
    /// Loss, duplication, reordering of the wire at the beginning.
    Loss,
    /// Packets arrive twice.
    Duplication,
    /// Packets overtake each other.
    Reordering,
    /// The reading habits of an application: without them it reads at once.
    Reading(usize, Side),
    /// What an application writes.
    Writing(usize, Side),
    /// What an application has chosen.
    Settings(usize, Side),
    /// A deed, by place; without any an application writes all, reads all, and closes.
    Deed(usize, Side, usize),
    /// A host's configuration: without it the default one.
    Config(Side),
    /// The pause before a host accepts.
    AcceptPace,
}

impl Plan {
    /// All pieces that can be left out, in an order that only the seed decides.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.talks.iter().map(|talk| Part::Talk(talk.number)).collect();
        parts.extend((0..self.incidents.len()).map(Part::Incident));
        parts.extend([Part::Loss, Part::Duplication, Part::Reordering, Part::AcceptPace]);
        parts.extend([Side::Left, Side::Right].map(Part::Config));
        for talk in &self.talks {
            for (side, program) in [Side::Left, Side::Right].into_iter().zip(&talk.programs) {
                let number = talk.number;
                parts.extend([Part::Reading(number, side), Part::Writing(number, side), Part::Settings(number, side)]);
                parts.extend((0..program.deeds.len()).map(|place| Part::Deed(number, side, place)));
            }
        }
        parts
    }

    /// The plan without these pieces, named by their places in [`Plan::parts`].
    #[must_use]
    pub fn without(&self, places: &[usize]) -> Self {
        let all = self.parts();
        let mut parts: Vec<Part> = places.iter().filter_map(|place| all.get(*place)).copied().collect();
        // What is known by its place goes last first.
        parts.sort_unstable();
        let mut plan = self.clone();
        parts.iter().rev().for_each(|part| plan.leave_out(*part));
        plan
    }

    fn leave_out(&mut self, part: Part) {
        match part {
            Part::Talk(number) => self.talks.retain(|talk| talk.number != number),
            Part::Incident(place) => _ = self.incidents.remove(place),
            Part::Loss => self.wire.loss = 0,
            Part::Duplication => self.wire.duplication = 0,
            Part::Reordering => self.wire.reordering = 0,
            Part::AcceptPace => self.accept_pace = Duration::ZERO,
            Part::Config(side) => self.config[side as usize] = Config::default(),
            Part::Settings(number, side) => {
                if let Some(talk) = self.talks.iter_mut().find(|talk| talk.number == number) {
                    talk.settings[side as usize] = Settings::default();
                }
            }
            Part::Reading(number, side) => self.program(number, side, |program| program.reading = Reading::Eager),
            Part::Writing(number, side) => self.program(number, side, |program| program.total = 0),
            Part::Deed(number, side, place) => self.program(number, side, |program| _ = program.deeds.remove(place)),
        }
    }

    fn program(&mut self, number: usize, side: Side, change: impl FnOnce(&mut Program)) {
        if let Some(talk) = self.talks.iter_mut().find(|talk| talk.number == number) {
            change(&mut talk.programs[side as usize]);
        }
    }

    /// Nothing is ever lost, and nothing takes so long that a timer fires for it.
    pub(crate) fn is_calm(&self) -> bool {
        let slow = |wire: &Wire| (wire.delay + wire.detour) * 2 >= Duration::from_millis(500);
        let hasty = |config: &Config| config.initial_rto < Duration::from_millis(500) || config.accept_backlog < 100;
        let harmless = |incident: &Incident| matches!(incident.what, Mishap::Wire(_));
        self.incidents.iter().all(harmless)
            && !self.wires().any(|wire| wire.loss > 0 || slow(wire))
            && !self.config.iter().any(hasty)
    }

    pub(crate) fn wires(&self) -> impl Iterator<Item = &Wire> {
        let later = self.incidents.iter().filter_map(|incident| match &incident.what {
            Mishap::Wire(wire) => Some(wire),
            _ => None,
        });
        later.chain([&self.wire])
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |side: &Side| match side {
            Side::Left => "left",
            Side::Right => "right",
        };
        match self {
            Self::Talk(number) => write!(f, "connection {number}"),
            Self::Incident(place) => write!(f, "incident {place}"),
            Self::Loss => f.write_str("loss"),
            Self::Duplication => f.write_str("duplication"),
            Self::Reordering => f.write_str("reordering"),
            Self::AcceptPace => f.write_str("the pause before accepting"),
            Self::Config(side) => write!(f, "the {} host's configuration", name(side)),
            Self::Settings(number, side) => write!(f, "the {} settings of connection {number}", name(side)),
            Self::Reading(number, side) => write!(f, "the {} reading habits of connection {number}", name(side)),
            Self::Writing(number, side) => write!(f, "what the {} writes on connection {number}", name(side)),
            Self::Deed(number, side, place) => write!(f, "{} deed {place} of connection {number}", name(side)),
        }
    }
}
