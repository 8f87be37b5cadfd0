//! One transfer over one path, in virtual time.

use adieu_core::{Config, Duration, HandleId, Instant};
use adieu_sim::{Bottleneck, Setup, World};
use adieu_trace::Side::{Left, Right};

/// What the way between the hosts is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Packets lost, each way, in millionths.
    pub(super) loss: u32,
    /// Packets that take up to a quarter of the round trip longer, in millionths.
    pub(super) reordering: u32,
    pub(super) rtt: Duration,
    /// The slowest link, from the sender to the receiver: bytes a second, and the bytes of its queue.
    pub(super) link: (u64, u64),
}

/// How long a transfer took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Took {
    /// From the first byte that was written to the last one that was read.
    pub(super) data: Duration,
    /// From `connect` until the sender knows that the peer has everything, the FIN included.
    pub(super) all: Duration,
}

impl Took {
    /// Bytes a second.
    pub(super) fn rate(&self, bytes: u64) -> u64 {
        let micros = u64::try_from(self.data.as_micros()).unwrap_or(u64::MAX);
        bytes.saturating_mul(1_000_000) / micros.max(1)
    }
}

/// One connection and what has become of its bytes.
#[derive(Debug)]
struct Stream {
    from: HandleId,
    to: Option<HandleId>,
    bytes: u64,
    written: u64,
    read: u64,
    begun: Option<Instant>,
    read_at: Instant,
    closed: bool,
}

impl Stream {
    fn new(from: HandleId, bytes: u64) -> Self {
        let at = Instant::ZERO;
        Self { from, to: None, bytes, written: 0, read: 0, begun: None, read_at: at, closed: false }
    }

    /// Both applications do what they can: write what there is room for, read what there is.
    fn advance(&mut self, world: &mut World) {
        let now = world.time(Left);
        while self.written < self.bytes {
            let left = usize::try_from(self.bytes - self.written).unwrap_or(usize::MAX);
            let Ok(n) = world.host(Left).stack.write(now, self.from, &DATA[..left.min(DATA.len())]) else { break };
            self.begun = self.begun.or(Some(now));
            self.written += n as u64;
        }
        if self.written == self.bytes && !self.closed {
            self.closed = true;
            world.host(Left).stack.shut_down(now, self.from);
        }
        let Some(to) = self.to else { return };
        let now = world.time(Right);
        while let Ok(Some(chunk)) = world.host(Right).stack.read_chunk(now, to, 1 << 20) {
            self.read += chunk.len() as u64;
            self.read_at = now;
        }
    }

    fn is_done(&self, world: &mut World) -> bool {
        self.read == self.bytes && self.closed && world.host(Left).stack.is_finished(self.from)
    }
}

static DATA: [u8; 64 * 1024] = [7; 64 * 1024];

/// A world over this way; its trace follows nothing.
pub(super) fn world(seed: u64, way: &Way, config: &[Config; 2]) -> World {
    let mut setup = Setup { config: config.clone(), follow: usize::MAX, ..Setup::new(seed) };
    setup.wire.delay = way.rtt / 2;
    setup.wire.loss = way.loss;
    setup.wire.reordering = way.reordering;
    setup.wire.detour = way.rtt / 4;
    let mut world = World::new(setup);
    let (rate, queue) = way.link;
    world.path.bottleneck[Left as usize] = Some(Bottleneck::new(rate, queue));
    world.listen(Right);
    world
}

/// Sends `bytes` from the left to the right.
pub(super) fn transfer(seed: u64, way: &Way, config: &[Config; 2], bytes: u64) -> Took {
    transfer_and_count(seed, way, config, bytes).0
}

/// The same, and how many packets the slowest link has dropped.
pub(super) fn transfer_and_count(seed: u64, way: &Way, config: &[Config; 2], bytes: u64) -> (Took, u64) {
    let mut world = world(seed, way, config);
    let from = world.connect_anew(Left);
    let mut stream = Stream::new(from, bytes);
    let done = world.run_until(Duration::from_secs(3600), |world| {
        if stream.to.is_none() {
            stream.to = world.host(Right).accept();
        }
        stream.advance(world);
        stream.is_done(world)
    });
    assert!(done, "not within an hour: {way:?}, seed {seed}: {stream:?}");
    let begun = stream.begun.unwrap_or(Instant::ZERO);
    let dropped = world.path.bottleneck[Left as usize].as_ref().map_or(0, |link| link.dropped);
    (Took { data: stream.read_at.since(begun), all: world.now().since(Instant::ZERO) }, dropped)
}

/// Bytes that each of `flows` connections brings across from `begin` until `end`, all at once over the same link: one
/// begins half a second and more after the other, as the seed says.
pub(super) fn share(
    seed: u64,
    way: &Way,
    config: &[Config; 2],
    flows: usize,
    span: [Duration; 2],
) -> (Vec<u64>, World) {
    let mut world = world(seed, way, config);
    let mut streams: Vec<Stream> = Vec::new();
    let mut at_begin = Vec::new();
    let apart = Duration::from_millis(500 + 37 * seed);
    for stop in (0..flows).map(|n| apart * u32::try_from(n).unwrap_or(0)).chain(span) {
        run_streams(&mut world, &mut streams, Instant::ZERO + stop);
        if streams.len() < flows {
            let from = world.connect_anew(Left);
            streams.push(Stream::new(from, u64::MAX));
        } else if at_begin.is_empty() {
            at_begin = streams.iter().map(|stream| stream.read).collect();
        }
    }
    (streams.iter().zip(at_begin).map(|(stream, before)| stream.read - before).collect(), world)
}

fn run_streams(world: &mut World, streams: &mut [Stream], until: Instant) {
    let left = until.since(world.now());
    world.run_until(left, |world| {
        // Connections are accepted in the order in which they began: nothing is lost before the link is full.
        if let Some(stream) = streams.iter_mut().find(|stream| stream.to.is_none()) {
            stream.to = world.host(Right).accept();
        }
        streams.iter_mut().for_each(|stream| stream.advance(world));
        false
    });
}
