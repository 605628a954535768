//! Bridges, ports and restarts: what changes, what stays, and what is refused.

use flyover_core::{Action, OvsBridge, OvsPort, OvsRestart, Strings};
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::hands;
use flyover_host::ovs::{PENDING, snapshot, vswitchd};
use flyover_ovs::transaction::row;
use flyover_ovs::{Condition, Datum, Mutation, Rows, Transaction};

use super::stage::{Netns, bridge, everything, owned, port, world};
use crate::world::World;

fn applied(netns: &Netns) -> World {
    let world = world(netns);
    world.apply(&everything(&world)).unwrap();
    world
}

/// A key of a row by name, put in by somebody else.
fn person(world: &World, table: &str, name: &str, column: &str, key: &str) {
    let mut transaction = Transaction::default();
    let mutations = [Mutation::insert(column, Datum::map([(key, "theirs")]))];
    transaction.mutate(table, &[Condition::equals("name", name)], &mutations, Rows::Exactly(1));
    world.client().transact(&transaction).unwrap();
}

/// A port of somebody else.
fn foreign_port(world: &World, bridge: &str, name: &str) {
    let mut transaction = Transaction::default();
    let interface =
        transaction.insert("Interface", &row([("name", name.into()), ("type", "internal".into())]));
    let port = transaction.insert("Port", &row([("name", name.into()), ("interfaces", interface.into())]));
    let this = [Condition::equals("name", bridge)];
    transaction.mutate("Bridge", &this, &[Mutation::insert("ports", port)], Rows::Exactly(1));
    world.client().apply(&transaction).unwrap();
}

fn refused(world: &World, action: &Action) -> String {
    hands::of(action).check(&world.host()).unwrap_err().to_string()
}

#[test]
fn a_changed_mtu_is_an_update_of_the_port_that_is_there_and_keys_of_others_stay() {
    let netns = Netns::new();
    let world = applied(&netns);
    let before = snapshot(&mut world.client()).unwrap();
    person(&world, "Interface", "t0", "options", "their-option");
    person(&world, "Bridge", "br0", "external_ids", "their-id");
    let wish = Action::OvsPort(port(&world, "br0", "t0", 1300));
    assert!(matches!(world.apply(&[wish]).unwrap(), Outcome::Done { generation: 2 }));
    let after = snapshot(&mut world.client()).unwrap();
    let [old, new] =
        [&before, &after].map(|found| found.interfaces.iter().find(|each| each.name == "t0").unwrap());
    assert_eq!((&old.uuid, old.mtu), (&new.uuid, Some(1400)));
    assert_eq!(new.mtu, Some(1300));
    assert_eq!(new.options["their-option"], "theirs");
    let report = world.roll_back();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_eq!(netns.links(), "");
}

#[test]
fn a_bridge_that_was_there_is_taken_over_and_given_back_as_it_was() {
    let netns = Netns::new();
    let world = world(&netns);
    world.apply(&[Action::OvsDaemons(world.daemons())]).unwrap();
    let mut transaction = Transaction::default();
    let interface =
        transaction.insert("Interface", &row([("name", "br0".into()), ("type", "internal".into())]));
    let own = transaction.insert("Port", &row([("name", "br0".into()), ("interfaces", interface.into())]));
    let columns = row([
        ("name", "br0".into()),
        ("datapath_type", "netdev".into()),
        ("ports", own.into()),
        ("other_config", Datum::map([("mac-table-size", "1024"), ("hwaddr", "02:00:00:00:00:07")])),
    ]);
    let new = transaction.insert("Bridge", &columns);
    transaction.mutate("Open_vSwitch", &[], &[Mutation::insert("bridges", new)], Rows::Exactly(1));
    world.client().apply(&transaction).unwrap();
    foreign_port(&world, "br0", "theirs0");
    let found = world.database();
    world
        .apply(&[Action::OvsBridge(bridge(&world, "br0")), Action::OvsPort(port(&world, "br0", "t0", 1400))])
        .unwrap();
    let taken = world.database();
    assert!(
        taken.bridges["br0"].0.contains("\"mac-table-size\": \"4096\"")
            && taken.bridges["br0"].0.contains("hwaddr")
    );
    assert_eq!(taken.bridges["br0"].1.len(), 2);
    let report = flyover_host::executor::roll_back(&world.store().lock().unwrap(), 1).unwrap();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_eq!(world.database(), found);
}

#[test]
fn a_bridge_with_ports_of_others_stays_and_they_are_named() {
    let netns = Netns::new();
    let world = applied(&netns);
    foreign_port(&world, "br0", "theirs0");
    let gone = Action::OvsBridge(OvsBridge { bridge: None, ..bridge(&world, "br0") });
    assert!(refused(&world, &gone).starts_with("bridge br0 has ports: t0, theirs0\n  hint: "));
    let report = world.roll_back();
    let failed: Vec<String> =
        report.failed.iter().map(|failed| format!("{}: {}", failed.subject, failed.why)).collect();
    assert!(
        failed[0].starts_with("bridge br0 of /run/sw: bridge br0 has ports: theirs0\n  hint: "),
        "{failed:?}"
    );
    let mut transaction = Transaction::default();
    let theirs = snapshot(&mut world.client()).unwrap().port("theirs0").unwrap().uuid.clone();
    let out = Mutation::delete("ports", flyover_ovs::Atom::Uuid(theirs));
    transaction.mutate("Bridge", &[], &[out], Rows::Exactly(1));
    world.client().apply(&transaction).unwrap();
    let report = world.roll_back();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_eq!(netns.links(), "");
}

