//! A random world of thousands of connections: every way to end, orphans, floods, cookies, reuse, limits, restarts of
//! listeners. After every step the books balance (EN-1, EN-6, EN-7, TW-18, INV-21, INV-23), and after quiet nothing is
//! left (1.16).

mod foe;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use adieu_core::wire::ip::Datagram;
use adieu_core::wire::{Flags, Packet, Segment};
use adieu_core::{
    Config, DrainBudget, Ending, Flow, HandleId, Instant, Leftover, ListenerId, Released, Seq, Stack, State, Unwanted,
};
use foe::{FAMILIES, Family, Random, both, secrets, us};
use script::{START, Seg, bytes, config, ms, secs, seg, stamps};

/// What the other end of a flow knows.
#[derive(Clone, Debug)]
struct Other {
    /// Its next number, and the one after the last of ours it has seen.
    next: Seq,
    seen: Seq,
    clock: Option<u32>,
    finished: bool,
}

struct World {
    stack: Stack,
    now: Instant,
    random: Random,
    others: BTreeMap<Flow, Other>,
    handles: Vec<HandleId>,
    listeners: Vec<ListenerId>,
    receipts: u64,
    released: u64,
    story: Vec<String>,
}

fn small() -> Config {
    Config {
        time_wait: secs(30),
        time_wait_budget: 3500,
        tombstone_budget: 16 * 64 * 2,
        fin_wait_2_budget: 1500,
        max_orphans: 15,
        orphan_bytes: 60_000,
        memory: 150_000,
        receive_buffer: 8192,
        send_buffer: 16_384,
        syn_backlog: 3,
        accept_backlog: 4,
        syn_retries: 2,
        syn_ack_retries: 2,
        receipts: 1 << 20,
        ephemeral_ports: (40_000, 40_030),
        stray_resets: 5,
        ..config()
    }
}

