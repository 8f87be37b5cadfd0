//! A world that fails, made smaller: fewer connections, fewer deeds, fewer things that go wrong, and the same promise
//! broken.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Failure, Plan, try_run};

/// A small world that fails.
#[derive(Debug)]
pub struct Shrunk {
    /// Which pieces were left out: places in [`Plan::parts`] of what the seed draws.
    pub without: Vec<usize>,
    /// What is left.
    pub plan: Plan,
    /// How it fails.
    pub failure: Failure,
    /// How many worlds were tried.
    pub tried: usize,
}

/// Leaves out what can be left out of a world that fails, so that it still fails for the same reason; after `most`
/// worlds it is content with what it has. `None` where the world does not fail. `progress` hears of every world tried:
/// how many so far, and how many pieces are left.
pub fn shrink(seed: u64, most: usize, mut progress: impl FnMut(usize, usize)) -> Option<Shrunk> {
    shrink_plan(&Plan::draw(seed), most, |tried, left| {
        progress(tried, left);
        ControlFlow::Continue(())
    })
}

/// [`shrink`] of any world; once `progress` breaks off it is content with what it has.
pub fn shrink_plan(
    whole: &Plan,
    most: usize,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Shrunk> {
    let parts = whole.parts().len();
    let failure = try_run(whole).err()?;
    let mut best = Shrunk { without: Vec::new(), plan: whole.clone(), failure, tried: 1 };
    let mut left: BTreeSet<usize> = (0..parts).collect();
    let mut size = left.len().div_ceil(2);
    while size > 0 {
        let mut smaller = false;
        let all: Vec<usize> = left.iter().copied().collect();
        for piece in all.chunks(size) {
            if best.tried >= most {
                return Some(best);
            }
            let without: Vec<usize> =
                (0..parts).filter(|place| !left.contains(place) || piece.contains(place)).collect();
            let plan = whole.without(&without);
            best.tried += 1;
            if progress(best.tried, left.len()).is_break() {
                return Some(best);
            }
            if let Err(failure) = try_run(&plan)
                && failure.id() == best.failure.id()
            {
                best = Shrunk { without, plan, failure, tried: best.tried };
                piece.iter().for_each(|place| _ = left.remove(place));
                smaller = true;
            }
        }
        // Once more with the same size where that helped, and with pieces of one until nothing helps.
        size = match (smaller, size) {
            (true, size) => size.min(left.len()),
            (false, size) => size / 2,
        };
    }
    Some(best)
}
