//! The filter table: what may pass.

use flyover_core::Proto;

use super::Table;
use crate::address::{self, Family};
use crate::rules::{POLICY_PORTS, Scope, chain_hash};

pub(super) fn table(scope: &Scope<'_>) -> Table {
    let mut table = Table::default();
    let kube = [
        "EXTERNAL-SERVICES",
        "FIREWALL",
        "FORWARD",
        "NODEPORTS",
        "PROXY-CANARY",
        "PROXY-FIREWALL",
        "SERVICES",
    ];
    kube.iter().for_each(|chain| table.chain(format!("KUBE-{chain}")));
    table.chain("FLANNEL-FWD");
    if scope.spec.network_policy {
        policies(scope, &mut table);
    }
    let new = "-m conntrack --ctstate NEW";
    for rule in [
        format!(
            "INPUT {new} -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL"
        ),
        "INPUT -m comment --comment \"kubernetes health check service ports\" -j KUBE-NODEPORTS".to_owned(),
        format!(
            "INPUT {new} -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES"
        ),
        "INPUT -j KUBE-FIREWALL".to_owned(),
        format!(
            "FORWARD {new} -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL"
        ),
        "FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD".to_owned(),
        format!("FORWARD {new} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"),
        format!(
            "FORWARD {new} -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES"
        ),
        "FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD".to_owned(),
        format!(
            "OUTPUT {new} -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL"
        ),
        format!("OUTPUT {new} -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"),
        "OUTPUT -j KUBE-FIREWALL".to_owned(),
    ] {
        table.rule(rule);
    }
    let cluster = address::cluster_network(scope.family);
    for direction in ["-s", "-d"] {
        table.rule(format!(
            "FLANNEL-FWD {direction} {cluster} -m comment --comment \"flanneld forward\" -j ACCEPT"
        ));
    }
    if scope.family == Family::V4 {
        table.rule(
            "KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" \
             -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        );
    }
    table.rule("KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP");
    table.rule(
        "KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT",
    );
    table.rule(
        "KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" \
         -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    );
    table
}

/// What kube-router writes for a pod with an ingress policy. It stands first, before kube-proxy's rules.
fn policies(scope: &Scope<'_>, table: &mut Table) {
    table.chain("KUBE-ROUTER-FORWARD");
    table.chain("KUBE-NWPLCY-COMMON");
    table.rule("FORWARD -m comment --comment \"kube-router netpol\" -j KUBE-ROUTER-FORWARD");
    let established = "-m comment --comment \"rule for stateful firewall for pod\" -m conntrack --ctstate RELATED,ESTABLISHED";
    table.rule(format!("KUBE-NWPLCY-COMMON {established} -j ACCEPT"));
    let icmp: &[&str] = match scope.family {
        Family::V4 => &["-p icmp -m icmp --icmp-type echo-request"],
        // Neighbours on one bridge ask each other through FORWARD, for the bridge calls ip6tables.
        Family::V6 => &[
            "-p ipv6-icmp -m icmp6 --icmpv6-type echo-request",
            "-p ipv6-icmp -m icmp6 --icmpv6-type neighbor-solicitation",
            "-p ipv6-icmp -m icmp6 --icmpv6-type neighbor-advertisement",
        ],
    };
    icmp.iter().for_each(|kind| table.rule(format!("KUBE-NWPLCY-COMMON {kind} -j ACCEPT")));
    let (cluster, ports) =
        (address::cluster_network(scope.family), POLICY_PORTS.map(|p| p.to_string()).join(","));
    for j in 1..=scope.spec.pods {
        let ip = address::pod(scope.family, scope.node, j);
        let hash = chain_hash(&format!("default/n{}-p{j}", scope.node));
        let (firewall, policy) = (format!("KUBE-POD-FW-{hash}"), format!("KUBE-NWPLCY-{hash}"));
        table.chain(&firewall);
        table.chain(&policy);
        table.rule(format!("KUBE-ROUTER-FORWARD -d {ip} -j {firewall}"));
        table.rule(format!("{firewall} -j KUBE-NWPLCY-COMMON"));
        table.rule(format!("{firewall} -j {policy}"));
        table.rule(format!("{firewall} -m mark ! --mark 0x10000/0x10000 -j DROP"));
        table.rule(format!("{firewall} -j MARK --set-xmark 0x0/0x10000"));
        for proto in [Proto::Tcp, Proto::Udp] {
            let from = format!("{policy} -s {cluster} -p {proto} -m multiport --dports {ports}");
            table.rule(format!("{from} -j MARK --set-xmark 0x10000/0x10000"));
        }
    }
}
