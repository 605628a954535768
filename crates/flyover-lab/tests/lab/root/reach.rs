//! Who can reach whom, over each overlay, family and form of rules.

use std::net::SocketAddr;

use flyover_lab::{Family, IpMode, Lab, LabSpec, Overlay, RuleForm};

use super::packets::{ping, tcp, udp};
use super::{in_node, of, rig, spec};

/// Every pod reaches every pod and node, and through services, in each family of the lab.
fn all_reach_all(lab: &Lab) {
    for &family in lab.spec().ip.families() {
        for from in lab.pods() {
            let netns = from.netns().unwrap();
            for to in lab.pods() {
                assert!(ping(&netns, to.ip(family).unwrap()), "{} to {}", from.netns_name(), to.netns_name());
            }
            for to in lab.nodes() {
                assert!(ping(&netns, to.ip(family).unwrap()), "{} to {}", from.netns_name(), to.netns_name());
            }
        }
    }
}

/// A pod reaches another node's pod, its own node's pod and itself through their services.
fn services_lead_to_their_pods(lab: &Lab) {
    let client = lab.pod(1, 1).unwrap();
    for &family in lab.spec().ip.families() {
        let own = client.ip(family).unwrap();
        // A pod that reaches itself sees its gateway: the answer must come back through the node.
        let gateway = flyover_lab::address::pod_network(family, 1);
        for (i, j) in [(2, 2), (1, 2), (1, 1)] {
            let pod = lab.pod(i, j).unwrap();
            let (ip, service) = (pod.ip(family).unwrap(), pod.service().unwrap().address(family));
            let (from, to) = (client.netns().unwrap(), pod.netns().unwrap());
            let at = |port| (SocketAddr::new(service, port), SocketAddr::new(ip, port));
            for seen in [tcp(&from, at(80).0, &to, at(80).1), udp(&from, at(5201).0, &to, at(5201).1)] {
                let seen = seen.unwrap_or_else(|| panic!("{service} does not lead to {ip}"));
                if (i, j) == (1, 1) {
                    assert_ne!(seen, own, "{gateway}");
                } else {
                    assert_eq!(seen, own);
                }
            }
        }
    }
}

fn everything_is_up(rig: &super::Rig) {
    let status = rig.labs.status(rig.lab.name()).unwrap();
    assert!(status.up, "{status:#?}");
}

macro_rules! reaches {
    ($($test:ident: $name:literal $overlay:ident $ip:ident $rules:ident;)+) => {$(
        #[test]
        fn $test() {
            let rig = of($name, Overlay::$overlay, IpMode::$ip, RuleForm::$rules);
            everything_is_up(&rig);
            all_reach_all(&rig.lab);
            if rig.lab.spec().rules != RuleForm::None {
                services_lead_to_their_pods(&rig.lab);
            }
        }
    )+};
}

reaches! {
    vxlan_over_ipv4_with_nft_rules: "v4n" Vxlan V4 Nft;
    vxlan_over_ipv6_with_nft_rules: "v6n" Vxlan V6 Nft;
    vxlan_over_both_with_nft_rules: "vdn" Vxlan Dual Nft;
    vxlan_over_both_with_iptables_rules: "vdi" Vxlan Dual Iptables;
    vxlan_over_both_with_legacy_rules: "vdl" Vxlan Dual IptablesLegacy;
    vxlan_over_both_without_rules: "vdo" Vxlan Dual None;
    routes_of_both_with_nft_rules: "rdn" Routed Dual Nft;
    routes_of_ipv4_with_legacy_rules: "r4l" Routed V4 IptablesLegacy;
}

#[test]
fn three_nodes_meet_on_a_wire_and_one_has_it_to_itself() {
    let three = rig(&LabSpec { nodes: 3, pods: 1, ip: IpMode::Dual, ..spec("three") });
    everything_is_up(&three);
    all_reach_all(&three.lab);
    let one = rig(&LabSpec { nodes: 1, ..spec("one") });
    everything_is_up(&one);
    all_reach_all(&one.lab);
}

