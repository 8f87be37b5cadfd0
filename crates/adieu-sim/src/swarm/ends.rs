//! What is known of each end of each connection from outside: what its application did, what it was told, and by its
//! initial sequence numbers, which end of the other host it belongs to.

use std::collections::{HashMap, HashSet};

use adieu_core::{Duration, Ending, Events, Flow, HandleId, Instant, Receipt, Seq, State};
use adieu_trace::Side;

use super::dice::Dice;
use super::laws::{Drain, Vigil};
use super::plan::Program;

pub(super) const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// One end of one connection.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) side: Side,
    /// As this end sees it.
    pub(super) flow: Flow,
    /// Which connection of the plan it is.
    pub(super) talk: usize,
    /// By `connect`, not by a listener.
    pub(super) active: bool,
    /// Its initial sequence number, and its peer's, once they were on the wire.
    pub(super) iss: Option<Seq>,
    pub(super) irs: Option<Seq>,
    /// Of its flow, when last seen; CLOSED once another has its flow.
    pub(super) state: State,
    /// It was seen beyond SYN-SENT and SYN-RECEIVED.
    pub(super) established: bool,
    /// It never was a connection, and is not there any more.
    pub(super) gone: bool,
    /// Its program has died.
    pub(super) lost: bool,
    /// Somebody who knows all its numbers has reset it.
    pub(super) forged: bool,
    /// Somebody has acknowledged what its peer may not have.
    pub(super) misled: bool,
    pub(super) sent: Sent,
    /// Its last segment had a timestamp; and the latest of its peer's.
    pub(super) stamped: bool,
    pub(super) latest: Option<u32>,
    pub(super) vigil: Vigil,
    pub(super) drain: Option<Drain>,
    pub(super) app: App,
    /// As its handle shows it.
    pub(super) shown: Option<Receipt>,
    /// As the stack handed it out.
    pub(super) receipt: Option<Receipt>,
}

/// What an end has sent, counted from its initial number and its peer's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// Where its FIN lies.
    pub(super) fin: Option<u32>,
    /// The highest acknowledgment, and the highest edge of its window.
    pub(super) acked: u32,
    pub(super) edge: u64,
    /// The shifts its SYN and its peer's have asked for.
    pub(super) shift: Option<u8>,
    pub(super) scaled: bool,
}

/// The application at one end.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) program: Program,
    pub(super) dice: Dice,
    pub(super) handle: Option<HandleId>,
    /// Its handle has been there, if it is not there any more.
    pub(super) known: bool,
    /// Since when the handle is there.
    pub(super) started: Instant,
    /// When the application looks again, and how long it waits when there is nothing to do.
    pub(super) look: Instant,
    pub(super) idle: Duration,
    pub(super) deeds: usize,
    /// W: bytes the TCP took from the application.
    pub(super) written: u64,
    /// D: bytes the application got.
    pub(super) read: u64,
    /// Its own direction is closed, however.
    pub(super) shut: bool,
    /// By a half-close: its FIN follows whatever comes later.
    pub(super) half_closed: bool,
    /// It wants no more bytes.
    pub(super) deaf: bool,
    pub(super) closed: Option<Instant>,
    pub(super) aborted: bool,
    pub(super) released: bool,
    pub(super) zero_linger: bool,
    pub(super) drains: bool,
    pub(super) impatient: bool,
    /// Its host gave everything up, closed everything, lost its address or its device.
    pub(super) host_failed: bool,
    /// When it last gave its TCP something to deliver.
    pub(super) worked: Instant,
    /// It read the end of the peer's stream.
    pub(super) saw_end: bool,
    pub(super) failed: Option<Ending>,
    /// Its TCP said that all is delivered.
    pub(super) finished: bool,
    /// What it was told to look at and has not looked at.
    pub(super) told: Events,
}

impl App {
    pub(super) fn new(program: Program, dice: Dice) -> Self {
        Self {
            program,
            dice,
            handle: None,
            known: false,
            started: Instant::NEVER,
            look: Instant::NEVER,
            idle: Duration::ZERO,
            deeds: 0,
            written: 0,
            read: 0,
            shut: false,
            half_closed: false,
            deaf: false,
            closed: None,
            aborted: false,
            released: false,
            zero_linger: false,
            drains: false,
            impatient: false,
            host_failed: false,
            worked: Instant::ZERO,
            saw_end: false,
            failed: None,
            finished: false,
            told: Events::default(),
        }
    }

    /// The application gets its handle.
    pub(super) fn start(&mut self, now: Instant, handle: HandleId) {
        self.handle = Some(handle);
        self.known = true;
        self.started = now;
        self.worked = now;
        self.look = now;
    }

    /// When the application next does anything of its own accord.
    pub(super) fn next(&self) -> Instant {
        if self.handle.is_none() {
            return Instant::NEVER;
        }
        let deed = self.program.deeds.get(self.deeds).map_or(Instant::NEVER, |(at, _)| self.started + *at);
        deed.min(self.look)
    }

