//! What is known of each connection from outside: what its applications did, and what they were told.

use adieu_core::{Duration, Ending, Flow, HandleId, Instant, Receipt, State};
use adieu_trace::Side;

use crate::draw::{Dice, Program};

pub(crate) const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// One end of one connection.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) program: Program,
    pub(crate) handle: Option<HandleId>,
    /// Its handle has been there, if it is not there any more.
    pub(crate) known: bool,
    /// By `connect`, not by a listener.
    pub(crate) opened: bool,
    /// Since when the handle is there.
    pub(crate) started: Instant,
    /// When the application looks again, and how long it waits when there is nothing to do.
    pub(crate) look: Instant,
    pub(crate) idle: Duration,
    pub(crate) deeds: usize,
    /// W: bytes the TCP took from the application.
    pub(crate) written: u64,
    /// D: bytes the application got.
    pub(crate) read: u64,
    /// Its own direction is closed, however.
    pub(crate) shut: bool,
    /// By a half-close: its FIN follows whatever comes later.
    pub(crate) half_closed: bool,
    pub(crate) closed: Option<Instant>,
    pub(crate) aborted: bool,
    pub(crate) released: bool,
    /// When it last gave its TCP something to deliver.
    pub(crate) worked: Instant,
    /// It read the end of the peer's stream.
    pub(crate) saw_end: bool,
    pub(crate) failed: Option<Ending>,
    /// Its TCP said that all is delivered.
    pub(crate) finished: bool,
    /// As its handle shows it.
    pub(crate) shown: Option<Receipt>,
    /// As the stack handed it out.
    pub(crate) receipt: Option<Receipt>,
    /// When a connection with this flow began here.
    pub(crate) began: Vec<Instant>,
    /// Of its flow, when last seen.
    pub(crate) state: State,
}

impl End {
    pub(crate) fn new(program: Program, state: State) -> Self {
        Self {
            program,
            handle: None,
            known: false,
            opened: false,
            started: Instant::NEVER,
            look: Instant::NEVER,
            idle: Duration::ZERO,
            deeds: 0,
            written: 0,
            read: 0,
            shut: false,
            half_closed: false,
            closed: None,
            aborted: false,
            released: false,
            worked: Instant::ZERO,
            saw_end: false,
            failed: None,
            finished: false,
            shown: None,
            receipt: None,
            began: Vec::new(),
            state,
        }
    }

    /// The application gets its handle.
    pub(crate) fn start(&mut self, now: Instant, handle: HandleId) {
        self.handle = Some(handle);
        self.known = true;
        self.started = now;
        self.worked = now;
        self.look = now;
    }

    /// When the application next does anything of its own accord.
    pub(crate) fn next(&self) -> Instant {
        if self.handle.is_none() {
            return Instant::NEVER;
        }
        let deed = self.program.deeds.get(self.deeds).map_or(Instant::NEVER, |(at, _)| self.started + *at);
        deed.min(self.look)
    }

    /// Draws when to look again; an application that finds nothing to do looks less and less often.
    pub(crate) fn pause(&mut self, now: Instant, busy: bool, dice: &mut Dice) {
        self.idle = if busy {
            self.program.pace
        } else {
            (self.idle * 2).clamp(Duration::from_micros(10), Duration::from_secs(20))
        };
        self.look = now + Duration::from_nanos(1) + dice.time(self.idle);
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.receipt.or(self.shown).map(|receipt| receipt.ending)
    }
}

/// One connection: both its ends.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) number: usize,
    /// Which of the seed's plans it is.
    pub(crate) plan: usize,
    /// Seen from the left.
    pub(crate) flow: Flow,
    pub(crate) ends: [End; 2],
    /// Another connection has taken its flow.
    pub(crate) superseded: bool,
}

impl Connection {
    pub(crate) fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// Both applications write all, read all, and then close.
    pub(crate) fn is_gentle(&self) -> bool {
        self.ends.iter().all(|end| end.program.is_gentle())
    }

    /// Both were opened by `connect`.
    pub(crate) fn is_crossing(&self) -> bool {
        self.ends.iter().all(|end| end.opened)
    }
}

/// A flow seen from the left as seen from `side`, and the other way round.
pub(crate) fn mirrored(flow: Flow, side: Side) -> Flow {
    match side {
        Side::Left => flow,
        Side::Right => Flow::new(flow.remote(), flow.local()),
    }
}

/// The byte at `offset` of what `side` writes on a connection: no two streams of a storm are alike (INV-8).
pub(crate) fn byte(connection: usize, side: Side, offset: u64) -> u8 {
    let stream = (connection as u64 * 2 + side as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (stream ^ offset).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed.to_le_bytes()[5]
}
