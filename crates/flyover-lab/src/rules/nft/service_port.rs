//! The chains of one port of a service.

use std::net::{IpAddr, SocketAddr};

use flyover_core::Proto;

use super::words;
use crate::address::{self, Family};
use crate::rules::chain_hash;
use crate::service::Service;

/// A port of a service, with the names of its chains.
pub(super) struct ServicePort {
    /// Name of the service, protocol and port.
    full: String,
    ip: IpAddr,
    proto: Proto,
    port: u16,
    backends: Vec<IpAddr>,
}

impl ServicePort {
    pub(super) fn new(family: Family, service: &Service, (proto, port): (Proto, u16)) -> Self {
        let full = format!("{}/{proto}/p{port}", service.name);
        Self { full, ip: service.address(family), proto, port, backends: service.backends(family) }
    }

    /// Its element of the map that finds it.
    pub(super) fn element(&self) -> String {
        format!("{} . {} . {} : goto {}", self.ip, self.proto, self.port, self.chain())
    }

    /// Its chain, and those of its back ends.
    pub(super) fn chains(&self, family: Family) -> String {
        let Self { ip: addr, proto, port, backends, .. } = self;
        let (ip, cluster, chain) = (words(family).ip, address::cluster_network(family), self.chain());
        let endpoint = |backend: &IpAddr| self.endpoint(backend);
        let of_backends: String = backends
            .iter()
            .map(|backend| {
                let target = SocketAddr::new(*backend, *port);
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
            "{of_backends}\tchain {chain} {{\n\
             \t\t{ip} daddr {addr} {proto} dport {port} {ip} saddr != {cluster} jump mark-for-masquerade\n\
             \t\tnumgen random mod {} vmap {{ {} }}\n\t}}\n",
            backends.len(),
            choice.join(", ")
        )
    }

    fn chain(&self) -> String {
        format!("service-{}", hashed(&self.full))
    }

    fn endpoint(&self, backend: &IpAddr) -> String {
        // A chain's name may have dots and slashes, but no colons.
        let backend = backend.to_string().replace(':', ".");
        format!("endpoint-{}", hashed(&format!("{}__{backend}/{}", self.full, self.port)))
    }
}

/// A name with its own hash before it, so that near names are told apart at a glance.
fn hashed(name: &str) -> String {
    format!("{}-{name}", &chain_hash(name)[..8])
}
