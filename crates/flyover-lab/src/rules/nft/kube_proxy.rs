//! kube-proxy's table, as it writes it for nftables.

use super::service_port::ServicePort;
use super::{Words, elements, words};
use crate::address;
use crate::rules::Scope;

/// The whole table. kube-proxy drops invalid packets in its iptables form only; the lab drops them in both, for
/// that rule is what a bypass must not make fire.
pub(super) fn table(scope: &Scope<'_>) -> String {
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
	set nodeport-ips {{
		type {addr}
		comment \"IPs that accept NodePort traffic\"{node_ips}
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
		{ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}}
	chain service-endpoints-check {{
		{lookup} @no-endpoint-services
	}}
	chain nodeport-endpoints-check {{
		{ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
	}}
	chain firewall-check {{
		{lookup} @firewall-ips
	}}
	chain reject-chain {{
		comment \"helper for @no-endpoint-services / @no-endpoint-nodeports\"
		reject
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
        node_ips = elements(&[address::node(scope.family, scope.node).to_string()]),
        vmap = elements(&vmap),
    )
}
