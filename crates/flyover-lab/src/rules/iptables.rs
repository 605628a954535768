//! The rules in the form of `iptables-restore`, the same text for both back ends.

use std::net::IpAddr;

use flyover_core::Proto;

use super::{POLICY_PORTS, Scope, chain_hash};
use crate::address::{self, Family};
use crate::service::Service;

const EMPTY: &str = "\
*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
:POSTROUTING ACCEPT [0:0]\nCOMMIT\n\
*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n\
*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n";

/// A table being written: chains are declared before rules, whatever the order they come in.
#[derive(Default)]
struct Table {
    chains: Vec<String>,
    rules: Vec<String>,
}

impl Table {
    fn chain(&mut self, name: impl Into<String>) {
        self.chains.push(format!(":{} - [0:0]", name.into()));
    }

    fn rule(&mut self, rule: impl Into<String>) {
        self.rules.push(format!("-A {}", rule.into()));
    }

    fn text(&self, name: &str, built_in: &[&str]) -> String {
        let policies = built_in.iter().map(|chain| format!(":{chain} ACCEPT [0:0]"));
        let head = std::iter::once(format!("*{name}")).chain(policies);
        let lines = head.chain(self.chains.iter().cloned()).chain(self.rules.iter().cloned());
        lines.chain(["COMMIT".to_owned()]).map(|line| line + "\n").collect()
    }
}

pub(super) fn text(scope: &Scope<'_>) -> String {
    let mut mangle = Table::default();
    mangle.chain("KUBE-IPTABLES-HINT");
    mangle.chain("KUBE-PROXY-CANARY");
    [
        mangle.text("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
        filter(scope).text("filter", &["INPUT", "FORWARD", "OUTPUT"]),
        nat(scope).text("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ]
    .concat()
}

pub(super) fn nothing() -> String {
    EMPTY.to_owned()
}

fn filter(scope: &Scope<'_>) -> Table {
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

fn nat(scope: &Scope<'_>) -> Table {
    let mut table = Table::default();
    let kube = ["MARK-MASQ", "NODEPORTS", "POSTROUTING", "PROXY-CANARY", "SERVICES"];
    kube.iter().for_each(|chain| table.chain(format!("KUBE-{chain}")));
    table.chain("FLANNEL-POSTRTG");
    for rule in [
        "PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING",
        "POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG",
        "KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
        "KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully",
    ] {
        table.rule(rule);
    }
    masquerade_exemptions(scope, &mut table);
    for service in scope.services {
        for (proto, port) in service.ports() {
            service_port(scope.family, service, (proto, port), &mut table);
        }
    }
    table.rule(
        "KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" \
         -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    );
    table
}

fn masquerade_exemptions(scope: &Scope<'_>, table: &mut Table) {
    let (cluster, own) =
        (address::cluster_network(scope.family), address::pod_network(scope.family, scope.node));
    let multicast = if scope.family == Family::V4 { "224.0.0.0/4" } else { "ff00::/8" };
    for rule in [
        "-m mark --mark 0x4000/0x4000 -m comment --comment \"flanneld masq\" -j RETURN".to_owned(),
        format!("-s {own} -d {cluster} -m comment --comment \"flanneld masq\" -j RETURN"),
        format!("-s {cluster} -d {own} -m comment --comment \"flanneld masq\" -j RETURN"),
        format!("! -s {cluster} -d {own} -m comment --comment \"flanneld masq\" -j RETURN"),
        format!(
            "-s {cluster} ! -d {multicast} -m comment --comment \"flanneld masq\" -j MASQUERADE --random-fully"
        ),
        format!(
            "! -s {cluster} -d {cluster} -m comment --comment \"flanneld masq\" -j MASQUERADE --random-fully"
        ),
    ] {
        table.rule(format!("FLANNEL-POSTRTG {rule}"));
    }
}

fn service_port(family: Family, service: &Service, (proto, port): (Proto, u16), table: &mut Table) {
    let (name, ip) = (format!("{}:{proto}-{port}", service.name), service.address(family));
    let chain = format!("KUBE-SVC-{}", chain_hash(&name));
    table.chain(&chain);
    let matched =
        format!("-m comment --comment \"{name} cluster IP\" -d {ip} -p {proto} -m {proto} --dport {port}");
    table.rule(format!("KUBE-SERVICES {matched} -j {chain}"));
    table.rule(format!("{chain} ! -s {} {matched} -j KUBE-MARK-MASQ", address::cluster_network(family)));
    let backends = service.backends(family);
    for (k, &backend) in backends.iter().enumerate() {
        let target = target(backend, port);
        let endpoint = format!("KUBE-SEP-{}", chain_hash(&format!("{name}{target}")));
        table.chain(&endpoint);
        let choice = match backends.len() - k {
            1 => String::new(),
            left => format!(" -m statistic --mode random --probability {:.11}", 1.0 / left as f64),
        };
        table.rule(format!("{chain} -m comment --comment \"{name} -> {target}\"{choice} -j {endpoint}"));
        table.rule(format!("{endpoint} -s {backend} -m comment --comment \"{name}\" -j KUBE-MARK-MASQ"));
        table.rule(format!(
            "{endpoint} -p {proto} -m comment --comment \"{name}\" -m {proto} -j DNAT --to-destination {target}"
        ));
    }
}

fn target(backend: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(backend, port).to_string()
}
