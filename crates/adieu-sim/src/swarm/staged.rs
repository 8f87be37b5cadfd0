//! Worlds that are made by hand, for what chance hardly ever brings.

use adieu_core::Duration;
use adieu_core::wire::Flags;
use adieu_trace::Side::{Left, Right};

use crate::{Forged, Heard, Setup, World};

/// Their names, and the worlds: each panics where a promise is broken, as [`run`](super::run) does.
pub const STAGED: [(&str, fn()); 1] = [("overreach", overreach)];

/// FB-4, INV-2: the peer's own bytes, from inside the window to beyond its edge, with the FIN behind them, as no honest
/// sender sends them. What fits is taken; the FIN is not, for it lies beyond.
fn overreach() {
    let stream: Vec<u8> = (0..30).collect();
    let mut setup = Setup::new(1);
    setup.config[1].receive_buffer = 10;
    setup.config.iter_mut().for_each(|config| config.timestamps = false);
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    world.run_for(Duration::from_secs(1));
    let server = world.host(Right).accept().expect("nothing is lost yet");
    world.wire.loss = 1_000_000;
    world.write(Left, client, &stream);
    world.shut_down(Left, client);
    world.run_for(Duration::from_millis(50));
    world.forge(Right, Forged { flags: Flags::FIN.with(Flags::ACK), seq: 1, ack: 1, data: &stream });
    world.run_for(Duration::from_millis(50));
    assert_eq!(world.read(Right, server), Heard::Data(stream[..10].to_vec()), "FB-4: what fits is taken");
    assert_eq!(world.read(Right, server), Heard::Nothing, "INV-2: an end of stream before the stream's end");
    world.wire.loss = 0;
    let mut heard = stream[..10].to_vec();
    let whole = world.run_until(Duration::from_secs(600), |world| match world.read(Right, server) {
        Heard::Data(bytes) => {
            heard.extend(bytes);
            false
        }
        said => said == Heard::EndOfStream,
    });
    assert!(whole && heard == stream, "INV-1, L1: {heard:?}");
}
