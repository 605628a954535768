//! A crash or a failure at every change from nothing to a switch with a port, and back.

use flyover_core::Action;
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::ovs::{ovsdb_server, vswitchd};

use super::stage::{Netns, everything, world};
use crate::world::World;

fn assert_nothing(world: &World, netns: &Netns, found: &[String], when: &str) {
    assert_eq!(world.tree(), found, "{when}");
    assert_eq!(netns.links(), "", "{when}");
    assert!(
        vswitchd(&world.host(), &world.at).is_none() && ovsdb_server(&world.host(), &world.at).is_none(),
        "{when}"
    );
}

fn points(netns: &Netns) -> u64 {
    let whole = world(netns);
    whole.apply(&everything(&whole)).unwrap();
    whole.changes()
}

#[test]
fn a_switch_is_made_from_nothing_and_nothing_is_left_of_it() {
    let netns = Netns::new();
    let world = world(&netns);
    let found = world.tree();
    let wishes = everything(&world);
    assert!(matches!(world.apply(&wishes).unwrap(), Outcome::Done { .. }));
    world.assert_holds(&wishes, "applied");
    assert!(netns.links().contains("t0"), "{}", netns.links());
    let set = world.database();
    assert_eq!(world.apply(&wishes).unwrap(), Outcome::AlreadySo);
    assert_eq!(world.database(), set);
    let report = world.roll_back();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_nothing(&world, &netns, &found, "rolled back");
}

#[test]
fn a_crash_at_any_change_is_finished_and_rolled_back() {
    let netns = Netns::new();
    let points = points(&netns);
    assert!(points > 25, "{points}");
    for n in 0..points {
        let world = world(&netns);
        let found = world.tree();
        let wishes = everything(&world);
        assert!(world.until_crash(n, || world.apply(&wishes)).is_none(), "change {n} does not come");
        world.finish(&wishes);
        world.assert_holds(&wishes, &format!("finished after a crash at {n}"));
        let report = world.roll_back();
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_nothing(&world, &netns, &found, &format!("finished after a crash at {n} and rolled back"));
    }
}

#[test]
fn a_crash_at_any_change_is_rolled_back_and_a_crash_of_that_too() {
    let netns = Netns::new();
    for n in 0..points(&netns) {
        let world = world(&netns);
        let found = world.tree();
        let wishes = everything(&world);
        assert!(world.until_crash(n, || world.apply(&wishes)).is_none(), "change {n} does not come");
        // Somewhere in the way back as well, where it is that long.
        if world.until_crash(n / 2, || world.roll_back()).is_none() {
            world.resume();
        }
        let report = world.roll_back();
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_nothing(&world, &netns, &found, &format!("rolled back after a crash at {n}"));
    }
}

#[test]
fn whichever_change_fails_nothing_is_left() {
    let netns = Netns::new();
    for n in 0..points(&netns) {
        let world = world(&netns);
        let found = world.tree();
        let wishes: Vec<Action> = everything(&world);
        world.fail_at(n);
        let failed = world.apply(&wishes);
        world.at_ease();
        if let Err(ApplyError::Stopped { remains, .. }) = &failed {
            assert!(remains.is_empty(), "failure at {n}: {remains:?}");
        }
        let Err(failed) = failed else { continue };
        assert_nothing(&world, &netns, &found, &format!("failure at {n}: {failed}"));
    }
}
