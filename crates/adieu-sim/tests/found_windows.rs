//! What the swarm has found about windows, as small as it gets.

use adieu_core::wire::Flags;
use adieu_core::{Duration, Keepalive, Settings, State};
use adieu_sim::{Forged, LinkDown, Occurrence, Setup, World};
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

/// Seed 616: a keepalive closed the window, whose number is older than that of the acknowledgments before it. Its
/// acknowledgment counted and its window did not, so that what had been announced before was granted once more, behind
/// what it acknowledged.
#[test]
fn zw_3_a_keepalive_that_acknowledges_more_brings_its_window() {
    let mut setup = Setup::new(616);
    setup.config[0].path_probes = false; // Segments that are cut smaller would come at other times.
    setup.config[1].receive_buffer = 1000;
    let mut world = World::new(setup);
    world.tap(true);
    world.listen(Right);
    let client = world.connect(Left);
    world.run_for(Duration::from_secs(1));
    let server = world.host(Right).accept().expect("nothing is lost yet");
    let now = world.time(Right);
    let keepalive = Keepalive { idle: Duration::from_secs(1), ..Keepalive::default() };
    let settings = Settings { keepalive: Some(keepalive), ..Settings::default() };
    world.host(Right).stack.set(now, server, settings);
    let down = LinkDown::new(world.now(), Duration::from_millis(2250));
    world.path.links.push(LinkDown { from: Some(Right), ..down });
    world.write(Left, client, &[7; 3000]);
    world.run_for(Duration::from_millis(2700));
    let mut first = None;
    let sent = world.take_happened().into_iter().filter(|one| one.side == Left).filter_map(|one| match one.what {
        Occurrence::Sent { segment, .. } => Some(segment),
        _ => None,
    });
    let ends = sent.map(|segment| segment.end().distance(*first.get_or_insert(segment.seq + 1)));
    assert_eq!(ends.max(), Some(1000), "the window has room for so many octets, and nobody reads");
    let acknowledged = 3000 - world.host(Left).stack.unacknowledged(client);
    assert_eq!(acknowledged, 1000, "by the keepalive");
}
