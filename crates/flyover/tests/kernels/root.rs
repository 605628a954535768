//! The tests; each builds a lab of its own.

use flyover_lab::{IpMode, Overlay};

use crate::rig::Rig;
use crate::talk::{bulk, questions};

/// More than any window, so that a flow is long enough to be learnt and then some.
const BULK: usize = 4 << 20;
const QUESTIONS: u32 = 60;
/// Of a bulk each way in large segments, and of the questions, at least so many packets pass by on each node.
const ENOUGH: u64 = 30;

/// Traffic of both kinds in each family between two nodes; tells that both nodes carried it by the bypass.
fn is_carried(rig: &Rig) {
    let (client, server) = (rig.lab.pod(1, 1).unwrap(), rig.lab.pod(2, 1).unwrap());
    for &family in rig.lab.spec().ip.families() {
        for talk in [&|| bulk(client, server, family, BULK) as (), &|| {
            questions(client, server, family, QUESTIONS) as ()
        }] as [&dyn Fn(); 2]
        {
            let before = rig.saved();
            talk();
            let after = rig.saved();
            let grew: Vec<_> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
            let books = rig.lab.nodes().map(|node| rig.report(node)).collect::<Vec<_>>();
            assert!(grew.iter().all(|n| *n >= ENOUGH), "{family:?}: only {grew:?} passed by: {books:#?}");
        }
    }
}

fn comes_dies_returns_and_goes(rig: &Rig) {
    let (client, server) = (rig.lab.pod(1, 1).unwrap(), rig.lab.pod(2, 1).unwrap());
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
    bulk(client, server, rig.lab.spec().ip.families()[0], BULK);
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
    bulk(client, server, rig.lab.spec().ip.families()[0], BULK);
}

#[test]
fn a_vxlan_lab_is_carried_and_left_as_it_was() {
    comes_dies_returns_and_goes(&Rig::new("kv", Overlay::Vxlan, IpMode::Dual));
}

#[test]
fn a_geneve_lab_is_carried_and_left_as_it_was() {
    comes_dies_returns_and_goes(&Rig::new("kg", Overlay::Geneve, IpMode::Dual));
}

/// Conntrack as a module whose types were stripped: flows that it tracks cannot be proven.
#[test]
fn where_conntrack_cannot_be_asked_it_is_said_and_flows_stay_slow_or_nft_helps() {
    let rig = Rig::new("km", Overlay::Vxlan, IpMode::V4);
    let (client, server) = (rig.lab.pod(1, 1).unwrap(), rig.lab.pod(2, 1).unwrap());
    let before = rig.state();
    rig.on_without_conntracks_types("ebpf");
    let report = rig.report(rig.lab.node(1).unwrap());
    assert!(report.conntrack.in_use && !report.conntrack.can_be_asked, "{report:#?}");
    assert!(report.paused.iter().any(|why| why.contains("conntrack")), "{report:#?}");
    questions(client, server, flyover_lab::Family::V4, QUESTIONS);
    assert_eq!(rig.saved(), [0, 0]);
    rig.off();
    rig.on_without_conntracks_types("auto");
    assert_eq!(rig.report(rig.lab.node(1).unwrap()).backend, "nft");
    questions(client, server, flyover_lab::Family::V4, QUESTIONS);
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
