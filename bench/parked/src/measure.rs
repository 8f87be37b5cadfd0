//! The measurements, each in a process of its own, so that none begins with another's heap.

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use adieu_core::wire::Packet;
use adieu_core::wire::tcp::Control;
use adieu_core::{Duration, HandleId};
use serde::{Deserialize, Serialize};

use crate::alloc;
use crate::steps::{Step, Summary};
use crate::world::{Family, Peer, Stage, World};

/// What parking many connections costs.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Parked {
    /// Live bytes of each, all in.
    pub(crate) bytes: f64,
    /// The most that was live until the last had gone, for each.
    pub(crate) peak: f64,
    /// Resident memory of each.
    pub(crate) resident: f64,
    pub(crate) growing: Summary,
    /// What does not last has no end to report.
    pub(crate) over: Option<Over>,
}

/// What it costs when their time is over.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Over {
    /// Time goes on by a millisecond a step.
    pub(crate) draining: Summary,
    /// All are due at once: the longest call.
    pub(crate) at_once: Step,
    /// Live bytes more than before, after each of the two.
    pub(crate) left: [i64; 2],
    /// Resident bytes more than before, in the end.
    pub(crate) left_resident: i64,
}

impl Parked {
    /// Keeps the quicker of two runs, each phase for itself.
    pub(crate) fn merge(&mut self, other: Self) {
        self.growing.keep_quicker(other.growing);
        if let (Some(over), Some(other)) = (&mut self.over, other.over) {
            over.draining.keep_quicker(other.draining);
            if other.at_once.micros < over.at_once.micros {
                over.at_once = other.at_once;
            }
        }
    }
}

/// Connections that come and go first, so that what is kept for the next one is there.
const WARM_UP: u32 = 5_000;

pub(crate) fn park(stage: Stage, family: Family, count: u32) -> Parked {
    let mut world = World::new(family);
    let lasts = matches!(stage, Stage::SynReceived | Stage::Established);
    if !lasts {
        world.park(stage, WARM_UP);
        drain(&mut world);
        world.steps.take();
    }
    alloc::forget_peak();
    let mut before = Before { live: alloc::live() as i64, resident: resident() };
    world.park(stage, count);
    let each = |bytes: i64| bytes as f64 / f64::from(count);
    let (bytes, resident) = (each(before.live()), each(before.resident()));
    let growing = before.take(&mut world);
    let over = (!lasts).then(|| over(&mut world, stage, count, &mut before));
    Parked { bytes, peak: each(alloc::peak() as i64 - before.live), resident, growing, over }
}

fn over(world: &mut World, stage: Stage, count: u32, before: &mut Before) -> Over {
    drain(world);
    let left = before.live();
    let draining = before.take(world);
    world.park(stage, count);
    before.take(world);
    while world.expire(Duration::from_secs(600)) {}
    assert_eq!(world.count(), 0, "all have gone");
    let left = [left, before.live()];
    let at_once = world.steps.take();
    let step = at_once.longest.into_iter().find(|step| step.call == "handle_timeout").expect("a timeout");
    Over { draining, at_once: step, left, left_resident: before.resident() }
}

/// The memory there was before anything was parked.
struct Before {
    live: i64,
    resident: i64,
}

impl Before {
    /// Live bytes more than then.
    fn live(&self) -> i64 {
        alloc::live() as i64 - self.live
    }

    /// Resident bytes more than then.
    fn resident(&self) -> i64 {
        resident() - self.resident
    }

    /// What the world's calls were like; what the summary takes does not count.
    fn take(&mut self, world: &mut World) -> Summary {
        let live = alloc::live() as i64;
        let summary = world.steps.take();
        self.live += alloc::live() as i64 - live;
        summary
    }
}

fn drain(world: &mut World) {
    let mut millis = 0;
    while world.expire(Duration::from_millis(1)) {
        millis += 1;
        if millis % 500 == 0 {
            world.count();
        }
    }
    assert_eq!(world.count(), 0, "all have gone");
}

fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok()).map_or(0, |kib| kib * 1024)
}

/// Set where callgrind watches.
pub(crate) const UNDER_CALLGRIND: &str = "PARKED_UNDER_CALLGRIND";
/// Packets of another flow that are counted.
pub(crate) const PACKETS: usize = 1_000;

/// Nanoseconds for a packet of another flow with `parked` connections beside it, the median of batches.
pub(crate) fn probe(stage: Stage, parked: u32, batches: usize) -> f64 {
    let mut world = World::new(Family::V4);
    let (handle, mut peer) = world.open();
    world.park(stage, parked);
    let mut times: Vec<f64> = Vec::new();
    instrument();
    for _ in 0..batches {
        let packets: Vec<Vec<u8>> = (0..PACKETS).map(|_| data(&mut peer, &world)).collect();
        let begun = Instant::now();
        batch(&mut world, handle, &packets);
        times.push(begun.elapsed().as_nanos() as f64 / PACKETS as f64);
    }
    times.sort_by(f64::total_cmp);
    times.get(batches / 2).copied().unwrap_or_default()
}

/// Under callgrind: instructions count from here on. Before, it does not even look, or a million would take minutes.
fn instrument() {
    if std::env::var_os(UNDER_CALLGRIND).is_some() {
        let control = Command::new("callgrind_control").args(["--instr=on", &std::process::id().to_string()]).output();
        assert!(control.is_ok_and(|control| control.status.success()), "callgrind_control");
    }
}

fn data(peer: &mut Peer, world: &World) -> Vec<u8> {
    let mut packet = Vec::new();
    peer.write(world.now, Control::None, b"x", &mut packet);
    packet
}

/// As a driver has it: a packet in, the application reads, the acknowledgment out, a look at the clock. Callgrind
/// counts what happens in this function, by its name.
#[inline(never)]
pub(crate) fn batch(world: &mut World, handle: HandleId, packets: &[Vec<u8>]) {
    let (stack, now) = (&mut world.stack, world.now);
    let mut byte = [0; 1];
    for packet in packets {
        stack.handle_packet(now, Packet::new(packet));
        while stack.poll_notified().is_some() {}
        assert_eq!(stack.read(now, handle, &mut byte), Ok(1));
        let answer = stack.poll_transmit(now).expect("an acknowledgment");
        stack.recycle(answer);
        assert!(black_box(stack.poll_transmit(now)).is_none());
        stack.handle_timeout(now);
        black_box(stack.poll_timeout());
    }
}
