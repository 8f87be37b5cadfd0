//! What the swarm has found about windows, as small as it gets.

use adieu_core::wire::Flags;
use adieu_core::{Duration, State};
use adieu_sim::{Forged, Occurrence, Setup, World};
use adieu_trace::Side::{Left, Right};

/// Seed 0: an acknowledgment in SYN-RECEIVED, such as the answer to a reset that is not exact, announced a window that
/// was not scaled, and so eight times the buffer (RFC 7323 section 2.2: "The window field in every segment but the SYN
/// is scaled").
#[test]
fn x_ws_an_acknowledgment_in_syn_received_scales_its_window() {
    let mut setup = Setup::new(0);
    setup.config[1].receive_buffer = 400_000;
    let mut world = World::new(setup);
    world.tap(true);
    world.listen(Right);
    world.connect(Left);
    assert!(world.run_until(Duration::from_secs(1), |world| world.state(Right) == State::SynReceived));
    world.forge(Right, Forged { flags: Flags::RST, seq: 3, ack: 0, data: b"" });
    world.run_for(Duration::from_millis(5));
    assert_eq!(world.state(Right), State::SynReceived);
    let sent = world.take_happened().into_iter().filter(|one| one.side == Right).filter_map(|one| match one.what {
        Occurrence::Sent { segment, .. } => Some(segment),
        _ => None,
    });
    let sent: Vec<_> = sent.collect();
    let shift = sent.iter().find_map(|segment| segment.window_shift).expect("the SYN-ACK asks for scaling");
    let challenge = sent.iter().find(|segment| segment.flags == Flags::ACK).expect("the reset is challenged");
    assert!(u32::from(challenge.window) << shift <= 400_000, "{} << {shift}", challenge.window);
}
