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
    play(&spec(), Path::Across, 60);
}

#[test]
fn a_service_of_another_node_meets_the_same_packets_through_a_tunnel() {
    play(&spec(), Path::Service, 40);
}

#[test]
fn pods_of_one_node_meet_the_same_packets() {
    play(&spec(), Path::SameNode, 40);
}

#[test]
fn a_service_of_the_same_node_meets_the_same_packets() {
    play(&spec(), Path::SameNodeService, 25);
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
    play_in(&mut Twins::up(&spec(), Path::Outside.receiver(), keep_ports), Path::Outside, 25);
}

#[test]
fn pods_on_two_nodes_meet_the_same_packets_over_plain_routes() {
    let routed = LabSpec { overlay: Overlay::Routed, rules: RuleForm::IptablesLegacy, ..spec() };
    play(&routed, Path::Across, 40);
}

#[test]
fn a_service_meets_the_same_packets_over_plain_routes() {
    let routed = LabSpec { overlay: Overlay::Routed, rules: RuleForm::Iptables, ..spec() };
    play(&routed, Path::Service, 25);
}

#[test]
fn pods_with_ipv6_alone_meet_the_same_packets_through_vxlan() {
    play(&LabSpec { ip: IpMode::V6, ..spec() }, Path::Across, 40);
}

#[test]
fn a_service_of_ipv6_alone_meets_the_same_packets_over_plain_routes() {
    let routed = LabSpec { overlay: Overlay::Routed, rules: RuleForm::Iptables, ip: IpMode::V6, ..spec() };
    play(&routed, Path::Service, 25);
}

#[test]
fn policies_in_iptables_change_nothing() {
    let rules = LabSpec { rules: RuleForm::Iptables, network_policy: true, ip: IpMode::V4, ..spec() };
    play(&rules, Path::Across, 25);
}

#[test]
fn a_lab_without_rules_and_without_conntrack_is_no_different() {
    play(&LabSpec { rules: RuleForm::None, services: 0, ..spec() }, Path::Across, 25);
}

#[test]
fn devices_that_can_do_nothing_change_nothing() {
    play(&LabSpec { offload: false, ip: IpMode::V4, ..spec() }, Path::Across, 25);
}

#[test]
fn malformed_tunnels_at_the_uplink_change_nothing() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        meddle_drawn(&mut twins, &talk(Path::Across, family, Udp), at_most(100));
    }
}

/// Outer packets' entries in conntrack, and outer packets that were left untracked, on both nodes.
fn tracked(site: &Site) -> (usize, u64) {
    let on = |i| {
        site.inside(Place::Node(i), || {
            let run = |line: &str| {
                let mut words = line.split(' ');
                Cmd::new(words.next().unwrap()).args(words).run().unwrap()
            };
            let entries = run("conntrack -L -p udp") + &run("conntrack -L -f ipv6 -p udp");
            let entries = entries.lines().filter(|line| line.contains("dport=8472")).count();
            let rules = run("nft list ruleset");
            let counted = rules.lines().filter(|line| line.ends_with("notrack"));
            let packets = counted.map(|line| line.split_whitespace().skip_while(|w| *w != "packets").nth(1));
            (entries, packets.map(|n| n.unwrap().parse::<u64>().unwrap()).sum::<u64>())
        })
    };
    let [one, two] = [1, 2].map(on);
    (one.0 + two.0, one.1 + two.1)
}

#[test]
fn packets_of_tunnels_that_conntrack_leaves_alone_are_no_different() {
    let mut twins = Twins::up_by("nft", &spec(), Path::Across.receiver(), |_| ());
    for path in [Path::Across, Path::Service] {
        play_in(&mut twins, path, 20);
    }
    let [slow, fast] = [0, 1].map(|which| tracked(&twins.sites[which]));
    assert!(slow.0 > 100 && slow.1 == 0, "{slow:?}");
    assert!(fast.0 == 0 && fast.1 > 5_000, "{fast:?}");
    for family in [V4, V6] {
        meddle_drawn(&mut twins, &talk(Path::Across, family, Udp), 40);
    }
}
