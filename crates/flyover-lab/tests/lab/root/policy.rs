//! What a network policy lets in and what it keeps out.

use std::net::SocketAddr;

use flyover_lab::{IpMode, LabSpec, RuleForm};

use super::packets::{dropped, ping, tcp, udp};
use super::{rig, spec};

fn policy_holds(name: &str, rules: RuleForm) {
    let rig = rig(&LabSpec { network_policy: true, ip: IpMode::Dual, rules, ..spec(name) });
    let client = rig.lab.pod(1, 1).unwrap();
    for &family in rig.lab.spec().ip.families() {
        // Another node's pod, and the neighbour on the same bridge.
        for (i, j) in [(2, 1), (1, 2)] {
            let pod = rig.lab.pod(i, j).unwrap();
            let (from, to, ip) = (client.netns().unwrap(), pod.netns().unwrap(), pod.ip(family).unwrap());
            let at = |port| SocketAddr::new(ip, port);
            assert!(ping(&from, ip));
            assert_eq!(tcp(&from, at(80), &to, at(80)), client.ip(family), "{ip}");
            assert_eq!(udp(&from, at(7000), &to, at(7000)), client.ip(family), "{ip}");
            assert!(dropped(&from, at(81)), "{ip}");
            assert!(!dropped(&from, at(2048)), "nobody listens, and that is told");
        }
    }
}

#[test]
fn nft_policies_let_in_the_ports_of_services_alone() {
    policy_holds("pon", RuleForm::Nft);
}

#[test]
fn iptables_policies_let_in_the_ports_of_services_alone() {
    policy_holds("poi", RuleForm::Iptables);
}

#[test]
fn legacy_policies_let_in_the_ports_of_services_alone() {
    policy_holds("pol", RuleForm::IptablesLegacy);
}
