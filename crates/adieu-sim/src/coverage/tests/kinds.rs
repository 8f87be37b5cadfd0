//! Pairs, losses, variants, endings.

use adieu_core::State::{CloseWait, Closed, Established, FinWait1, FinWait2, LastAck, TimeWait};
use adieu_core::wire::Flags;
use adieu_core::{Duration, Ending, Seq, State};
use adieu_trace::Side::{Left, Right};

use super::{LONG, Scene};
use crate::coverage::{Call, Cell, Coverage, Linger, Row, Trait, Way};
use crate::{Device, Forged, Occurrence, Rule, Setup, Verdict};

fn goodbye(mut scene: Scene, release: bool) -> Coverage {
    let [client, server] = scene.connect();
    scene.world.write(Left, client, b"some bytes to go through the wrap");
    scene.close(Left, client);
    scene.world.run_until(LONG, |world| world.state(Right) == CloseWait);
    scene.world.read(Right, server);
    let call = if release { Call::Release(Linger::Off) } else { Call::Close(Linger::Off) };
    scene.watcher.calls(&mut scene.world, Right, server, call);
    if release {
        scene.world.release(Right, server);
    } else {
        scene.world.close(Right, server);
    }
    scene.end()
}

fn reached<T>(coverage: &Coverage, pick: impl Fn(Cell) -> Option<T>) -> Vec<T> {
    coverage.reached().into_iter().filter_map(pick).collect()
}

#[test]
fn pairs_of_a_goodbye() {
    let coverage = goodbye(Scene::new(Setup::new(1)), false);
    let pairs = reached(&coverage, |cell| match cell {
        Cell::Pair(one, other) => Some((one, other)),
        _ => None,
    });
    let all = [
        (Closed, Closed),
        (Closed, TimeWait),
        (Established, Established),
        (Established, FinWait1),
        (FinWait1, CloseWait),
        // The server closes at once: its FIN follows its ACK.
        (FinWait1, LastAck),
        (FinWait2, LastAck),
        (LastAck, TimeWait),
    ];
    assert_eq!(pairs, all);
}

#[test]
fn a_pair_that_cannot_be_is_a_violation_unless_somebody_forges() {
    // The right host is said to be in CLOSE-WAIT though nobody has closed.
    let (mut scene, _) = Scene::connected(Setup::new(1));
    let seen = scene.world.take_happened();
    let last = seen.iter().rfind(|happened| happened.side == Right).copied().expect("the handshake");
    seen.iter().for_each(|happened| scene.watcher.see(happened));
    let claim = Occurrence::Changed { before: Established, after: CloseWait };
    scene.watcher.see(&crate::Happened { what: claim, ..last });
    assert_eq!(scene.watcher.violations().len(), 1, "{:?}", scene.watcher.violations());

    let mut setup = Setup::new(1);
    setup.config[0].timestamps = false;
    let (mut scene, _) = Scene::connected(setup);
    scene.world.forge(Right, Forged { flags: Flags::FIN.with(Flags::ACK), seq: 1, ack: 1, data: b"" });
    scene.world.run_until(LONG, |world| world.state(Right) == CloseWait);
    scene.watcher.look(&mut scene.world);
    assert_eq!(scene.watcher.coverage().count(Cell::pair(Established, CloseWait)), 1);
    assert_eq!(scene.watcher.violations(), [""; 0]);
}

#[test]
fn fs_5_lost_copies_are_counted_from_the_first() {
    let losing = |times, meant: fn(&crate::Sight) -> bool| {
        let mut scene = Scene::new(Setup::new(1));
        scene.world.rules.push(Rule::first("copies", times, Verdict::Lose, meant));
        reached(&goodbye(scene, false), |cell| match cell {
            Cell::LostFin(n) => Some((Flags::FIN, n)),
            Cell::LostAck(n) => Some((Flags::ACK, n)),
            _ => None,
        })
    };
    assert_eq!(losing(0, |_| true), []);
    assert_eq!(losing(2, |sight| sight.is(Left, Flags::FIN)), [(Flags::FIN, 1), (Flags::FIN, 2)]);
    // The server's FIN is acknowledged by the client in TIME-WAIT.
    let last_acks = |sight: &crate::Sight| sight.is_bare_ack(Left) && sight.segment.ack.is_some_and(|ack| ack == 2);
    assert_eq!(losing(2, last_acks), [(Flags::ACK, 1), (Flags::ACK, 2)]);
}

