//! Worlds made by hand, and exactly what is reached in them.

mod cells;
mod columns;
mod kinds;
mod reopening;

use adieu_core::{Duration, HandleId, State};
use adieu_trace::Side::{self, Left, Right};

use super::{Call, Cell, Coverage, Event, Linger, Watcher};
use crate::{Goal, Setup, World};

const LONG: Duration = Duration::from_secs(24 * 3600);

/// A world with somebody who watches.
struct Scene {
    world: World,
    watcher: Watcher,
}

impl Scene {
    /// The right host listens.
    fn new(setup: Setup) -> Self {
        let mut world = World::new(setup);
        world.tap(true);
        world.listen(Right);
        Self { world, watcher: Watcher::new() }
    }

    /// Both hosts are connected, from the left.
    fn connected(setup: Setup) -> (Self, [HandleId; 2]) {
        let mut scene = Self::new(setup);
        let handles = scene.connect();
        (scene, handles)
    }

    fn connect(&mut self) -> [HandleId; 2] {
        let client = self.world.connect(Left);
        assert!(self.world.run_to(LONG, &Goal::states([State::Established; 2])));
        let server = self.world.host(Right).accept().expect("it is established");
        [client, server]
    }

    fn close(&mut self, side: Side, handle: HandleId) {
        self.watcher.calls(&mut self.world, side, handle, Call::Close(Linger::Off));
        self.world.close(side, handle);
    }

    fn abort(&mut self, side: Side, handle: HandleId) {
        self.watcher.calls(&mut self.world, side, handle, Call::Abort);
        self.world.abort(side, handle);
    }

    fn until(&mut self, states: [State; 2]) {
        assert!(self.world.run_to(LONG, &Goal::states(states)), "not in {states:?}");
    }

    /// Lets everything come to its end, and says what was reached; nothing of it may be impossible.
    fn end(mut self) -> Coverage {
        assert!(self.world.run_out(LONG));
        self.watcher.look(&mut self.world);
        assert_eq!(self.watcher.violations(), [""; 0]);
        self.watcher.coverage().clone()
    }
}

/// The cells of the matrix that were reached, the handshake's apart.
fn events(coverage: &Coverage) -> Vec<(State, Event)> {
    let handshake = [(State::Listen, Event::Syn), (State::SynSent, Event::Syn)];
    let matrix = coverage.reached().into_iter().filter_map(|cell| match cell {
        Cell::Event(state, event) => Some((state, event)),
        _ => None,
    });
    matrix.filter(|cell| !handshake.contains(cell)).collect()
}
