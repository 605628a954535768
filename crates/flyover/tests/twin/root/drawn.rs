//! Drawn packets, over every kind of path.

use flyover_core::Proto::{Tcp, Udp};
use flyover_host::cmd::Cmd;
use flyover_lab::Family::{V4, V6};
use flyover_lab::{IpMode, LabSpec, Overlay, Place, RuleForm};

use super::{at_most, spec, talk};
use crate::draw::{meddle_drawn, play_drawn};
use crate::flow::Path;
use crate::site::Site;
use crate::twins::Twins;

fn play(spec: &LabSpec, path: Path, cases: u32) {
    play_in(&mut Twins::up(spec, path.receiver(), |_| ()), path, cases);
}

fn play_in(twins: &mut Twins, path: Path, cases: u32) {
    let spec = twins.sites[0].lab.spec().clone();
    for &family in spec.ip.families() {
        for proto in [Udp, Tcp] {
            play_drawn(twins, &talk(path, family, proto), at_most(cases));
        }
    }
}

#[test]
fn pods_on_two_nodes_meet_the_same_packets_through_a_tunnel() {
    play(&spec(), Path::Across, 100);
}

#[test]
fn a_service_of_another_node_meets_the_same_packets_through_a_tunnel() {
    play(&spec(), Path::Service, 60);
}

#[test]
fn pods_of_one_node_meet_the_same_packets() {
    play(&spec(), Path::SameNode, 60);
}

#[test]
fn a_service_of_the_same_node_meets_the_same_packets() {
    play(&spec(), Path::SameNodeService, 40);
}

#[test]
fn who_is_outside_meets_the_same_masqueraded_packets() {
    // Ports are kept where they can be: what is drawn by lot cannot be found again in a packet that makes no sense.
    let keep_ports = |site: &Site| {
        site.inside(Place::Node(1), || {
            for (ip, six, to) in [("ip", "ipv4", "10.89.0.0/24"), ("ip6", "ipv6", "fd00:89::/64")] {
                let rule = format!("insert rule {ip} flannel-{six} postrtg {ip} daddr {to} masquerade");
                Cmd::new("nft").args(rule.split(' ')).run().unwrap();
            }
        });
    };
    play_in(&mut Twins::up(&spec(), Path::Outside.receiver(), keep_ports), Path::Outside, 40);
}

#[test]
fn pods_on_two_nodes_meet_the_same_packets_over_plain_routes() {
    let routed = LabSpec { overlay: Overlay::Routed, rules: RuleForm::IptablesLegacy, ..spec() };
    play(&routed, Path::Across, 60);
}

#[test]
fn a_service_meets_the_same_packets_over_plain_routes() {
    let routed = LabSpec { overlay: Overlay::Routed, rules: RuleForm::Iptables, ..spec() };
    play(&routed, Path::Service, 40);
}

#[test]
fn policies_in_iptables_change_nothing() {
    let rules = LabSpec { rules: RuleForm::Iptables, network_policy: true, ip: IpMode::V4, ..spec() };
    play(&rules, Path::Across, 40);
}

#[test]
fn a_lab_without_rules_and_without_conntrack_is_no_different() {
    play(&LabSpec { rules: RuleForm::None, services: 0, ..spec() }, Path::Across, 40);
}

#[test]
fn devices_that_can_do_nothing_change_nothing() {
    play(&LabSpec { offload: false, ip: IpMode::V4, ..spec() }, Path::Across, 40);
}

#[test]
fn malformed_tunnels_at_the_uplink_change_nothing() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        meddle_drawn(&mut twins, &talk(Path::Across, family, Udp), at_most(100));
    }
}
