//! A table of network policies.

use super::{Words, elements, words};
use crate::address::{self, Family};
use crate::rules::{POLICY_PORTS, Scope};

/// One chain for each pod, found by its address: what a policy engine with an nftables back end writes.
pub(super) fn table(scope: &Scope<'_>) -> String {
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
