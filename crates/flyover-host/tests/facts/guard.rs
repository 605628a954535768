//! Who carries what must not be lost, down every kind of device that stands upon another.

use flyover_core::facts::Guarded;
use flyover_host::facts::Inspection;
use flyover_testkit::hosts::{Function, HostTreeBuilder, Maker, Netdev, System, Topology, two_socket_smt};

use crate::{facts, facts_asked};

fn host() -> HostTreeBuilder {
    let port = |at: &str| Function::nic(at).driver("ixgbe");
    HostTreeBuilder::new(Topology::simple(Maker::Intel, 2), System::Debian)
        .function(&port("0000:06:00.0").netdev("ens1f0"))
        .function(&port("0000:06:00.1").netdev("ens1f1"))
}

fn lines(guarded: &[Guarded]) -> Vec<String> {
    guarded.iter().map(|g| format!("{}: {}: {}", g.device, g.carries, g.path)).collect()
}

#[test]
fn the_default_route_guards_the_member_of_its_bond_and_not_the_other_port() {
    let guarded = facts(&two_socket_smt()).guarded;
    assert_eq!(lines(&guarded), ["0000:06:00.1: the default route: bond0 <- ens1f1 <- 0000:06:00.1"]);
}

#[test]
fn a_bridge_on_a_vlan_on_a_bond_guards_all_members() {
    let tree = host()
        .netdev(Netdev::new("bond0").upon(&["ens1f0", "ens1f1"]))
        .netdev(Netdev::new("bond0.100").upon(&["bond0"]))
        .netdev(Netdev::new("br0").upon(&["bond0.100"]))
        .route("default", "br0")
        .build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        [
            "0000:06:00.0: the default route: br0 <- bond0.100 <- bond0 <- ens1f0 <- 0000:06:00.0",
            "0000:06:00.1: the default route: br0 <- bond0.100 <- bond0 <- ens1f1 <- 0000:06:00.1",
        ]
    );
}

#[test]
fn a_virtual_function_guards_its_physical_one_too() {
    let virtual_function = Function::nic("0000:06:10.0").driver("ixgbevf").virtual_of("0000:06:00.0");
    let tree = host().function(&virtual_function.netdev("ens1f0v0")).route("default", "ens1f0v0").build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        [
            "0000:06:00.0: the default route: ens1f0v0 <- 0000:06:10.0 <- 0000:06:00.0",
            "0000:06:10.0: the default route: ens1f0v0 <- 0000:06:10.0",
        ]
    );
}

#[test]
fn an_internal_port_of_open_vswitch_guards_all_ports_of_the_switch() {
    let tree = host()
        .netdev(Netdev::new("ovs-system").upon(&["ens1f1"]).down())
        .netdev(Netdev::new("br-ex"))
        .route("default", "br-ex")
        .build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        ["0000:06:00.1: the default route: br-ex <- ovs-system <- ens1f1 <- 0000:06:00.1"]
    );
}

#[test]
fn a_default_route_of_ipv6_alone_guards_as_well() {
    let guarded = facts(&host().route("default6", "ens1f0").build()).guarded;
    assert_eq!(lines(&guarded), ["0000:06:00.0: the default route: ens1f0 <- 0000:06:00.0"]);
}

#[test]
fn the_api_server_is_guarded_by_the_most_specific_route_to_it() {
    let tree = host()
        .route("default", "ens1f0")
        .route("10.0.0.0/24", "ens1f1")
        .api_server("https://10.0.0.1:6443")
        .build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        [
            "0000:06:00.0: the default route: ens1f0 <- 0000:06:00.0",
            "0000:06:00.1: the route to the API server 10.0.0.1: ens1f1 <- 0000:06:00.1",
        ]
    );
}

#[test]
fn a_named_api_server_is_found_through_the_hosts_own_names() {
    let tree = host()
        .route("fd00::/64", "ens1f1")
        .api_server("https://api.example:6443")
        .file("/etc/hosts", "127.0.0.1 localhost\nfd00::1 other api.example # x\n")
        .build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        ["0000:06:00.1: the route to the API server api.example at fd00::1: ens1f1 <- 0000:06:00.1"]
    );
}

#[test]
fn ssh_sessions_guard_whether_found_or_told() {
    let tree =
        host().route("10.0.0.0/24", "ens1f0").route("10.0.1.0/24", "ens1f1").ssh_session("10.0.0.9").build();
    let asked = Inspection { ssh_peers: vec!["10.0.1.9".parse().unwrap()], units: Vec::new() };
    assert_eq!(
        lines(&facts_asked(&tree, &asked).guarded),
        [
            "0000:06:00.0: the SSH session from 10.0.0.9: ens1f0 <- 0000:06:00.0",
            "0000:06:00.1: the SSH session from 10.0.1.9: ens1f1 <- 0000:06:00.1",
        ]
    );
}

#[test]
fn devices_that_stand_upon_each_other_do_not_turn_in_circles() {
    let tree = host()
        .netdev(Netdev::new("a").upon(&["b"]))
        .netdev(Netdev::new("b").upon(&["a", "ens1f0"]))
        .route("default", "a")
        .build();
    assert_eq!(
        lines(&facts(&tree).guarded),
        ["0000:06:00.0: the default route: a <- b <- ens1f0 <- 0000:06:00.0"]
    );
}
