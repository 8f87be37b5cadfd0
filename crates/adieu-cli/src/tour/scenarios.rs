//! The scenarios of the tour.

use adieu_core::{Duration, Ending, HandleId, Leftover, Order, State};
use adieu_sim::{Heard, Setup, World};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::What;

use super::{Check, Outcome, Scenario};

/// All of them, in the order of the tour.
pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "four-way",
    title: "the four-way goodbye: the client closes first, the server says what it has to say, then closes too",
    run: four_way,
}];

/// Long enough for anything but TIME-WAIT.
const SOON: Duration = Duration::from_secs(20);

fn four_way() -> Outcome {
    let mut world = World::new(Setup::new(1));
    let mut checks = Checks::default();
    let (client, server) = establish(&mut world);
    say(&mut world, Left, client, b"hello");
    hear(&mut world, Right, server);
    world.run_for(PAUSE);
    world.note(Left, "shutdown: no more to say");
    world.shut_down(Left, client);
    let seen = world.run_until(SOON, |world| world.read(Right, server) == Heard::EndOfStream);
    checks.add("the server reads the end of the stream after the client's last byte", seen);
    world.note(Right, "read: end of stream");
    checks.add("half-closed: the client waits in FIN-WAIT-2 once its FIN is acknowledged, the server in CLOSE-WAIT", {
        let half = |world: &mut World| [world.state(Left), world.state(Right)] == [State::FinWait2, State::CloseWait];
        world.run_until(SOON, half)
    });
    say(&mut world, Right, server, b"goodbye");
    hear(&mut world, Left, client);
    world.run_for(PAUSE);
    world.note(Right, "close");
    world.close(Right, server);
    let seen = world.run_until(SOON, |world| world.read(Left, client) == Heard::EndOfStream);
    checks.add("the client still receives what the server says after that, then the end of the stream", seen);
    world.note(Left, "read: end of stream");
    let closed = world.run_until(SOON, |world| world.state(Right) == State::Closed);
    let waits = world.state(Left) == State::TimeWait;
    checks.add(
        "the server, which closed second, is done at once; the client, which closed first, waits",
        closed && waits,
    );
    finish(world, checks, [client, server], [Order::LocalFirst, Order::PeerFirst])
}

/// Long enough for what is on the wire to arrive, so that the ladder shows one thing at a time.
const PAUSE: Duration = Duration::from_millis(10);

/// Server listens, client connects, server accepts.
fn establish(world: &mut World) -> (HandleId, HandleId) {
    world.listen(Right);
    let client = world.connect(Left);
    let mut server = None;
    world.run_until(SOON, |world| {
        server = server.or_else(|| world.host(Right).accept());
        server.is_some()
    });
    world.note(Right, "accept");
    (client, server.expect("nothing is lost on this wire"))
}

fn say(world: &mut World, side: Side, handle: HandleId, words: &[u8]) {
    world.note(side, format!("write {:?}", String::from_utf8_lossy(words)));
    world.write(side, handle, words);
}

fn hear(world: &mut World, side: Side, handle: HandleId) {
    let mut words = Vec::new();
    world.run_until(SOON, |world| match world.read(side, handle) {
        Heard::Data(data) => {
            words = data;
            true
        }
        Heard::Nothing | Heard::EndOfStream | Heard::Failed(_) => false,
    });
    world.note(side, format!("read {:?}", String::from_utf8_lossy(&words)));
}

/// Checks the receipts, lets TIME-WAIT pass, and checks that nothing is left.
fn finish(mut world: World, mut checks: Checks, handles: [HandleId; 2], orders: [Order; 2]) -> Outcome {
    let sides = [Left, Right];
    let receipts = [0, 1].map(|n| world.host(sides[n]).stack.receipt(handles[n]));
    let graceful = receipts.iter().zip(orders).all(|(receipt, order)| {
        receipt.is_some_and(|receipt| receipt.ending == Ending::Graceful { order } && receipt.undelivered() == 0)
    });
    checks.add("both receipts say graceful, with every byte acknowledged", graceful);
    for (side, handle) in sides.into_iter().zip(handles) {
        world.release(side, handle);
    }
    let quiet = world.run_out(Duration::from_secs(3600));
    let free = sides.iter().all(|side| world.leftover(*side) == Leftover::default());
    checks.add("after TIME-WAIT nothing is left: no connection, timer, byte or port", quiet && free);
    checks.add("TIME-WAIT lasted 60 s", time_wait(&world) == Some(Duration::from_secs(60)));
    Outcome { trace: world.trace().clone(), receipts, checks: checks.0 }
}

/// How long the left end was in TIME-WAIT.
fn time_wait(world: &World) -> Option<Duration> {
    let at = |state: State, leaving: bool| {
        world.trace().events.iter().find_map(|event| match event.what {
            What::State { side: Left, from, .. } if leaving && from == state => Some(event.at),
            What::State { side: Left, to, .. } if !leaving && to == state => Some(event.at),
            What::State { .. } | What::Segment(_) | What::App { .. } => None,
        })
    };
    Some(at(State::TimeWait, true)?.since(at(State::TimeWait, false)?))
}

/// Claims and whether they held.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, claim: &str, held: bool) {
        self.0.push(Check { claim: claim.into(), held });
    }
}
