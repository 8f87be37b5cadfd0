//! What storms have found about resets, each as small as it gets.

use adieu_core::{Duration, Ending, State};
use adieu_sim::{Heard, Rule, Setup, Verdict, World};
use adieu_trace::Side::{Left, Right};

/// The peer has taken the probe of its window, and its answer is lost: our reset must still mean something to it.
/// SND.UNA, which AB-6 gives, lies left of its window then; SND.NXT would be exact.
#[test]
fn l3_a_reset_after_a_probe_reaches_the_peer() {
    let mut setup = Setup::new(86_458);
    setup.config[0].receive_buffer = 4;
    let mut world = World::new(setup);
    world.listen(Right);
    let client = world.connect(Left);
    world.run_for(Duration::from_secs(1));
    let server = world.host(Right).accept().expect("nothing is lost yet");
    world.write(Right, server, b"abcdefgh");
    world.run_for(Duration::from_secs(10)); // Four octets fill the window, and probes ask for the fifth.
    let lost = |from| if from == Left { Verdict::Lose } else { Verdict::Pass };
    world.rules.push(Rule::new("nothing comes back", move |sight| lost(sight.segment.from)));
    assert_eq!(world.read(Left, client), Heard::Data(b"abcd".into()));
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.read(Left, client), Heard::Data(b"e".into()), "the probe was taken");
    world.abort(Right, server);
    world.run_for(Duration::from_secs(20));
    let ending = world.host(Left).stack.receipt(client).map(|receipt| receipt.ending);
    assert_eq!(ending, Some(Ending::ResetByPeer { state: State::Established }));
}
