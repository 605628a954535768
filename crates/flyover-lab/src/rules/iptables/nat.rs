//! The nat table: services, and who leaves the cluster with which address.

use std::net::{IpAddr, SocketAddr};

use flyover_core::Proto;

use super::Table;
use crate::address::{self, Family};
use crate::rules::{Scope, chain_hash};
use crate::service::Service;

pub(super) fn table(scope: &Scope<'_>) -> Table {
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
    SocketAddr::new(backend, port).to_string()
}