#[test]
fn what_would_take_something_from_others_is_refused() {
    let netns = Netns::new();
    let world = applied(&netns);
    world.apply(&[Action::OvsBridge(bridge(&world, "br1"))]).unwrap();
    foreign_port(&world, "br0", "theirs0");
    let mut kernel = bridge(&world, "br0");
    kernel.bridge.as_mut().unwrap().datapath_type = "system".to_owned();
    for (action, reason) in [
        (Action::OvsPort(port(&world, "br1", "t0", 1400)), "port t0 is in bridge br0, not in br1"),
        (Action::OvsPort(port(&world, "none", "t1", 1400)), "there is no bridge none for port t1"),
        (Action::OvsPort(port(&world, "br0", "br0", 1400)), "port br0 is the bridge's own"),
        (
            Action::OvsBridge(bridge(&world, "t0")),
            "a port is called t0, and a bridge has a port of its own name",
        ),
        (
            Action::OvsBridge(kernel),
            "bridge br0 has datapath type `netdev`, not `system`, and ports that would go with the change: t0, theirs0",
        ),
    ] {
        let said = refused(&world, &action);
        assert!(said.starts_with(reason) && said.contains("\n  hint: "), "{said}");
    }
}

#[test]
fn a_port_that_cannot_be_made_is_told_with_the_reason_and_taken_back() {
    let netns = Netns::new();
    let world = applied(&netns);
    let found = world.database();
    let mut bad = port(&world, "br0", "t1", 1400);
    let state = bad.port.as_mut().unwrap();
    state.interfaces.get_mut("t1").unwrap().kind = "nothing-like-it".to_owned();
    let error = world.apply(&[Action::OvsPort(bad)]).unwrap_err();
    let ApplyError::Stopped { source, remains, .. } = error else { panic!("{error}") };
    assert!(source.to_string().starts_with("interface t1: could not open network device t1"), "{source}");
    assert!(remains.is_empty());
    assert_eq!(world.database(), found);
}

fn restart(world: &World, value: &str) -> Vec<Action> {
    let key = "userspace-tso-enable";
    let options = [(key.to_owned(), value.to_owned())].into();
    vec![world.option(key, Some(value)), Action::OvsRestart(OvsRestart { switch: world.at.clone(), options })]
}

#[test]
fn a_restart_is_made_once_for_an_option_that_needs_it_and_ports_come_back() {
    let netns = Netns::new();
    let world = applied(&netns);
    let pid = || vswitchd(&world.host(), &world.at).unwrap().pid;
    let first = pid();
    world.apply(&restart(&world, "false")).unwrap();
    let second = pid();
    assert_ne!(first, second);
    assert!(!world.database().external_ids.contains_key(PENDING), "{:?}", world.database());
    assert!(netns.links().contains("t0"));
    assert_eq!(world.apply(&restart(&world, "false")).unwrap(), Outcome::AlreadySo);
    world.apply(&[world.option("tx-flush-interval", Some("200"))]).unwrap();
    assert_eq!(pid(), second, "what can change live changes live");
    // The way back needs a restart too, after the option is back.
    let report = flyover_host::executor::roll_back(&world.store().lock().unwrap(), 1).unwrap();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_ne!(pid(), second);
    assert_eq!(world.database().options["userspace-tso-enable"], "true");
    assert_eq!(world.database().external_ids, Strings::new());
}

#[test]
fn daemons_that_were_killed_are_started_and_nothing_is_left_of_them_all_the_same() {
    let netns = Netns::new();
    let world = world(&netns);
    let found = world.tree();
    world.apply(&everything(&world)).unwrap();
    for daemon in [flyover_host::ovs::ovsdb_server, vswitchd] {
        let daemon = daemon(&world.host(), &world.at).unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        while daemon.is_alive(&world.host()) {}
    }
    world.apply(&everything(&world)).unwrap();
    world.assert_holds(&everything(&world), "healed");
    // The bridge is touched again, after the port that goes before it.
    let mut again = bridge(&world, "br0");
    again.bridge.as_mut().unwrap().other_config.insert("mac-table-size".to_owned(), "8192".to_owned());
    world.apply(&[Action::OvsBridge(again)]).unwrap();
    let report = world.roll_back();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_eq!(world.tree(), found);
}

#[test]
fn a_port_without_an_owner_leaves_no_record() {
    let netns = Netns::new();
    let world = applied(&netns);
    let mut plain = port(&world, "br0", "t1", 1400);
    plain.port.as_mut().unwrap().external_ids = Strings::new();
    world.apply(&[Action::OvsPort(plain)]).unwrap();
    let row = snapshot(&mut world.client()).unwrap().port("t1").unwrap().external_ids.clone();
    assert_eq!(row, Strings::new());
    let gone = Action::OvsPort(OvsPort { port: None, ..port(&world, "br0", "t1", 1400) });
    world.apply(&[gone]).unwrap();
    assert!(snapshot(&mut world.client()).unwrap().port("t1").is_none());
    assert_eq!(owned().len(), 1);
}
