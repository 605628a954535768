//! What must be reached, and through which network devices it is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::dir::Dir;
use super::peers::{self, Server};
use super::routes::{self, Route, ways_to};
use crate::root::HostRoot;

/// The ways of a host, and to whom it needs them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// All its routes.
    pub(crate) routes: Vec<Route>,
    /// The API servers.
    pub(crate) servers: BTreeSet<Server>,
    /// Peers of SSH sessions.
    pub(crate) sessions: BTreeSet<IpAddr>,
}

impl Reach {
    /// Reads the ways of a host; `peers` are sessions known from elsewhere.
    pub(crate) fn read(host: &HostRoot, peers: &[IpAddr]) -> Self {
        let table = Dir::at(host, "/proc/net");
        let mut routes = routes::parse_v4(&table.text("route").unwrap_or_default());
        routes.extend(routes::parse_v6(&table.text("ipv6_route").unwrap_or_default()));
        let mut sessions = peers::ssh_peers(host);
        sessions.extend(peers);
        Self { routes, servers: peers::api_servers(host), sessions }
    }

    /// What must not be lost, each with a network device that carries it.
    pub(crate) fn carried(&self) -> BTreeSet<(String, String)> {
        let defaults = self.routes.iter().filter(|route| route.is_default());
        let mut carried: BTreeSet<(String, String)> =
            defaults.map(|route| ("the default route".to_owned(), route.device.clone())).collect();
        let servers =
            self.servers.iter().map(|s| (s.address, format!("the route to the API server {}", s.called())));
        let sessions = self.sessions.iter().map(|peer| (*peer, format!("the SSH session from {peer}")));
        for (address, what) in servers.chain(sessions) {
            let ways = ways_to(&self.routes, address).into_iter();
            carried.extend(ways.map(|way| (what.clone(), way.device.clone())));
        }
        carried
    }
}
