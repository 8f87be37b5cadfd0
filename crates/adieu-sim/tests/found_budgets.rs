//! What the swarm has found about the budgets of half-closed connections, as small as it gets.

use adieu_core::{Cause, Duration, Ending, HandleId, Limit, Settings, Unwanted};
use adieu_sim::{Setup, World};
use adieu_trace::Side::{Left, Right};

/// Half-closes with three seconds for it on a wire that takes nothing any more; then `further`, and a while.
fn half_closed(further: impl FnOnce(&mut World, HandleId)) -> Option<Ending> {
    let mut world = World::new(Setup::new(0));
    world.listen(Right);
    let handle = world.connect(Left);
    world.run_for(Duration::from_secs(1));
    let (now, total) = (world.now(), Some(Duration::from_secs(3)));
    world.host(Left).stack.set(now, handle, Settings { half_close_total: total, ..Settings::default() });
    world.wire.loss = 1_000_000;
    world.shut_down(Left, handle);
    world.run_for(Duration::from_secs(1));
    further(&mut world, handle);
    world.run_for(Duration::from_millis(2100));
    world.receipt(Left, handle).map(|receipt| receipt.ending)
}

/// Seed 1844: who gave up reading, too, had ten minutes again, as an orphan, instead of what was left of its budget.
#[test]
fn to_8_a_half_close_budget_outlives_the_end_of_reading() {
    let spent =
        |ending| matches!(ending, Some(Ending::Aborted { cause: Cause::PolicyLimit(Limit::HalfCloseTotal), .. }));
    assert!(spent(half_closed(|_, _| {})));
    let ending = half_closed(|world, handle| world.shut_down_read(Left, handle, Unwanted::Refuse));
    assert!(spent(ending), "{ending:?}");
    let ending = half_closed(|world, handle| world.close(Left, handle));
    assert!(spent(ending), "{ending:?}");
}
