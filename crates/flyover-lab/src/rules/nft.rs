//! The rules in the form of `nft -f`: kube-proxy's table, Flannel's table, and a table of policies.

use std::net::IpAddr;

use flyover_core::Proto;

use super::{POLICY_PORTS, Scope, chain_hash};
use crate::address::{self, Family};
use crate::service::Service;

/// Names that differ between the families.
struct Words {
    /// Family of tables, and keyword before `saddr`.
    ip: &'static str,
    /// Type of an element that is an address.
    addr: &'static str,
    /// Name of Flannel's table.
    flannel: &'static str,
    /// All multicast.
    multicast: &'static str,
}

fn words(family: Family) -> Words {
    match family {
        Family::V4 => {
            Words { ip: "ip", addr: "ipv4_addr", flannel: "flannel-ipv4", multicast: "224.0.0.0/4" }
        }
        Family::V6 => Words { ip: "ip6", addr: "ipv6_addr", flannel: "flannel-ipv6", multicast: "ff00::/8" },
    }
}

pub(super) fn text(scope: &Scope<'_>) -> String {
    let policy = if scope.spec.network_policy { policies(scope) } else { String::new() };
    [nothing(scope.family), policy, kube_proxy(scope), flannel(scope)].concat()
}

/// Deletes the tables. Each is declared first, for what is not there cannot be deleted.
pub(super) fn nothing(family: Family) -> String {
    let Words { ip, flannel, .. } = words(family);
    let gone = |table: &str| format!("table {ip} {table}\ndelete table {ip} {table}\n");
    ["kube-proxy", flannel, "pod-policy"].map(gone).concat()
}

fn kube_proxy(scope: &Scope<'_>) -> String {
    let Words { ip, addr, .. } = words(scope.family);
    let parts: Vec<_> = scope
        .services
        .iter()
        .flat_map(|service| {
            service.ports().into_iter().map(move |port| ServicePort::new(scope.family, service, port))
        })
        .collect();
    let cluster_ips: Vec<_> = scope.services.iter().map(|s| s.address(scope.family).to_string()).collect();
    let key = format!("{addr} . inet_proto . inet_service : verdict");
    let lookup = format!("{ip} daddr . meta l4proto . th dport vmap");
    let vmap: Vec<_> = parts.iter().map(ServicePort::element).collect();
    let chains: String = parts.iter().map(|part| part.chains(scope.family)).collect();
    let service_network = address::service_network(scope.family);
    format!(
        "table {ip} kube-proxy {{
	comment \"rules for kube-proxy\"
	set cluster-ips {{
		type {addr}
		comment \"Active ClusterIPs\"{cluster_ips}
	}}
	map no-endpoint-services {{
		type {key}
		comment \"vmap to drop or reject packets to services with no endpoints\"
	}}
	map no-endpoint-nodeports {{
		type inet_proto . inet_service : verdict
	}}
	map firewall-ips {{
		type {key}
		comment \"destinations that are subject to LoadBalancerSourceRanges\"
	}}
	map service-ips {{
		type {key}
		comment \"ClusterIP, ExternalIP and LoadBalancer IP traffic\"{vmap}
	}}
	map service-nodeports {{
		type inet_proto . inet_service : verdict
	}}
	chain mark-for-masquerade {{
		meta mark set meta mark or 0x4000
	}}
	chain masquerading {{
		meta mark & 0x4000 == 0 return
		meta mark set meta mark xor 0x4000
		masquerade fully-random
	}}
{chains}	chain services {{
		{lookup} @service-ips
	}}
	chain service-endpoints-check {{
		{lookup} @no-endpoint-services
	}}
	chain nodeport-endpoints-check {{
		fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports
	}}
	chain firewall-check {{
		{lookup} @firewall-ips
	}}
	chain cluster-ips-check {{
		{ip} daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\"
		{ip} daddr {service_network} drop comment \"Drop traffic to unallocated ClusterIPs\"
	}}
	chain filter-prerouting {{
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new jump firewall-check
	}}
	chain filter-input {{
		type filter hook input priority -110; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}}
	chain filter-forward {{
		type filter hook forward priority -110; policy accept;
		ct state invalid counter drop
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}}
	chain filter-output {{
		type filter hook output priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}}
	chain filter-output-post-dnat {{
		type filter hook output priority -90; policy accept;
		ct state new jump cluster-ips-check
	}}
	chain nat-prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}}
	chain nat-output {{
		type nat hook output priority -100; policy accept;
		jump services
	}}
	chain nat-postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		jump masquerading
	}}
}}
",
        cluster_ips = elements(&cluster_ips),
        vmap = elements(&vmap),
    )
}