fn variants(coverage: &Coverage) -> Vec<(Way, Trait)> {
    let mut all = reached(coverage, |cell| match cell {
        Cell::Variant(quality, way) => Some((way, quality)),
        _ => None,
    });
    all.sort_unstable();
    all
}

#[test]
fn variants_of_a_goodbye() {
    use Trait::{NoSack, NoStamps, Orphan, Owned, ReceiveWraps, Sack, SendWraps, Stamps, V4, V6};
    use Way::{LocalFirst, PeerFirst};
    let plain = variants(&goodbye(Scene::new(Setup::new(1)), false));
    let each = |way| [(way, V4), (way, Stamps), (way, Sack), (way, Owned)];
    assert_eq!(plain, [each(LocalFirst), each(PeerFirst)].concat());

    // FB-6: the client's FIN is number 2^32 - 1, and its end 0.
    let bytes = 33;
    let mut setup = Setup { ipv6: true, initial: [Some(Seq(u32::MAX - bytes - 1)), None], ..Setup::new(1) };
    setup.config[0].timestamps = false;
    setup.config[1].selective_acks = false;
    let other = variants(&goodbye(Scene::new(setup), true));
    let left = [SendWraps, V6, NoStamps, NoSack, Owned].map(|quality| (LocalFirst, quality));
    let right = [ReceiveWraps, V6, NoStamps, NoSack, Orphan].map(|quality| (PeerFirst, quality));
    assert_eq!(other, [left, right].concat());
}

#[test]
fn a_reset_is_a_way_for_both_ends() {
    let (mut scene, [client, _]) = Scene::connected(Setup::new(1));
    scene.abort(Left, client);
    let coverage = scene.end();
    assert!(variants(&coverage).iter().all(|(way, _)| *way == Way::Reset));
    assert_eq!(coverage.count(Cell::Variant(Trait::Stamps, Way::Reset)), 2);
    let endings = reached(&coverage, |cell| match cell {
        Cell::Ending(kind, state) => Some((Ending::names().nth(kind).unwrap_or_default(), state)),
        _ => None,
    });
    assert_eq!(endings, [("reset-by-peer", Established), ("aborted-by-call", Established)]);
    assert_eq!(coverage.count(Cell::pair(Closed, Established)), 1);
}

#[test]
fn tw_9_a_record_that_comes_back_is_the_old_connection() {
    // The client gives its second attempt up while its SYN is under way: what that opens comes to nothing.
    let (mut scene, [client, server]) = Scene::connected(Setup::new(3));
    scene.close(Right, server);
    scene.until([CloseWait, FinWait2]);
    scene.close(Left, client);
    scene.until([Closed, TimeWait]);
    scene.world.release(Left, client);
    scene.world.run_for(Duration::from_secs(2));
    let again = scene.world.connect(Left);
    scene.world.run_for(Duration::from_millis(1));
    scene.abort(Left, again);
    scene.world.release(Left, again);
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == State::SynReceived));
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == TimeWait));
    scene.world.run_for(Duration::from_secs(5));
    scene.world.connect(Left);
    scene.until([Established; 2]);
    scene.watcher.look(&mut scene.world);
    // Both attempts find the record of the first connection.
    assert_eq!(scene.watcher.coverage().count(Cell::Reopening(Row::LaterStamp)), 2);
    assert_eq!(scene.watcher.coverage().count(Cell::pair(Closed, TimeWait)), 1);
    assert_eq!(scene.watcher.violations(), [""; 0]);
}

#[test]
fn an_attempt_whose_syn_waits_for_the_device_has_no_fin() {
    // The server's SYN-ACK is refused once; meanwhile the ACK of the old connection's FIN comes again.
    let mut setup = Setup { device: [Device::Plain, Device::Refusing], ..Setup::new(3) };
    setup.config.iter_mut().for_each(|config| config.timestamps = false);
    let (mut scene, [client, server]) = Scene::connected(setup);
    scene.close(Right, server);
    scene.until([CloseWait, FinWait2]);
    scene.close(Left, client);
    scene.until([Closed, TimeWait]);
    scene.world.release(Left, client);
    scene.world.connect(Left);
    assert!(scene.world.run_until(LONG, |world| world.state(Right) == State::SynReceived));
    scene.world.forge(Right, Forged { flags: Flags::ACK, seq: 2, ack: 2, data: b"" });
    scene.world.run_for(Duration::from_micros(100));
    scene.watcher.look(&mut scene.world);
    let reached = super::events(scene.watcher.coverage());
    assert!(reached.iter().all(|(state, _)| *state != State::SynReceived), "{reached:?}");
}
