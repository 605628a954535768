//! The nft back end: conntrack leaves the tunnel's outer packets alone.
//!
//! For kernels without BTF or tc BPF. A tunnel's packets never form a flow with answers, so each source port becomes
//! an entry of its own that helps nobody. Inner packets are tracked and filtered as before.
//!
//! Invariant: only packets between this node's tunnel address and known peers, on an uplink, to the tunnel's port are
//! left untracked; a port number alone is no proof of anything.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use flyover_core::{IfName, Proto};
use flyover_host::cmd::{Cmd, CmdError};
use flyover_net::{NlError, conntrack};

/// A tunnel end point here, and those it talks to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peers {
    /// This node's address.
    pub(crate) local: IpAddr,
    /// UDP port.
    pub(crate) port: u16,
    /// The others' addresses.
    pub(crate) remote: BTreeSet<IpAddr>,
}

/// The table's name for an instance.
pub(crate) fn table(instance: &str) -> String {
    format!("inet flyover-{instance}")
}

/// The table as `nft -f` reads it, in place of an earlier one in a single transaction.
pub(crate) fn render(instance: &str, uplinks: &[IfName], tunnels: &[Peers]) -> String {
    let table = table(instance);
    let mut text = format!("table {table} {{}}\ndelete table {table}\ntable {table} {{\n");
    for (chain, device, [mine, theirs]) in
        [("prerouting", "iifname", ["daddr", "saddr"]), ("output", "oifname", ["saddr", "daddr"])]
    {
        let _written =
            writeln!(text, "  chain {chain} {{\n    type filter hook {chain} priority raw; policy accept;");
        for uplink in uplinks {
            for tunnel in tunnels.iter().filter(|t| !t.remote.is_empty()) {
                let family = if tunnel.local.is_ipv4() { "ip" } else { "ip6" };
                let peers: Vec<_> = tunnel.remote.iter().map(ToString::to_string).collect();
                let _written = writeln!(
                    text,
                    "    {device} \"{uplink}\" {family} {mine} {} {family} {theirs} {{ {} }} udp dport {} counter notrack",
                    tunnel.local,
                    peers.join(", "),
                    tunnel.port
                );
            }
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// Puts the table into the current namespace.
pub(crate) fn apply(text: &str) -> Result<(), CmdError> {
    Cmd::new("nft").args(["-f", "-"]).stdin(text).run().map(drop)
}

/// Whether the table is there: who loads a rule set anew begins by flushing all others' as well.
pub(crate) fn is_there(instance: &str) -> bool {
    let table = table(instance);
    Cmd::new("nft").args(["list", "table"]).args(table.split(' ')).run().is_ok()
}

/// Takes the table away, if it is there.
pub(crate) fn remove(instance: &str) -> Result<(), CmdError> {
    let table = table(instance);
    Cmd::new("nft")
        .args(["-f", "-"])
        .stdin(format!("table {table} {{}}\ndelete table {table}\n"))
        .run()
        .map(drop)
}

/// Removes what conntrack knows of the tunnels' packets already: an entry made before the table would live on.
pub(crate) fn evict(tunnels: &[Peers]) -> Result<usize, NlError> {
    conntrack::forget(|flow| {
        let ends = [flow.src.ip(), flow.dst.ip()];
        let of = |t: &Peers| {
            flow.dst.port() == t.port
                && ends.contains(&t.local)
                && ends.iter().any(|ip| t.remote.contains(ip))
        };
        flow.proto == Proto::Udp && tunnels.iter().any(of)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_peers_on_an_uplink_are_left_untracked() {
        let peers = Peers {
            local: "10.89.0.1".parse().unwrap(),
            port: 8472,
            remote: ["10.89.0.2", "10.89.0.3"].map(|a| a.parse().unwrap()).into(),
        };
        let lonely = Peers { local: "fd00::1".parse().unwrap(), port: 8472, remote: BTreeSet::new() };
        insta::assert_snapshot!(render("n1", &["eth0".parse().unwrap()], &[peers, lonely]), @r#"
        table inet flyover-n1 {}
        delete table inet flyover-n1
        table inet flyover-n1 {
          chain prerouting {
            type filter hook prerouting priority raw; policy accept;
            iifname "eth0" ip daddr 10.89.0.1 ip saddr { 10.89.0.2, 10.89.0.3 } udp dport 8472 counter notrack
          }
          chain output {
            type filter hook output priority raw; policy accept;
            oifname "eth0" ip saddr 10.89.0.1 ip daddr { 10.89.0.2, 10.89.0.3 } udp dport 8472 counter notrack
          }
        }
        "#);
    }
}