/// A port of a service, with the names of its chains.
struct ServicePort {
    name: String,
    ip: IpAddr,
    proto: Proto,
    port: u16,
    backends: Vec<IpAddr>,
}

impl ServicePort {
    fn new(family: Family, service: &Service, (proto, port): (Proto, u16)) -> Self {
        let full = format!("{}/{proto}/p{port}", service.name);
        let name = format!("{}-{full}", &chain_hash(&full)[..8]);
        Self { name, ip: service.address(family), proto, port, backends: service.backends(family) }
    }

    fn element(&self) -> String {
        format!("{} . {} . {} : goto service-{}", self.ip, self.proto, self.port, self.name)
    }

    fn chains(&self, family: Family) -> String {
        let Self { name, ip: addr, proto, port, backends } = self;
        let (ip, cluster) = (words(family).ip, address::cluster_network(family));
        let endpoint = |backend: &IpAddr| {
            let written = backend.to_string().replace(':', ".");
            format!("endpoint-{}-{written}/{port}", name)
        };
        let of_backends: String = backends
            .iter()
            .map(|backend| {
                let target = std::net::SocketAddr::new(*backend, *port);
                format!(
                    "\tchain {} {{\n\t\t{ip} saddr {backend} jump mark-for-masquerade\n\t\tmeta l4proto {proto} dnat to {target}\n\t}}\n",
                    endpoint(backend)
                )
            })
            .collect();
        let choice: Vec<_> = backends
            .iter()
            .enumerate()
            .map(|(k, backend)| format!("{k} : goto {}", endpoint(backend)))
            .collect();
        format!(
            "{of_backends}\tchain service-{name} {{\n\
             \t\t{ip} daddr {addr} {proto} dport {port} {ip} saddr != {cluster} jump mark-for-masquerade\n\
             \t\tnumgen random mod {} vmap {{ {} }}\n\t}}\n",
            backends.len(),
            choice.join(", ")
        )
    }
}

fn flannel(scope: &Scope<'_>) -> String {
    let Words { ip, flannel, multicast, .. } = words(scope.family);
    let (cluster, own) =
        (address::cluster_network(scope.family), address::pod_network(scope.family, scope.node));
    format!(
        "table {ip} {flannel} {{
	chain forward {{
		type filter hook forward priority filter; policy accept;
		{ip} saddr {cluster} accept
		{ip} daddr {cluster} accept
	}}
	chain postrtg {{
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x4000 == 0x4000 return
		{ip} saddr {own} {ip} daddr {cluster} return
		{ip} saddr {cluster} {ip} daddr {own} return
		{ip} saddr != {cluster} {ip} daddr {own} return
		{ip} saddr {cluster} {ip} daddr != {multicast} masquerade fully-random
		{ip} saddr != {cluster} {ip} daddr {cluster} masquerade fully-random
	}}
}}
"
    )
}

/// One chain for each pod, found by its address: what a policy engine with an nftables back end writes.
fn policies(scope: &Scope<'_>) -> String {
    let Words { ip, addr, .. } = words(scope.family);
    let (cluster, ports) =
        (address::cluster_network(scope.family), POLICY_PORTS.map(|p| p.to_string()).join(", "));
    let icmp = match scope.family {
        Family::V4 => "icmp type echo-request accept",
        // Neighbours on one bridge ask each other through the forward hook, for the bridge calls it.
        Family::V6 => "icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept",
    };
    let pods = || (1..=scope.spec.pods).map(|j| (j, address::pod(scope.family, scope.node, j)));
    let chains: String = pods()
        .map(|(j, _)| {
            format!(
                "\tchain pod-p{j} {{\n\t\tct state established,related accept\n\t\t{icmp}\n\
                 \t\t{ip} saddr {cluster} meta l4proto {{ tcp, udp }} th dport {{ {ports} }} accept\n\
                 \t\tcounter drop\n\t}}\n"
            )
        })
        .collect();
    let vmap: Vec<_> = pods().map(|(j, pod)| format!("{pod} : jump pod-p{j}")).collect();
    format!(
        "table {ip} pod-policy {{\n{chains}\tmap pods {{\n\t\ttype {addr} : verdict{vmap}\n\t}}\n\
         \tchain forward {{\n\t\ttype filter hook forward priority filter - 5; policy accept;\n\
         \t\t{ip} daddr vmap @pods\n\t}}\n}}\n",
        vmap = elements(&vmap),
    )
}

/// The elements of a set or map; the grammar knows no empty list.
fn elements(elements: &[String]) -> String {
    if elements.is_empty() {
        return String::new();
    }
    format!("\n\t\telements = {{\n\t\t\t{}\n\t\t}}", elements.join(",\n\t\t\t"))
}
