//! Replaces the tables of routes and sockets by ones that say the same of what is guarded and nothing else: the
//! default routes, and a route to each API server and each SSH peer, which are called by addresses of documentation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flyover_core::HostPath;

use crate::facts::{Reach, Route, servers_of, ways_to};
use crate::tree::HostTree;

/// 192.0.2.0/24 and 2001:db8::/32.
const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 0);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);

/// What stands for what.
pub(super) struct Aliases {
    addresses: BTreeMap<IpAddr, IpAddr>,
    names: BTreeMap<String, String>,
}

impl Aliases {
    /// Aliases of all whom a host must reach, in the order of their kinds.
    pub(super) fn of(reach: &Reach) -> Self {
        let mut aliases = Self { addresses: BTreeMap::new(), names: BTreeMap::new() };
        let servers = reach.servers.iter().map(|server| server.address);
        for (number, address) in (1u32..).zip(servers.chain(reach.sessions.iter().copied())) {
            let alias = match address {
                IpAddr::V4(_) => Ipv4Addr::from_bits(V4.to_bits() + number).into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(V6.to_bits() + u128::from(number)).into(),
            };
            aliases.addresses.entry(address).or_insert(alias);
        }
        for server in reach.servers.iter().filter(|server| !server.is_literal()) {
            let next = aliases.names.len() + 1;
            aliases.names.entry(server.name.clone()).or_insert(format!("api-{next}.example"));
        }
        aliases
    }

    /// What is left of a kubeconfig: its servers.
    pub(super) fn kubeconfig(&self, text: &str) -> String {
        let url = |alias: String| if alias.contains(':') { format!("[{alias}]") } else { alias };
        let known = servers_of(text).filter_map(|server| self.called(server));
        known.map(|alias| format!("    server: https://{}:6443\n", url(alias))).collect()
    }

    fn called(&self, server: &str) -> Option<String> {
        let address = || self.addresses.get(&server.parse().ok()?);
        self.names.get(server).cloned().or_else(|| address().map(ToString::to_string))
    }
}

/// Replaces what tells addresses.
pub(super) fn replace(tree: &mut HostTree, reach: &Reach, aliases: &Aliases) {
    let table = |name: &str| HostPath::fixed(&format!("/proc/net/{name}"));
    tree.put_text(table("route"), &routes(reach, aliases, true));
    tree.put_text(table("ipv6_route"), &routes(reach, aliases, false));
    tree.put_text(table("tcp"), &sessions(reach, aliases, true));
    tree.put_text(table("tcp6"), &sessions(reach, aliases, false));
    if !aliases.names.is_empty() {
        tree.put_text(HostPath::fixed("/etc/hosts"), &hosts(reach, aliases));
    }
}

fn hosts(reach: &Reach, aliases: &Aliases) -> String {
    let named = reach
        .servers
        .iter()
        .filter_map(|s| Some((aliases.addresses.get(&s.address)?, aliases.names.get(&s.name)?)));
    named.map(|(address, name)| format!("{address} {name}\n")).collect()
}

/// A table of routes of one family.
fn routes(reach: &Reach, aliases: &Aliases, v4: bool) -> String {
    let mut table = String::new();
    if v4 {
        table += "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    }
    let defaults = reach.routes.iter().filter(|route| route.is_default()).cloned();
    // Who is reached by a default route is so by those.
    let others = aliases.addresses.iter().flat_map(|(address, alias)| {
        let ways = ways_to(&reach.routes, *address).into_iter().filter(|way| !way.is_default());
        ways.map(|way| Route { to: *alias, prefix: if alias.is_ipv4() { 32 } else { 128 }, ..way.clone() })
    });
    for route in defaults.chain(others).filter(|route| route.to.is_ipv4() == v4) {
        table += &row(&route);
    }
    table
}

fn row(route: &Route) -> String {
    let Route { to, prefix, metric, device } = route;
    match to {
        IpAddr::V4(to) => {
            let to = to.to_bits().swap_bytes();
            let mask = if *prefix == 0 { 0 } else { u32::MAX };
            format!("{device}\t{to:08X}\t00000000\t0003\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n")
        }
        IpAddr::V6(to) => {
            let (to, zero) = (to.to_bits(), "0".repeat(32));
            format!(
                "{to:032x} {prefix:02x} {zero} 00 {zero} {metric:08x} 00000001 00000000 00000003 {device}\n"
            )
        }
    }
}

/// A table of sockets with the established sessions of one family.
fn sessions(reach: &Reach, aliases: &Aliases, v4: bool) -> String {
    let mut table = String::from("  sl  local_address rem_address   st\n");
    let peers = reach.sessions.iter().filter_map(|peer| aliases.addresses.get(peer));
    for (number, peer) in peers.filter(|peer| peer.is_ipv4() == v4).enumerate() {
        let (here, there) = (socket_address(*peer, true), socket_address(*peer, false));
        writeln!(table, "{number:4}: {here}:0016 {there}:C000 01")
            .expect("writing to a string does not fail");
    }
    table
}

/// An address in words of the byte order of the host; the host's own is unspecified here.
fn socket_address(address: IpAddr, own: bool) -> String {
    match address {
        IpAddr::V4(address) => format!("{:08X}", if own { 0 } else { address.to_bits().swap_bytes() }),
        IpAddr::V6(address) => {
            let words =
                address.octets().chunks(4).map(|w| [w[3], w[2], w[1], w[0]]).collect::<Vec<_>>().concat();
            words.iter().map(|byte| format!("{:02X}", if own { 0 } else { *byte })).collect()
        }
    }
}
