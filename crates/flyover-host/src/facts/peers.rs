//! Whom the host must not lose: the API servers that its kubeconfigs name, and the peers of its SSH sessions.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flyover_core::HostPath;

use super::dir::Dir;
use crate::root::HostRoot;

/// Kubeconfigs of kubelets: of kubeadm, of a first boot, of managed clouds, of OpenShift, of k3s.
const KUBECONFIGS: [&str; 5] = [
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/var/lib/kubelet/kubeconfig",
    "/etc/kubernetes/kubeconfig",
    "/etc/rancher/k3s/k3s.yaml",
];

/// Below it each distribution of Rancher keeps `agent/kubelet.kubeconfig`.
const RANCHER: &str = "/var/lib/rancher";

/// `TCP_ESTABLISHED`.
const ESTABLISHED: &str = "01";
const SSH: u16 = 22;

/// An API server: how it is called, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Server {
    /// The host in its URL.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: IpAddr,
}

impl Server {
    /// Whether its URL names it by its address.
    pub(crate) fn is_literal(&self) -> bool {
        self.name.parse::<IpAddr>().is_ok()
    }

    /// How people call it: `10.0.0.1`, `api.example at 10.0.0.1`.
    pub(super) fn called(&self) -> String {
        if self.is_literal() { self.name.clone() } else { format!("{} at {}", self.name, self.address) }
    }
}

/// Finds the API servers. One whose name has no address now is not guarded, and said so.
pub(super) fn api_servers(host: &HostRoot) -> BTreeSet<Server> {
    let texts: Vec<String> = kubeconfigs(host).iter().filter_map(|path| host.text(path)).collect();
    let names: BTreeSet<&str> = texts.iter().flat_map(|text| servers_of(text)).collect();
    names.into_iter().flat_map(|name| addressed(host, name)).collect()
}

/// Where a kubelet's kubeconfig may be.
fn kubeconfigs(host: &HostRoot) -> Vec<HostPath> {
    let rancher = Dir::at(host, RANCHER);
    let agents = rancher.names();
    let agents = agents.iter().map(|name| rancher.path(&format!("{name}/agent/kubelet.kubeconfig")));
    KUBECONFIGS.iter().map(|path| HostPath::fixed(path)).chain(agents).collect()
}

fn addressed(host: &HostRoot, name: &str) -> Vec<Server> {
    let addresses = name.parse().map_or_else(|_| addresses_of(host, name), |address| vec![address]);
    if addresses.is_empty() {
        tracing::warn!(name, "an API server has no address, so the way to it is not guarded");
    }
    addresses.into_iter().map(|address| Server { name: name.to_owned(), address }).collect()
}

fn addresses_of(host: &HostRoot, name: &str) -> Vec<IpAddr> {
    let hosts = host.text(&HostPath::fixed("/etc/hosts")).unwrap_or_default();
    let found = in_hosts(&hosts, name);
    if found.is_empty() { host.outside().resolve(name) } else { found }
}

/// The hosts of the `server:` lines of a kubeconfig.
pub(crate) fn servers_of(kubeconfig: &str) -> impl Iterator<Item = &str> {
    kubeconfig.lines().filter_map(|line| {
        let url =
            line.trim().trim_start_matches("- ").strip_prefix("server:")?.trim().trim_matches(['"', '\'']);
        host_of(url)
    })
}

/// The host in a URL, without the brackets of IPv6.
fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

fn in_hosts(hosts: &str, name: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    hosts.lines().filter_map(address).collect()
}

/// Finds who sits at the other end of an SSH session.
pub(super) fn ssh_peers(host: &HostRoot) -> BTreeSet<IpAddr> {
    let net = Dir::at(host, "/proc/net");
    ["tcp", "tcp6"].iter().filter_map(|table| net.text(table)).flat_map(|table| sessions_of(&table)).collect()
}

/// The peers of established connections to the port of SSH in a table of /proc/net.
fn sessions_of(table: &str) -> Vec<IpAddr> {
    let peer = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, local, peer, state, ..] = fields.as_slice() else { return None };
        let (_, port) = local.rsplit_once(':')?;
        let here = u16::from_str_radix(port, 16).ok()? == SSH && state == ESTABLISHED;
        here.then(|| socket_address(peer.rsplit_once(':')?.0))?
    };
    table.lines().skip(1).filter_map(peer).collect()
}

/// Words of 32 bits in the byte order of the host. An IPv4 peer of an IPv6 socket is an IPv4 address.
fn socket_address(hex: &str) -> Option<IpAddr> {
    if hex.len() == 8 {
        return Some(Ipv4Addr::from_bits(u32::from_str_radix(hex, 16).ok()?.swap_bytes()).into());
    }
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let word = |at: usize| Some(u128::from(u32::from_str_radix(&hex[at..at + 8], 16).ok()?.swap_bytes()));
    let bits = (word(0)? << 96) | (word(8)? << 64) | (word(16)? << 32) | word(24)?;
    Some(Ipv6Addr::from_bits(bits).to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in any::<String>(), hex in "[0-9A-Fä]{0,33}") {
            sessions_of(&text);
            socket_address(&hex);
            servers_of(&text).count();
            in_hosts(&text, "x");
        }
    }

    #[test]
    fn the_host_of_a_server_is_read_from_its_url() {
        let text = "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\n    server: \"https://[fd00::1]:6443\"\n\
                    - server: https://api.example/path\n  # server: x\n";
        assert_eq!(servers_of(text).collect::<Vec<_>>(), ["10.0.0.1", "fd00::1", "api.example"]);
    }

    #[test]
    fn peers_of_established_sessions_to_port_22_count_in_both_tables() {
        let v4 = "head\n 0: 0100000A:0016 0900000A:C001 01 x\n 1: 0100000A:0016 0A00000A:C001 06 x\n 2: 0100000A:1F90 0B00000A:C001 01 x";
        assert_eq!(sessions_of(v4), ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        let v6 = "head\n 0: 0000000000000000FFFF00000100000A:0016 0000000000000000FFFF00000900000A:C001 01 x";
        assert_eq!(sessions_of(v6), ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(socket_address("000000FD000000000000000001000000"), Some("fd00::1".parse().unwrap()));
    }
}