#[test]
fn geneve_reaches_all_where_the_kernel_has_it_and_is_refused_where_not() {
    let plain = LabSpec { rules: RuleForm::None, ip: IpMode::Dual, nodes: 3, pods: 1, ..spec("gnv") };
    let spec = LabSpec { overlay: Overlay::Geneve, ..plain };
    let root = tempfile::tempdir().unwrap();
    let labs = flyover_lab::Labs::below(root.path());
    match labs.up(&spec) {
        Ok(lab) => all_reach_all(&lab.guarded()),
        Err(error) => {
            assert!(error.is_impossible(), "{error:?}");
            assert!(error.hint().unwrap().contains("modprobe geneve"));
            assert!(matches!(labs.status(&spec.name), Err(flyover_lab::LabError::Missing(_))));
        }
    }
}

#[test]
fn without_offload_every_checksum_is_computed_and_right() {
    let rig = rig(&LabSpec { offload: false, ip: IpMode::Dual, ..spec("noff") });
    all_reach_all(&rig.lab);
    services_lead_to_their_pods(&rig.lab);
    for device in ["eth0", "veth1"] {
        let device = device.parse().unwrap();
        let netns = rig.lab.node(1).unwrap().netns().unwrap();
        assert!(!netns.run(|| flyover_net::offload::transmit_checksum(&device)).unwrap().unwrap());
    }
}

#[test]
fn the_service_of_two_pods_leads_to_both() {
    let rig = of("pair", Overlay::Vxlan, IpMode::V4, RuleForm::Iptables);
    let service = SocketAddr::new(rig.lab.pair_service().unwrap().address(Family::V4), 80);
    let client = rig.lab.pod(1, 1).unwrap().netns().unwrap();
    let listen = |i, j| {
        let pod = rig.lab.pod(i, j).unwrap();
        let at = SocketAddr::new(pod.ip(Family::V4).unwrap(), 80);
        pod.netns().unwrap().run(|| std::net::TcpListener::bind(at)).unwrap().unwrap()
    };
    let ends = [listen(1, 2), listen(2, 1)];
    let streams: Vec<_> =
        (0..40).map(|_| client.run(|| std::net::TcpStream::connect(service)).unwrap().unwrap()).collect();
    for end in &ends {
        end.set_nonblocking(true).unwrap();
        assert!(end.accept().is_ok(), "one back end got none of {} connections", streams.len());
    }
}

#[test]
fn rules_can_be_taken_away_and_applied_again() {
    for (name, rules) in
        [("agn", RuleForm::Nft), ("agi", RuleForm::Iptables), ("agl", RuleForm::IptablesLegacy)]
    {
        let rig = of(name, Overlay::Vxlan, IpMode::Dual, rules);
        rig.lab.apply_rules().unwrap();
        services_lead_to_their_pods(&rig.lab);
        rig.lab.clear_rules().unwrap();
        rig.lab.clear_rules().unwrap();
        all_reach_all(&rig.lab);
        let (client, pod) = (rig.lab.pod(1, 1).unwrap(), rig.lab.pod(2, 1).unwrap());
        let service = SocketAddr::new(pod.service().unwrap().address(Family::V4), 80);
        let at = SocketAddr::new(pod.ip(Family::V4).unwrap(), 80);
        assert_eq!(tcp(&client.netns().unwrap(), service, &pod.netns().unwrap(), at), None);
        rig.lab.apply_rules().unwrap();
        services_lead_to_their_pods(&rig.lab);
    }
}

#[test]
fn invalid_packets_are_dropped_before_anything_is_accepted() {
    let list = |form, tool: &[&str]| {
        let rig = of("inv", Overlay::Vxlan, IpMode::V4, form);
        in_node(&rig.lab, 1, tool)
    };
    let legacy = list(RuleForm::IptablesLegacy, &["iptables-legacy", "-S", "KUBE-FORWARD"]);
    assert_eq!(legacy.lines().nth(1), Some("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"));
    let nf_tables = list(RuleForm::Iptables, &["iptables-nft", "-S", "KUBE-FORWARD"]);
    assert_eq!(nf_tables.lines().nth(1), Some("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"));
    let nft = list(RuleForm::Nft, &["nft", "list", "chain", "ip", "kube-proxy", "filter-forward"]);
    assert!(nft.lines().nth(3).unwrap().trim().starts_with("ct state invalid counter"), "{nft}");
}
