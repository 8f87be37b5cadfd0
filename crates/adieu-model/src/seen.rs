//! What a search has come across: gathered by all threads at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::endings::{Kind, Pair, is_over};
use crate::joint::{Joint, Weather, weather};
use crate::state::State;

/// Sets of bits that only grow.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    joint: [AtomicU64; 3],
    pairs: [AtomicU64; 4],
    cut: AtomicU64,
}

impl Seen {
    /// A state that lies beyond the scope.
    pub(crate) fn note_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// What `state` shows.
    pub(crate) fn note(&self, state: &State) {
        let [left, right] = [0, 1].map(|side| &state.sides[side].ends);
        for end in left {
            for peer in right.iter().filter(|peer| end.is_peer_of(peer)) {
                if let (Some(a), Some(b)) = (end.joint_state(), peer.joint_state()) {
                    set(&self.joint[weather(end, peer) as usize], Joint::bit(a, b));
                }
            }
        }
        for (ends, peers) in [(left, right), (right, left)] {
            for end in ends.iter().filter(|end| is_over(end)) {
                let peer = peers.iter().rfind(|peer| end.is_peer_of(peer) || end.may_be_peer_of(peer));
                if peer.is_some() || state.wire.is_empty() {
                    self.note_pair(Pair::of(end, peer));
                }
            }
        }
    }

    fn note_pair(&self, pair: Option<Pair>) {
        if let Some(pair) = pair {
            set(&self.pairs[pair.place() / 64], 1 << (pair.place() % 64));
        }
    }

    pub(crate) fn joint(&self, weather: Weather) -> Joint {
        Joint(self.joint[weather as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn pairs(&self) -> BTreeSet<Pair> {
        let all = (0..16 * Kind::ALL.len())
            .filter(|place| self.pairs[place / 64].load(Ordering::Relaxed) & 1 << (place % 64) != 0);
        all.filter_map(Pair::at).collect()
    }
}

/// Writes only what is new: the threads share it.
fn set(bits: &AtomicU64, bit: u64) {
    if bits.load(Ordering::Relaxed) & bit == 0 {
        bits.fetch_or(bit, Ordering::Relaxed);
    }
}
