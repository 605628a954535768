//! Options of a switch whose `ovs-vswitchd` does not run: they are committed, and it will read them.

use flyover_core::{Action, OvsBridge};
use flyover_host::cmd::Cmd;
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::hands;
use flyover_ovs::transaction::row;
use flyover_ovs::{Datum, Mutation, Rows, Transaction};

use crate::world::{Database, World};

/// A database with an option and a note of somebody else, and its server.
fn database() -> World {
    let world = World::new(None, "/usr/sbin/ovs-vswitchd");
    let run = world.path("run/sw");
    std::fs::create_dir(&run).unwrap();
    let run = run.display();
    let schema = "/usr/share/openvswitch/vswitch.ovsschema".to_owned();
    Cmd::new("ovsdb-tool").args(["create".to_owned(), format!("{run}/conf.db"), schema]).run().unwrap();
    serve(&world);
    let mut transaction = Transaction::default();
    let columns = row([
        ("other_config", Datum::map([("theirs", "1"), ("tx-flush-interval", "50")])),
        ("external_ids", Datum::map([("system-id", "x")])),
    ]);
    transaction.insert("Open_vSwitch", &columns);
    world.client().transact(&transaction).unwrap();
    world
}

fn serve(world: &World) {
    let run = world.path("run/sw").display().to_string();
    let args = [
        format!("OVS_RUNDIR={run}"),
        "ovsdb-server".to_owned(),
        format!("{run}/conf.db"),
        format!("--remote=punix:{run}/db.sock"),
        format!("--pidfile={run}/ovsdb-server.pid"),
        format!("--unixctl={run}/ovsdb-server.ctl"),
        format!("--log-file={run}/ovsdb-server.log"),
        "-vconsole:off".to_owned(),
        "--no-chdir".to_owned(),
        "--detach".to_owned(),
    ];
    Cmd::new("env").args(args).run().unwrap();
}

fn wishes(world: &World) -> Vec<Action> {
    vec![
        world.option("dpdk-socket-mem", Some("1024,1024")),
        world.option("dpdk-extra", Some("--no-pci -m \"x\" =,; ü")),
        world.option("dpdk-init", Some("true")),
        world.option("tx-flush-interval", Some("100")),
    ]
}

fn person(world: &World, key: &str, value: Option<&str>) {
    let mut transaction = Transaction::default();
    let mutations = Mutation::set_key("other_config", key, value);
    transaction.mutate("Open_vSwitch", &[], &mutations, Rows::Exactly(1));
    world.client().transact(&transaction).unwrap();
}

fn assert_same(found: &Database, world: &World, when: &str) {
    assert_eq!(*found, world.database(), "{when}");
}

#[test]
fn options_are_set_once_and_taken_back_and_those_of_others_stay() {
    let world = database();
    let found = world.database();
    assert!(matches!(world.apply(&wishes(&world)).unwrap(), Outcome::Done { .. }));
    let set = world.database();
    assert_eq!(set.options["theirs"], "1");
    assert_eq!(set.options["tx-flush-interval"], "100");
    assert_eq!(set.options["dpdk-extra"], "--no-pci -m \"x\" =,; ü");
    assert_eq!(world.apply(&wishes(&world)).unwrap(), Outcome::AlreadySo);
    assert_same(&set, &world, "applied again");
    let report = world.roll_back();
    assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
    assert_same(&found, &world, "rolled back");
}

#[test]
fn a_crash_at_any_change_is_finished_or_rolled_back() {
    let whole = database();
    whole.apply(&wishes(&whole)).unwrap();
    let points = whole.changes();
    assert!(points > 20, "{points}");
    drop(whole);
    for n in 0..points {
        for finishes in [true, false] {
            let world = database();
            let found = world.database();
            let wishes = wishes(&world);
            assert!(world.until_crash(n, || world.apply(&wishes)).is_none(), "change {n} does not come");
            if finishes {
                world.finish(&wishes);
                world.assert_holds(&wishes, &format!("finished after a crash at {n}"));
            }
            let report = world.roll_back();
            assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
            assert_same(&found, &world, &format!("rolled back after a crash at {n}"));
        }
    }
}

#[test]
fn whichever_change_fails_the_options_are_as_found() {
    let whole = database();
    whole.apply(&wishes(&whole)).unwrap();
    let points = whole.changes();
    drop(whole);
    for n in 0..points {
        let world = database();
        let found = world.database();
        world.fail_at(n);
        let failed = world.apply(&wishes(&world)).unwrap_err();
        world.at_ease();
        if let ApplyError::Stopped { remains, .. } = &failed {
            assert!(remains.is_empty(), "failure at {n}: {remains:?}");
        }
        assert_same(&found, &world, &format!("failure at {n}: {failed}"));
    }
}

#[test]
fn an_option_that_somebody_changed_since_is_kept_and_named() {
    let world = database();
    world.apply(&wishes(&world)).unwrap();
    person(&world, "tx-flush-interval", Some("7"));
    person(&world, "dpdk-socket-mem", None);
    let report = world.roll_back();
    let kept: Vec<String> = report.kept.iter().map(|kept| kept.subject.to_string()).collect();
    assert_eq!(kept, ["option tx-flush-interval of /run/sw"]);
    assert_eq!(world.database().options["tx-flush-interval"], "7");
}

#[test]
fn a_database_that_goes_away_in_the_middle_is_told_and_gone_on_with_when_it_is_back() {
    let whole = database();
    whole.apply(&wishes(&whole)).unwrap();
    let points = whole.changes();
    drop(whole);
    for n in [3, points / 2, points - 1] {
        let world = database();
        let wishes = wishes(&world);
        assert!(world.until_crash(n, || world.apply(&wishes)).is_none());
        let server = flyover_host::ovs::ovsdb_server(&world.host(), &world.at).unwrap();
        server.ask("exit", &[], std::time::Duration::from_secs(5)).unwrap();
        while server.is_alive(&world.host()) {}
        let error = flyover_host::executor::finish(&world.store().lock().unwrap());
        if let Err(error) = error {
            let ApplyError::Stopped { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().starts_with("no database answers at `/run/sw/db.sock`"), "{source}");
        }
        serve(&world);
        flyover_host::executor::finish(&world.store().lock().unwrap()).unwrap();
        world.apply(&wishes).unwrap();
        world.assert_holds(&wishes, &format!("away at {n}"));
    }
}

#[test]
fn masks_and_names_that_are_none_are_refused_before_anything_changes() {
    let world = database();
    let found = world.database();
    for (key, value, reason) in [
        ("pmd-cpu-mask", "0xg", "`0xg` is not a CPU mask below CPU 8192"),
        ("two words", "1", "`two words` is no name of an option"),
    ] {
        let error = world.apply(&[world.option("dpdk-init", Some("true")), world.option(key, Some(value))]);
        let ApplyError::Refused { source, .. } = error.unwrap_err() else { panic!("{key} was not refused") };
        assert!(source.to_string().starts_with(reason), "{source}");
        assert_same(&found, &world, key);
    }
}

#[test]
fn a_bridge_needs_the_daemon_and_says_so() {
    let world = database();
    let bridge = OvsBridge {
        switch: world.at.clone(),
        name: "br0".parse().unwrap(),
        bridge: Some(Default::default()),
    };
    let error = hands::of(&Action::OvsBridge(bridge)).check(&world.host()).unwrap_err().to_string();
    let wanted = "bridge br0 is made by ovs-vswitchd, and none runs in `/run/sw`\n  hint: start it, or name its run directory";
    assert!(error.starts_with(wanted), "{error}");
}
