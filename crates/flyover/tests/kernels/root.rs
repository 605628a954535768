//! The tests; each builds a lab of its own.

use flyover_lab::{Family, IpMode, Overlay};

use crate::rig::Rig;
use crate::talk::{End, bulk, questions};

/// More than any window, so that a flow is long enough to be learnt and then some.
const BULK: usize = 4 << 20;
const QUESTIONS: u32 = 60;
/// Of a bulk each way in large segments, and of the questions, at least so many packets pass by on each node.
const ENOUGH: u64 = 30;

/// Traffic of both kinds between two nodes; tells that both nodes carried it by the bypass.
fn is_carried_between(rig: &Rig, client: End<'_>, server: End<'_>) {
    let talks: [&dyn Fn(); 2] = [&|| bulk(client, server, BULK), &|| questions(client, server, QUESTIONS)];
    for talk in talks {
        let before = rig.saved();
        talk();
        let after = rig.saved();
        let grew: Vec<_> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
        let books = rig.lab.nodes().map(|node| rig.report(node)).collect::<Vec<_>>();
        assert!(grew.iter().all(|n| *n >= ENOUGH), "{client:?}: only {grew:?} passed by: {books:#?}");
    }
}

/// The same between the first pods of both nodes, in each family.
fn is_carried(rig: &Rig) {
    for &family in rig.lab.spec().ip.families() {
        let [client, server] = [1, 2].map(|node| End::of(rig.lab.pod(node, 1).unwrap(), family));
        is_carried_between(rig, client, server);
    }
}

/// The first pods of both nodes, over IPv4.
fn ends(rig: &Rig) -> [End<'_>; 2] {
    [1, 2].map(|node| End::of(rig.lab.pod(node, 1).unwrap(), Family::V4))
}

fn comes_dies_returns_and_goes(rig: &Rig) {
    let [client, server] = ends(rig);
    let before = rig.state();
    rig.on();
    for node in rig.lab.nodes() {
        let report = rig.report(node);
        let out: Vec<_> = report.pods.iter().chain(&report.uplinks).flat_map(|d| &d.out_because).collect();
        assert!(out.is_empty() && report.paused.is_empty(), "{report:#?}");
        assert_eq!(report.pods.len(), 2);
    }
    is_carried(rig);
    let hooked = rig.state();
    rig.kill_agents();
    bulk(client, server, BULK);
    rig.on();
    // The same hooks hold other programs now: nothing was added beside what the dead one left.
    let count = |state: &[String]| state.iter().map(|s| s.matches("Filter {").count()).collect::<Vec<_>>();
    assert_eq!(count(&rig.state()), count(&hooked));
    let tcx: Vec<_> = rig.lab.nodes().map(|node| rig.programs(node).len()).collect();
    let by_tcx = rig.report(rig.lab.node(1).unwrap()).attached_by == "tcx";
    assert_eq!(tcx, if by_tcx { [6, 6] } else { [0, 0] });
    is_carried(rig);
    rig.off();
    assert_eq!(rig.state(), before);
    bulk(client, server, BULK);
}

#[test]
fn a_vxlan_lab_is_carried_and_left_as_it_was() {
    comes_dies_returns_and_goes(&Rig::new("kv", Overlay::Vxlan, IpMode::Dual));
}

#[test]
fn a_geneve_lab_is_carried_and_left_as_it_was() {
    comes_dies_returns_and_goes(&Rig::new("kg", Overlay::Geneve, IpMode::Dual));
}

/// Flannel has a device for each family; others carry IPv6 pods over IPv4 nodes, which kernels before 6.3 cannot be told.
#[test]
fn ipv6_pods_are_carried_over_an_ipv4_tunnel() {
    let rig = Rig::new("kx", Overlay::Vxlan, IpMode::V4);
    rig.give_ipv6();
    rig.on();
    let [client, server] = [1, 2].map(|i| End(rig.lab.pod(i, 1).unwrap(), Rig::ipv6(i)));
    is_carried_between(&rig, client, server);
}

/// Conntrack as a module whose types were stripped: flows that it tracks cannot be proven.
#[test]
fn where_conntrack_cannot_be_asked_it_is_said_and_flows_stay_slow_or_nft_helps() {
    let rig = Rig::new("km", Overlay::Vxlan, IpMode::V4);
    let [client, server] = ends(&rig);
    let before = rig.state();
    rig.on_without_conntracks_types("ebpf");
    let report = rig.report(rig.lab.node(1).unwrap());
    assert!(report.conntrack.in_use && !report.conntrack.can_be_asked, "{report:#?}");
    assert!(report.paused.iter().any(|why| why.contains("conntrack")), "{report:#?}");
    questions(client, server, QUESTIONS);
    assert_eq!(rig.saved(), [0, 0]);
    rig.off();
    rig.on_without_conntracks_types("auto");
    assert_eq!(rig.report(rig.lab.node(1).unwrap()).backend, "nft");
    questions(client, server, QUESTIONS);
    rig.off();
    assert_eq!(rig.state(), before);
}

#[test]
fn what_others_put_on_devices_stays() {
    let rig = Rig::new("ko", Overlay::Vxlan, IpMode::V4);
    let veth = rig.lab.pod(1, 1).unwrap().host_veth();
    rig.sh(1, &format!("tc qdisc add dev {veth} clsact"));
    let before = rig.state();
    rig.on();
    is_carried(&rig);
    rig.off();
    assert_eq!(rig.state(), before);
    rig.on();
    // Where there is no tcx, ours is the qdisc that it comes to sit in.
    rig.sh(1, "tc qdisc add dev eth0 clsact 2>&1 || tc qdisc show dev eth0 clsact | grep clsact");
    // One that lets others have their say. Behind one that does not, filters see nothing, and learn nothing.
    rig.sh(1, "tc filter add dev eth0 egress pref 7 matchall action continue");
    is_carried(&rig);
    rig.off();
    let left = rig.sh(1, "tc filter show dev eth0 egress; tc filter show dev eth0 ingress");
    assert_eq!(left.matches("matchall").count(), left.matches("pref").count(), "{left}");
    assert!(left.contains("matchall"), "{left}");
    rig.sh(1, "tc qdisc del dev eth0 clsact");
    assert_eq!(rig.state(), before);
}