    /// Draws when to look again; an application that finds nothing to do looks less and less often.
    pub(super) fn pause(&mut self, now: Instant, busy: bool) {
        self.idle = if busy {
            self.program.pace
        } else {
            (self.idle * 2).clamp(Duration::from_micros(10), Duration::from_secs(20))
        };
        self.look = now + Duration::from_nanos(1) + self.dice.time(self.idle);
    }
}

impl End {
    pub(super) fn ending(&self) -> Option<Ending> {
        self.receipt.or(self.shown).map(|receipt| receipt.ending)
    }

    /// Nothing more is heard of it.
    pub(super) fn is_over(&self) -> bool {
        self.receipt.is_some() || self.gone || self.lost
    }
}

/// All ends of a world.
#[derive(Debug, Default)]
pub(super) struct Ends {
    all: Vec<End>,
    /// All that had this flow, oldest first.
    flows: [HashMap<Flow, Vec<usize>>; 2],
    /// By host, flow and initial number.
    numbers: [HashMap<(Flow, Seq), usize>; 2],
    handles: [HashMap<HandleId, usize>; 2],
    /// Initial numbers of SYN-ACKs that were cookies.
    cookies: HashSet<(Side, Flow, Seq)>,
}

impl Ends {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, at: usize) -> &End {
        &self.all[at]
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut End {
        &mut self.all[at]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &End> {
        self.all.iter()
    }

    /// The places of all that a host has had.
    pub(super) fn of_side(&self, side: Side) -> Vec<usize> {
        (0..self.all.len()).filter(|at| self.all[*at].side == side).collect()
    }

    /// A new end has its flow from now on.
    pub(super) fn begin(&mut self, end: End) -> usize {
        let at = self.all.len();
        let n = end.side as usize;
        let before = self.flows[n].entry(end.flow).or_default();
        if let Some(last) = before.last() {
            self.all[*last].state = State::Closed;
        }
        before.push(at);
        if let Some(handle) = end.app.handle {
            self.handles[n].insert(handle, at);
        }
        self.all.push(end);
        at
    }

    /// The youngest with this flow.
    pub(super) fn youngest(&self, side: Side, flow: &Flow) -> Option<usize> {
        self.flows[side as usize].get(flow).and_then(|all| all.last()).copied()
    }

    /// All that had this flow, oldest first.
    pub(super) fn with_flow(&self, side: Side, flow: &Flow) -> &[usize] {
        self.flows[side as usize].get(flow).map_or(&[], Vec::as_slice)
    }

    /// The one whose handle this is.
    pub(super) fn with_handle(&self, side: Side, handle: HandleId) -> Option<usize> {
        self.handles[side as usize].get(&handle).copied()
    }

    pub(super) fn set_handle(&mut self, at: usize, handle: HandleId) {
        let side = self.all[at].side as usize;
        self.handles[side].insert(handle, at);
    }

    /// Its initial number was on the wire.
    pub(super) fn set_iss(&mut self, at: usize, iss: Seq) {
        let end = &mut self.all[at];
        end.iss = Some(iss);
        let (side, flow) = (end.side, end.flow);
        let passive = !end.active;
        // Where every connection begins at the same number, so does what an old SYN has begun at a listener.
        let before = self.with_number(side, flow, iss);
        if !(passive && before.is_some_and(|before| self.all[before].established)) {
            self.numbers[side as usize].insert((flow, iss), at);
        }
    }

    /// The one whose initial number this was.
    pub(super) fn with_number(&self, side: Side, flow: Flow, iss: Seq) -> Option<usize> {
        self.numbers[side as usize].get(&(flow, iss)).copied()
    }

    /// The end on the other host whose initial number came with the SYN that this end has taken.
    pub(super) fn writer(&self, at: usize) -> Option<usize> {
        self.writer_of(&self.all[at])
    }

    /// The same of an end that is at hand.
    pub(super) fn writer_of(&self, end: &End) -> Option<usize> {
        self.with_number(end.side.other(), reverse(end.flow), end.irs?)
    }

    /// A cookie was sent.
    pub(super) fn offer(&mut self, side: Side, flow: Flow, iss: Seq) {
        self.cookies.insert((side, flow, iss));
    }

    /// What this end took for a SYN-ACK of a connection was a cookie, which may never come back.
    pub(super) fn took_cookie(&self, at: usize) -> bool {
        let end = &self.all[at];
        end.irs.is_some_and(|irs| self.cookies.contains(&(end.side.other(), reverse(end.flow), irs)))
    }

    /// Whether anybody was answered with a cookie.
    pub(super) fn saw_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// The other end of the same connection: each has the other's initial number.
    pub(super) fn peer(&self, at: usize) -> Option<usize> {
        let other = self.writer(at)?;
        (self.all[other].irs.is_some() && self.all[other].irs == self.all[at].iss).then_some(other)
    }
}

/// A flow as its other end sees it.
pub(super) fn reverse(flow: Flow) -> Flow {
    Flow::new(flow.remote(), flow.local())
}

/// The byte at `offset` of what an end writes: no two streams of a world are alike (INV-8).
pub(super) fn byte(end: usize, offset: u64) -> u8 {
    let stream = (end as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (stream ^ offset).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed.to_le_bytes()[5]
}
