//! Where a switch is, and what must be so for it.

use flyover_core::facts::{Enablement, ServiceFacts};
use flyover_core::{Action, Keeper, Wish};
use flyover_plan::switch::wishes;
use flyover_plan::{by_hand, state};

use super::*;

#[test]
fn a_switch_is_the_systems_own_unless_it_is_said() {
    let mut host = server(8);
    let usual = at(&SwitchSpec::default().runtime, &host);
    assert_eq!(
        (usual.rundir.as_str(), usual.database.as_str()),
        ("/run/openvswitch", "/run/openvswitch/db.sock")
    );
    assert_eq!(usual.keeper, Keeper::Others);
    for (unit, enablement) in
        [("openvswitch", Enablement::Static), ("openvswitch-switch", Enablement::Enabled)]
    {
        let unit = unit.parse::<flyover_core::UnitName>().unwrap();
        let facts = ServiceFacts { unit: unit.clone(), enablement, active: true, fragment: None };
        host.services.insert(unit.clone(), facts);
        assert_eq!(at(&SwitchSpec::default().runtime, &host).keeper, Keeper::Unit(unit));
    }
    let named = spec("runtime: {service: my-ovs}").runtime;
    assert_eq!(at(&named, &host).keeper, Keeper::Unit("my-ovs".parse().unwrap()));
    let elsewhere = at(&spec("runtime: {directory: /srv/ovs}").runtime, &host);
    assert_eq!((elsewhere.database.as_str(), elsewhere.keeper), ("/srv/ovs/db.sock", Keeper::Others));
    let own = at(&spec("runtime: {directory: /tmp/ovs, processes: {netns: lab}}").runtime, &host);
    let Keeper::Flyover(processes) = own.keeper else { panic!("{own:?}") };
    assert_eq!((processes.file.as_str(), processes.netns.as_deref()), ("/tmp/ovs/conf.db", Some("lab")));
    assert_eq!(processes.vswitchd.as_str(), "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk");
    host.os.id = "fedora".into();
    let Keeper::Flyover(processes) = at(&spec("runtime: {processes: {}}").runtime, &host).keeper else {
        panic!()
    };
    assert_eq!(processes.vswitchd.as_str(), "/usr/sbin/ovs-vswitchd");
}

#[test]
fn a_place_where_no_switch_can_be_is_refused() {
    let mut host = server(8);
    let yaml = "runtime: {service: ovs, processes: {netns: \"a b\"}}\npmd: {maxSleepUs: 10001}\n\
                bridges: [{name: a-bridge-of-16-ch}]";
    let unit = "ovs-vswitchd".parse::<flyover_core::UnitName>().unwrap();
    let facts =
        ServiceFacts { unit: unit.clone(), enablement: Enablement::Static, active: true, fragment: None };
    host.services.insert(unit, facts);
    insta::assert_snapshot!(refused(yaml, &host));
    let long = "x".repeat(90);
    insta::assert_snapshot!(refused(&format!("runtime: {{directory: /{long}, processes: {{}}}}"), &host));
}

/// A wish a line, with the commands a person would type.
fn listed(wishes: &[Wish]) -> String {
    let line = |wish: &Wish| {
        let subject = wish.action.subject();
        let commands =
            by_hand(&wish.action, None).iter().map(|line| format!("\n    {line}")).collect::<String>();
        format!("{:?} {subject}: {} ({}){commands}", wish.disturbs, state(&wish.action), wish.why)
    };
    wishes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_daemon_reads_at_its_start_stands_before_its_restart() {
    let yaml = format!(
        "runtime: {{directory: /tmp/ovs, processes: {{}}}}\n\
         dpdk: {{extra: [--no-telemetry], lcores: \"0,24\", vhostIommu: true, socketLimit: [2048, 0], hugepageDir: /dev/hugepages}}\n\
         pmd: {{maxSleepUs: 50, rxqAssign: group, autoBalance: true}}\n{DOCUMENT}\
         options: {{vhost-postcopy-support: \"false\", emc-insert-inv-prob: \"0\"}}\n"
    );
    insta::assert_snapshot!(listed(&wishes(&settled(&yaml, &server(8)))));
}

#[test]
fn a_restart_has_every_option_that_is_read_at_the_start() {
    let wishes = wishes(&settled(DOCUMENT, &server(8)));
    let restart = wishes.iter().find_map(|wish| match &wish.action {
        Action::OvsRestart(restart) => Some(restart.clone()),
        _ => None,
    });
    let keys: Vec<String> = restart.unwrap().options.into_keys().collect();
    assert_eq!(keys, ["dpdk-init", "dpdk-socket-mem"]);
}

#[test]
fn the_longest_sleep_has_the_name_that_the_version_knows() {
    let spec = spec("pmd: {maxSleepUs: 50}");
    let host = server(8);
    let keys = |version: Option<&str>| {
        let settled = settle(&spec, &host, &switch(&spec, &host, version)).unwrap();
        let keys = settled.live.into_iter().map(|option| option.key).filter(|key| key.contains("sleep"));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(Some("3.1.0")), ["pmd-maxsleep"]);
    assert_eq!(keys(Some("3.2.1")), ["pmd-sleep-max"]);
    assert_eq!(keys(None), ["pmd-sleep-max", "pmd-maxsleep"]);
}
