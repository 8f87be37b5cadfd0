//! Who looks at what happens, and counts.

use std::collections::BTreeMap;

use adieu_core::wire::Flags;
use adieu_core::{Ending, Flow, Glance, HandleId, Order, Receipt, State};
use adieu_trace::Side;

use super::cell::{ACK_COPIES, Cell, FIN_COPIES, JOINT, Standing};
use super::columns::{Event, Trait, Way};
use super::life::{Life, Lives};
use super::{Call, Coverage, Found, classify, reopen};
use crate::{Happened, Occurrence, Summary, World};

/// Follows every flow of one world, and counts what is reached.
#[derive(Debug, Default)]
pub struct Watcher {
    coverage: Coverage,
    lives: [BTreeMap<Flow, Lives>; 2],
    violations: Vec<String>,
    /// Segments were forged that nobody told of: pairs of states prove nothing.
    lawless: bool,
}

impl Watcher {
    /// Of a world in which nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was reached so far.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What happened that must not: cells that cannot be reached, and SYNs in TIME-WAIT that TW-8's table judges
    /// otherwise. In words, with time and flow.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Segments are put into this world by other ways than [`World::forge`]: no pair of states is impossible any more,
    /// and no column either.
    pub fn expect_forgeries(&mut self) {
        self.lawless = true;
    }

    /// Takes in what has happened since it did last.
    pub fn look(&mut self, world: &mut World) {
        for happened in world.take_happened() {
            self.see(&happened);
        }
    }

    /// An application is about to call.
    pub fn calls(&mut self, world: &mut World, side: Side, handle: HandleId, call: Call) {
        self.look(world);
        self.called(world, side, handle, call);
    }

    /// The same, where all that has happened before was [seen](Self::see).
    pub fn called(&mut self, world: &mut World, side: Side, handle: HandleId, call: Call) {
        let stack = &world.host(side).stack;
        let found = Found {
            state: stack.state(handle),
            ended: stack.receipt(handle).is_some(),
            unread: stack.unread(handle) > 0,
        };
        let flow = stack.flow(handle).filter(|_| !found.ended);
        self.coverage.called(found, call);
        let lives = flow.and_then(|flow| self.lives[side as usize].get_mut(&flow));
        let Some(life) = lives.filter(|lives| lives.present().is_some()).and_then(|lives| lives.now.as_mut()) else {
            return;
        };
        life.released |= matches!(call, Call::Release(_));
        let reads_on = matches!(call, Call::ShutDown | Call::LingerContinued);
        life.deaf |= !reads_on;
    }

    /// A listener closes; with `abort`, because the whole stack is aborted.
    pub fn unlistens(&mut self, abort: bool) {
        self.coverage.unlistened(abort);
    }

    /// Takes in one thing that has happened.
    pub fn see(&mut self, happened: &Happened) {
        let Happened { side, flow, what, .. } = *happened;
        match what {
            Occurrence::Sent { segment, copies, state } => self.sent(happened, &segment, copies, state),
            Occurrence::Delivered { segment, before, after } => self.delivered(happened, &segment, &before, after),
            Occurrence::TimedOut { before, after } => {
                self.note(happened, Cell::Event(before, Event::Timeout));
                self.moved(happened, before, after);
            }
            Occurrence::Icmp { before, after, .. } | Occurrence::Changed { before, after } => {
                self.moved(happened, before, after);
            }
            Occurrence::Forged => self.lives(side, flow).forged = true,
            Occurrence::Ended(receipt) => self.ended(happened, &receipt),
            Occurrence::Released(_) => {}
        }
    }

    fn lives(&mut self, side: Side, flow: Flow) -> &mut Lives {
        self.lives[side as usize].entry(flow).or_default()
    }

    fn note(&mut self, happened: &Happened, cell: Cell) {
        if let Standing::Cannot(why) = cell.standing()
            && !self.is_lawless(happened.flow)
        {
            self.object(happened, &format!("{cell}: {why}"));
        }
        self.coverage.note(cell);
    }

    /// Somebody has meddled with a flow, seen from either end.
    fn is_lawless(&self, flow: Flow) -> bool {
        let forged = |flow: &Flow| self.lives.iter().filter_map(|lives| lives.get(flow)).any(|lives| lives.forged);
        self.lawless || forged(&flow) || forged(&mirrored(flow))
    }

    fn object(&mut self, happened: &Happened, what: &str) {
        let Happened { at, side, flow, what: occurrence } = happened;
        self.violations.push(format!("{what}: {side:?} {flow} at {at:?}: {occurrence:?}"));
    }

    // ---- a segment ---------------------------------------------------------------------------------------------

