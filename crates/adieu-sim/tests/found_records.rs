//! What the swarm has found about records, as small as it gets.

use adieu_core::{Duration, Ending, Order};
use adieu_sim::{Setup, World};
use adieu_trace::Side::{Left, Right};

/// Seed 872: two FINs came at once, and there was room for one record in TIME-WAIT. The first gave way to the second
/// with its acknowledgment still to be sent; so its peer's FIN was never acknowledged, and met a reset when it came
/// again.
#[test]
fn fr_6_a_record_that_gives_way_acknowledges_the_fin_first() {
    let mut setup = Setup::new(872);
    setup.config[0].time_wait_budget = 1;
    let mut world = World::new(setup);
    world.listen(Right);
    let clients = [world.connect_anew(Left), world.connect_anew(Left)];
    world.run_for(Duration::from_secs(1));
    let servers = [(); 2].map(|()| world.host(Right).accept().expect("both are here"));
    clients.iter().for_each(|client| world.shut_down(Left, *client));
    world.run_for(Duration::from_secs(1));
    servers.iter().for_each(|server| world.shut_down(Right, *server));
    world.run_for(Duration::from_secs(10));
    for server in servers {
        let ending = world.receipt(Right, server).map(|receipt| receipt.ending);
        assert_eq!(ending, Some(Ending::Graceful { order: Order::PeerFirst }));
    }
}
