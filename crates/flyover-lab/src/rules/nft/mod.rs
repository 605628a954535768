//! The rules in the form of `nft -f`: kube-proxy's table, Flannel's table, and a table of policies.

mod kube_proxy;
mod policy;
mod service_port;

use super::Scope;
use crate::address::{self, Family};

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
    let policy = if scope.spec.network_policy { policy::table(scope) } else { String::new() };
    [nothing(scope.family), policy, kube_proxy::table(scope), flannel(scope)].concat()
}

/// Deletes the tables. Each is declared first, for what is not there cannot be deleted.
pub(super) fn nothing(family: Family) -> String {
    let Words { ip, flannel, .. } = words(family);
    let gone = |table: &str| format!("table {ip} {table}\ndelete table {ip} {table}\n");
    ["kube-proxy", flannel, "pod-policy"].map(gone).concat()
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

/// The elements of a set or map; the grammar knows no empty list.
fn elements(elements: &[String]) -> String {
    if elements.is_empty() {
        return String::new();
    }
    format!("\n\t\telements = {{\n\t\t\t{}\n\t\t}}", elements.join(",\n\t\t\t"))
}