    fn sent(&mut self, happened: &Happened, segment: &Summary, copies: usize, state: State) {
        let lives = self.lives(happened.side, happened.flow);
        if segment.has(Flags::SYN) && !segment.has(Flags::RST) {
            lives.syn_sent(happened.at, segment);
        }
        let Some(life) = &mut lives.now else { return };
        // What a CLOSED responder says is of no connection.
        if !matches!(state, State::Closed | State::Listen) || segment.has(Flags::SYN) {
            life.sent(segment);
        }
        if copies > 0 {
            return;
        }
        let (fins, heard) = (life.fins_sent, life.fins_heard);
        let answers = life.acks_peer_fin(segment) && segment.len == 0;
        if segment.has(Flags::FIN) && (1..=FIN_COPIES).contains(&fins) {
            self.note(happened, Cell::LostFin(fins));
        }
        if answers && (1..=ACK_COPIES).contains(&heard) {
            self.note(happened, Cell::LostAck(heard));
        }
    }

    fn delivered(&mut self, happened: &Happened, segment: &Summary, before: &Glance, after: State) {
        let life = self.lives(happened.side, happened.flow).present().copied();
        for event in classify::events(segment, before, after, life.as_ref()) {
            self.note(happened, Cell::Event(before.state, event));
        }
        if let Some(row) = life.and_then(|life| reopen::row(segment, before, &life)) {
            self.note(happened, Cell::Reopening(row));
            if let Some(objection) = reopen::objection(row, after) {
                self.object(happened, &objection);
            }
        }
        let syn = segment.has(Flags::SYN) && !segment.has(Flags::RST);
        let lives = self.lives(happened.side, happened.flow);
        if syn {
            lives.syn = Some(*segment);
        }
        if let Some(life) = &mut lives.now {
            life.heard(segment);
            if syn && before.state == State::SynSent && !matches!(after, State::SynSent | State::Closed) {
                life.meet(segment);
            }
        }
        self.moved(happened, before.state, after);
    }

    // ---- a state -----------------------------------------------------------------------------------------------

    /// A flow was in one state and is in another.
    fn moved(&mut self, happened: &Happened, before: State, after: State) {
        if self.lives(happened.side, happened.flow).moved(before, after) {
            self.meet(happened, after);
        }
    }

    /// Both ends together, where they are of one incarnation (4.3).
    fn meet(&mut self, happened: &Happened, here: State) {
        let Happened { side, flow, .. } = *happened;
        let own = self.lives[side as usize].get(&flow);
        let peer = self.lives[side.other() as usize].get(&mirrored(flow));
        let Some((own, peer)) = own.zip(peer) else { return };
        let same = own.now.as_ref().zip(peer.now.as_ref()).is_some_and(|(one, other)| one.is_of(other));
        let there = peer.state.unwrap_or(State::Closed);
        if same && JOINT.contains(&here) && JOINT.contains(&there) {
            self.note(happened, Cell::pair(here, there));
        }
    }

    // ---- an ending ---------------------------------------------------------------------------------------------

    fn ended(&mut self, happened: &Happened, receipt: &Receipt) {
        let ending = receipt.ending;
        self.note(happened, Cell::Ending(ending.kind(), ending.state()));
        let Some(way) = way(receipt) else { return };
        let life = self.lives(happened.side, happened.flow).ended_at(receipt.spent.ended()).copied();
        let Some(life) = life.filter(|life| life.irs.is_some()) else { return };
        for quality in traits(&life, happened.flow) {
            self.note(happened, Cell::Variant(quality, way));
        }
    }
}

fn way(receipt: &Receipt) -> Option<Way> {
    match receipt.ending {
        Ending::Graceful { order: Order::LocalFirst } => Some(Way::LocalFirst),
        Ending::Graceful { order: Order::PeerFirst } => Some(Way::PeerFirst),
        Ending::Graceful { order: Order::Simultaneous } => Some(Way::Simultaneous),
        Ending::ResetByPeer { .. } => Some(Way::Reset),
        _ => receipt.reset_sent.then_some(Way::Reset),
    }
}

fn traits(life: &Life, flow: Flow) -> impl Iterator<Item = Trait> + use<> {
    let either = |is: bool, yes: Trait, no: Trait| if is { yes } else { no };
    let wraps = [life.send_wraps().then_some(Trait::SendWraps), life.receive_wraps().then_some(Trait::ReceiveWraps)];
    let others = [
        either(flow.local_address.is_ipv4(), Trait::V4, Trait::V6),
        either(life.is_stamped(), Trait::Stamps, Trait::NoStamps),
        either(life.has_sack(), Trait::Sack, Trait::NoSack),
        either(life.released, Trait::Orphan, Trait::Owned),
    ];
    wraps.into_iter().flatten().chain(others)
}

fn mirrored(flow: Flow) -> Flow {
    Flow::new(flow.remote(), flow.local())
}