fn remote(random: &mut Random, family: Family) -> IpAddr {
    let host = 2 + u8::try_from(random.below(3)).unwrap();
    match family {
        Family::V4 => Ipv4Addr::new(10, 0, 0, host).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            stack: Stack::new(both(small()), secrets(seed.to_le_bytes()[0]), adieu_core::wire::checksum::sum),
            now: START,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            others: BTreeMap::new(),
            handles: Vec::new(),
            listeners: Vec::new(),
            receipts: 0,
            released: 0,
            story: Vec::new(),
        }
    }

    fn family(&mut self) -> Family {
        FAMILIES[self.random.below(2) as usize]
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.one_in(n)
    }

    fn some_handle(&mut self) -> Option<HandleId> {
        let n = u32::try_from(self.handles.len()).unwrap();
        (n > 0).then(|| self.handles[self.random.below(n) as usize])
    }

    fn some_flow(&mut self) -> Option<Flow> {
        let n = u32::try_from(self.others.len()).unwrap();
        (n > 0).then(|| *self.others.keys().nth(self.random.below(n) as usize).unwrap())
    }

    // ---- the wire ----------------------------------------------------------------------------------------------

    fn inject(&mut self, flow: &Flow, segment: &Seg) {
        let packet = segment.packet(flow, Seq(0), Seq(0));
        self.stack.handle_packet(self.now, Packet::new(&packet));
    }

    fn at(seq: Seq) -> i32 {
        seq.distance(Seq(0))
    }

    /// All that leaves reaches the other ends, or is lost.
    fn pump(&mut self) {
        for _ in 0..100_000 {
            let Some(outgoing) = self.stack.poll_transmit(self.now) else { return };
            let packet = outgoing.to_vec();
            let datagram = Datagram::parse(&packet).expect("an IP header");
            let whole = Packet::new(&packet);
            let segment = Segment::parse(datagram.body, &whole).expect("a TCP header");
            let flow = Flow {
                local_address: datagram.source,
                remote_address: datagram.destination,
                local_port: segment.source,
                remote_port: segment.destination,
            };
            if self.random.one_in(12) {
                continue;
            }
            let clock = segment.options.timestamps.map(|_| 1000);
            if segment.flags.has(Flags::RST) {
                self.others.remove(&flow);
            } else if segment.flags.has(Flags::SYN) {
                let next = Seq(self.random.next());
                let other = self.others.entry(flow).or_insert(Other { next, seen: Seq(0), clock, finished: false });
                other.seen = segment.end();
                if !segment.flags.has(Flags::ACK) {
                    *other = Other { next, seen: segment.end(), clock, finished: false };
                }
            } else if let Some(other) = self.others.get_mut(&flow)
                && segment.end().distance(other.seen) > 0
            {
                other.seen = segment.end();
            }
        }
        panic!("the stack never stops sending");
    }

    fn tag(other: &Other, segment: Seg) -> Seg {
        match other.clock {
            Some(clock) => segment.options(&stamps(clock, 0)),
            None => segment,
        }
    }

    /// The peer of a flow does something.
    fn peer_acts(&mut self) {
        let Some(flow) = self.some_flow() else { return };
        let Some(mut other) = self.others.get(&flow).cloned() else { return };
        other.clock = other.clock.map(|clock| clock + self.random.below(3));
        let ack = if self.one_in(6) { other.seen - self.random.below(3000) } else { other.seen };
        let base = seg().absolute().seq(Self::at(other.next)).ack(Self::at(ack));
        let what = self.random.below(16);
        let shot = match what {
            0..=4 => base,
            5..=7 => {
                let n = 1 + self.random.below(1400);
                other.next = other.next + n;
                base.data(&bytes(n as usize))
            }
            8..=10 if !other.finished => {
                other.next = other.next + 1;
                other.finished = true;
                base.fin()
            }
            8..=10 => seg().absolute().seq(Self::at(other.next - 1)).ack(Self::at(ack)).fin(),
            11 => base.win(0),
            12 => seg().absolute().seq(Self::at(other.next)).rst(),
            13 => seg().absolute().seq(Self::at(other.next + self.random.below(9000))).ack(Self::at(ack)).data(b"gap"),
            14 => {
                other = Other { next: other.next + 70_001, seen: Seq(0), clock: other.clock, finished: false };
                seg().absolute().seq(Self::at(other.next - 1)).syn()
            }
            _ => seg().absolute().seq(Self::at(other.next)).syn().ack(Self::at(ack)),
        };
        let shot = Self::tag(&other, shot);
        let forgets = what == 12 || self.one_in(60);
        self.story.push(format!("{what} at {flow:?}"));
        self.inject(&flow, &shot);
        if forgets {
            self.others.remove(&flow);
        } else {
            self.others.insert(flow, other);
        }
    }

    /// A handshake of the other end in SYN-SENT: our SYN is answered.
    fn answer_syn(&mut self) {
        let Some(flow) = self.some_flow() else { return };
        let other = self.others[&flow].clone();
        let shot = seg().absolute().seq(Self::at(other.next)).syn().ack(Self::at(other.seen));
        let shot = Self::tag(&other, shot);
        self.inject(&flow, &shot);
        if let Some(other) = self.others.get_mut(&flow) {
            other.next = other.next + 1;
        }
    }

    fn peer_opens(&mut self, flood: bool) {
        let family = self.family();
        let port = 1000 + u16::try_from(self.random.below(if flood { 2000 } else { 40 })).unwrap();
        let local = SocketAddr::new(us(family), if self.one_in(2) { 80 } else { 40_005 });
        let flow = Flow::new(local, SocketAddr::new(remote(&mut self.random, family), port));
        let clock = self.one_in(2).then(|| 1000 + self.random.below(5));
        let irs = Seq(self.random.next());
        let other = Other { next: irs + 1, seen: Seq(0), clock, finished: false };
        self.inject(&flow, &Self::tag(&other, seg().absolute().seq(Self::at(irs)).syn()));
        if !flood {
            self.others.insert(flow, other);
        }
    }

    // ---- the application ---------------------------------------------------------------------------------------

    fn connect(&mut self) {
        let family = self.family();
        let remote = SocketAddr::new(remote(&mut self.random, family), 99);
        let fixed =
            self.one_in(3).then(|| SocketAddr::new(us(family), 40_000 + u16::from(self.random.next() as u8 % 4)));
        if let Ok(handle) = self.stack.connect(self.now, fixed, remote) {
            self.handles.push(handle);
        }
    }

    fn application_acts(&mut self) {
        let Some(handle) = self.some_handle() else { return };
        let now = self.now;
        let what = self.random.below(18);
        self.story.push(format!("call {what} of {handle:?}"));
        match what {
            0..=3 => {
                let n = self.random.below(9000) as usize;
                let _ = self.stack.write(now, handle, &bytes(n));
            }
            4..=6 => {
                let mut room = [0; 3000];
                let _ = self.stack.read(now, handle, &mut room);
            }
            7 => self.stack.shut_down(now, handle),
            8 => self.stack.close(now, handle),
            9 => self.stack.abort(now, handle),
            10 => {
                let time = ms(u64::from(self.random.below(3000)));
                self.stack.close_drain(now, handle, DrainBudget { bytes: u64::from(self.random.below(3000)), time });
            }
            11 => self.stack.shut_down_read(now, handle, Unwanted::Refuse),
            12 => self.stack.shut_down_read(now, handle, Unwanted::Discard),
            13 => self.stack.set_zero_linger(now, handle, true),
            14 => self.stack.linger_expired(now, handle),
            15 => {
                let mut settings = self.stack.settings(handle);
                settings.half_close_idle = Some(secs(3));
                settings.half_close_total = Some(secs(9));
                settings.user_timeout = self.random.one_in(2).then(|| secs(4));
                self.stack.set(now, handle, settings);
            }
            _ => {
                self.handles.retain(|held| *held != handle);
                self.stack.release(now, handle);
                assert_eq!(self.stack.receipt(handle), None);
            }
        }
    }

    /// A connection as it should be: all is read, we close, and the peer acknowledges and closes, or does not.
    fn politely(&mut self) {
        let Some(handle) = self.some_handle() else { return };
        let Some(flow) = self.stack.flow(handle) else { return };
        let mut room = [0; 9000];
        while self.stack.read(self.now, handle, &mut room).is_ok_and(|n| n > 0) {}
        self.stack.shut_down(self.now, handle);
        for _ in 0..3 {
            self.pump();
            self.advance(50_000_000);
            let Some(other) = self.others.get(&flow).cloned() else { return };
            let base = seg().absolute().seq(Self::at(other.next)).ack(Self::at(other.seen));
            self.inject(&flow, &Self::tag(&other, base));
        }
        self.pump();
        if self.one_in(3) {
            self.handles.retain(|held| *held != handle);
            self.stack.release(self.now, handle);
        }
        let Some(other) = self.others.get_mut(&flow) else { return };
        if !other.finished && !self.random.one_in(4) {
            let fin = seg().absolute().seq(Self::at(other.next)).ack(Self::at(other.seen)).fin();
            (other.next, other.finished) = (other.next + 1, true);
            let fin = Self::tag(other, fin);
            self.inject(&flow, &fin);
        }
    }

    /// Somebody wants a flow in TIME-WAIT again: the peer, or we; and goes through with it, or not.
    fn reopens(&mut self) {
        let waiting = self.stack.flows().into_iter().filter(|flow| flow.state == State::TimeWait);
        let waiting: Vec<Flow> = waiting.map(|flow| flow.flow).collect();
        if waiting.is_empty() {
            return;
        }
        let flow = waiting[self.random.below(u32::try_from(waiting.len()).unwrap()) as usize];
        let Some(mut other) = self.others.get(&flow).cloned() else { return };
        other.clock = other.clock.map(|clock| clock + 10);
        let ours = self.one_in(2);
        if ours {
            let Ok(handle) = self.stack.connect(self.now, Some(flow.local()), flow.remote()) else { return };
            self.handles.push(handle);
        } else {
            other = Other { next: other.next + 70_001, finished: false, ..other };
            let syn = Self::tag(&other, seg().absolute().seq(Self::at(other.next - 1)).syn());
            self.others.insert(flow, other);
            self.inject(&flow, &syn);
        }
        self.pump();
        self.audit();
        if self.one_in(3) {
            return;
        }
        let Some(other) = self.others.get_mut(&flow) else { return };
        let base = seg().absolute().seq(Self::at(other.next)).ack(Self::at(other.seen));
        let shot = Self::tag(other, if ours { base.syn() } else { base });
        other.next = other.next + u32::from(ours);
        self.inject(&flow, &shot);
    }

    fn listens(&mut self) {
        let family = self.family();
        let port = if self.one_in(2) { 80 } else { 40_005 };
        match self.stack.listen(SocketAddr::new(us(family), port)) {
            Ok(listener) => self.listeners.push(listener),
            Err(_) if self.one_in(8) && !self.listeners.is_empty() => {
                let n = u32::try_from(self.listeners.len()).unwrap();
                let listener = self.listeners.swap_remove(self.random.below(n) as usize);
                self.stack.unlisten(self.now, listener);
            }
            Err(_) => {}
        }
    }

    fn accepts(&mut self) {
        for listener in self.listeners.clone() {
            if !self.one_in(3) {
                self.handles.extend(self.stack.accept(listener));
            }
        }
    }

    // ---- time and books ----------------------------------------------------------------------------------------

    fn advance(&mut self, nanos: u64) {
        let end = self.now + adieu_core::Duration::from_nanos(nanos);
        let mut budget = 100_000;
        while self.stack.poll_timeout() <= end {
            self.now = self.now.max(self.stack.poll_timeout());
            self.stack.handle_timeout(self.now);
            self.pump();
            self.audit();
            budget -= 1;
            assert!(budget > 0, "a timer fires for ever");
        }
        self.now = end;
    }

    #[track_caller]
    fn audit(&mut self) {
        while let Some((flow, receipt)) = self.stack.poll_receipt() {
            self.receipts += 1;
            assert!(receipt.acknowledged <= receipt.sent, "{flow:?} {receipt:?}");
            if matches!(receipt.ending, Ending::Graceful { .. }) {
                assert!(receipt.fin_acknowledged && receipt.fin_received, "EN-3: {receipt:?}");
                assert_eq!(receipt.sent, receipt.acknowledged);
            }
        }
        self.released += u64::try_from(std::iter::from_fn(|| self.stack.poll_released()).count()).unwrap();
        while self.stack.poll_warning().is_some() {}
        while self.stack.poll_notified().is_some() {}
        let (stats, left) = (self.stack.stats(), self.stack.leftover());
        let flows = self.stack.flows();
        let living: Vec<_> = flows.iter().filter(|flow| flow.state != State::TimeWait).collect();
        let alive = u64::try_from(living.len()).unwrap();
        let tell = || format!("{stats:?}\n{left:?}\n{:#?}", &self.story[self.story.len().saturating_sub(12)..]);
        let endings = self.stack.endings().total();
        assert_eq!(stats.made, endings + stats.openings_forgotten + alive, "EN-7: {}", tell());
        assert_eq!((self.receipts, stats.ended, stats.receipts_dropped), (endings, endings, 0), "EN-1: {}", tell());
        let records = u64::try_from(left.time_waits + left.quarantined).unwrap();
        let words = stats.released.iter().sum::<u64>();
        // Of half-open children that came to nothing nobody is told.
        assert!(self.released <= words && words <= self.released + stats.openings_forgotten, "{}", tell());
        assert_eq!(stats.made, words + stats.time_wait_restored + alive + records, "TW-18: {}", tell());
        let different: BTreeSet<_> = living.iter().map(|flow| flow.flow).collect();
        assert_eq!(different.len(), living.len(), "INV-23: {}", tell());
        assert!(left.orphans <= 15 && left.handles <= self.handles.len(), "{}", tell());
        assert!(left.flows <= living.len() + left.time_waits + left.quarantined, "{}", tell());
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..=11 => self.peer_acts(),
            12..=17 => self.application_acts(),
            18..=21 => self.peer_opens(false),
            22..=24 => self.connect(),
            25..=26 => self.answer_syn(),
            27..=29 => self.accepts(),
            30..=31 => self.listens(),
            32 => (0..8).for_each(|_| self.peer_opens(true)),
            33 if self.one_in(200) => self.stack.close_all(self.now),
            33 if self.one_in(200) => self.stack.abort_all(self.now),
            33..=34 => self.politely(),
            35..=36 => self.reopens(),
            _ => {
                let longest = match self.random.below(100) {
                    0 => 40_000_000_000,
                    1..=8 => 5_000_000_000,
                    9..=30 => 600_000_000,
                    _ => 20_000_000,
                };
                let nanos = longest * u64::from(self.random.below(1000)) / 1000;
                self.advance(nanos);
            }
        }
        self.pump();
        self.audit();
        self.listeners.retain(|listener| self.stack.local_address(*listener).is_some());
    }

    /// Everything is let go; after quiet nothing is left.
    fn end(mut self, seed: u64) -> Stack {
        for handle in std::mem::take(&mut self.handles) {
            self.stack.release(self.now, handle);
        }
        for listener in std::mem::take(&mut self.listeners) {
            self.stack.unlisten(self.now, listener);
        }
        self.pump();
        self.audit();
        self.advance(7200 * 1_000_000_000);
        self.audit();
        assert_eq!(self.stack.leftover(), Leftover::default(), "seed {seed}");
        assert_eq!(self.stack.poll_timeout(), Instant::NEVER, "seed {seed}");
        for family in FAMILIES {
            for _ in 0..20 {
                let far = SocketAddr::new(remote(&mut self.random, family), 99);
                assert_eq!(self.stack.port_usage(us(family), far).in_use, 0, "seed {seed}");
            }
        }
        self.assert_nothing_counts_as_held(seed);
        self.stack
    }

    /// 3.11: what all those held counts no more: an orphan with 500 bytes fits into 1000.
    fn assert_nothing_counts_as_held(&mut self, seed: u64) {
        self.stack.reconfigure(|config| (config.memory, config.orphan_bytes) = (1000, 1000));
        let flow = Flow::new(SocketAddr::new(us(Family::V4), 80), (Ipv4Addr::new(10, 0, 0, 9), 9).into());
        let listener = self.stack.listen(flow.local()).unwrap();
        let other = Other { next: Seq(8), seen: Seq(0), clock: None, finished: false };
        let shed = self.stack.stats().memory_shed + self.stack.stats().orphans_shed;
        while self.stack.flow_state(&flow) != State::Established {
            self.others.insert(flow, other.clone());
            self.inject(&flow, &seg().absolute().seq(7).syn());
            self.pump();
            self.advance(1_000_000_000);
            let seen = self.others[&flow].seen;
            self.inject(&flow, &seg().absolute().seq(8).ack(Self::at(seen)));
        }
        let handle = self.stack.accept(listener).unwrap();
        assert_eq!(self.stack.write(self.now, handle, &bytes(500)), Ok(500));
        self.stack.release(self.now, handle);
        let stats = self.stack.stats();
        assert_eq!(stats.memory_shed + stats.orphans_shed, shed, "seed {seed}");
        assert_eq!(self.stack.flow_state(&flow), State::FinWait1, "seed {seed}");
    }
}

fn run(seed: u64, steps: u32) -> Stack {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step();
    }
    world.end(seed)
}

#[test]
fn en_7_the_books_balance_in_a_random_world() {
    let mut kinds = BTreeMap::<&str, u64>::new();
    let mut words = [0; Released::ALL.len()];
    let (mut made, mut cookies, mut restored, mut evicted) = (0, 0, 0, 0);
    for seed in 1..8 {
        let stack = run(seed, 4000);
        for (name, _, count) in stack.endings().iter() {
            *kinds.entry(name).or_default() += count;
        }
        let stats = stack.stats();
        words.iter_mut().zip(stats.released).for_each(|(sum, n)| *sum += n);
        made += stats.made;
        cookies += stats.cookies_accepted;
        restored += stats.time_wait_restored;
        evicted += stats.time_wait_evicted;
    }
    // The world is one in which everything happens.
    assert!(made > 3000, "{made}");
    assert!(kinds.len() >= 18, "{kinds:?}");
    assert!(words.iter().all(|n| *n > 0), "{words:?}");
    assert!(cookies > 0 && restored > 0 && evicted > 0, "{cookies} {restored} {evicted}");
}
