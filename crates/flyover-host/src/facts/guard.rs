//! Devices that must stay: those through which the host is reached.
//!
//! From each route that matters down through bonds, bridges, VLANs and Open vSwitch to PCI functions, and from a
//! virtual function to its physical one. Invariant: who is in doubt is guarded.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flyover_core::facts::{Guarded, NetDevice, PciDevice};
use flyover_core::{IfName, PciAddr};

use super::dir::Dir;
use super::peers;
use super::routes::{self, Route, ways_to};
use crate::root::HostRoot;

/// The device of the kernel's Open vSwitch that all ports of it stand below. Its internal ports (`br-ex`) name
/// nothing they stand upon, so all ports count as such.
const OPENVSWITCH: &str = "ovs-system";

/// Finds what must stay, in the order of devices.
pub(super) fn read(
    host: &HostRoot,
    net: &[NetDevice],
    pci: &[PciDevice],
    ssh_peers: &[IpAddr],
) -> Vec<Guarded> {
    let table = Dir::at(host, "/proc/net");
    let mut routes = routes::parse_v4(&table.text("route").unwrap_or_default());
    routes.extend(routes::parse_v6(&table.text("ipv6_route").unwrap_or_default()));
    let ground = Ground { net, pci };
    let mut found = Vec::new();
    for (carries, device) in carried(host, &routes, ssh_peers) {
        ground.descend(&device, &mut vec![], &mut |device, path| {
            found.push(Guarded { device, carries: carries.clone(), path });
        });
    }
    found.sort_by(|a, b| (a.device, &a.carries, &a.path).cmp(&(b.device, &b.carries, &b.path)));
    found.dedup();
    found
}

/// What must not be lost, each with a network device that carries it.
fn carried(host: &HostRoot, routes: &[Route], ssh_peers: &[IpAddr]) -> BTreeSet<(String, String)> {
    let defaults = routes.iter().filter(|route| route.is_default());
    let mut carried: BTreeSet<(String, String)> =
        defaults.map(|route| ("the default route".to_owned(), route.device.clone())).collect();
    let servers = peers::api_servers(host).into_iter().map(|server| {
        let named = server.name.parse::<IpAddr>().is_err();
        let name = if named { format!("{} at {}", server.name, server.address) } else { server.name };
        (server.address, format!("the route to the API server {name}"))
    });
    let mut sessions = peers::ssh_peers(host);
    sessions.extend(ssh_peers);
    let sessions = sessions.into_iter().map(|peer| (peer, format!("the SSH session from {peer}")));
    for (address, what) in servers.chain(sessions) {
        carried.extend(ways_to(routes, address).into_iter().map(|way| (what.clone(), way.device.clone())));
    }
    carried
}

/// What routes stand upon.
struct Ground<'a> {
    net: &'a [NetDevice],
    pci: &'a [PciDevice],
}

impl Ground<'_> {
    /// Tells each function below a network device, with the way down to it. `above` is that way; a device that
    /// stands upon itself, as two ends of a cable may, is not entered twice.
    fn descend(&self, device: &str, above: &mut Vec<String>, tell: &mut dyn FnMut(PciAddr, String)) {
        if above.iter().any(|name| name == device) {
            return;
        }
        let Some(found) = self.net.iter().find(|d| d.name.as_str() == device) else { return };
        above.push(device.to_owned());
        if let Some(function) = found.pci {
            self.functions(function, above, tell);
        }
        for lower in self.lowers(found) {
            self.descend(lower.as_str(), above, tell);
        }
        above.pop();
    }

    fn lowers<'n>(&'n self, device: &'n NetDevice) -> Vec<&'n IfName> {
        let hangs = device.pci.is_none() && device.lowers.is_empty() && device.name.as_str() != "lo";
        let switch = self.net.iter().find(|d| hangs && d.name.as_str() == OPENVSWITCH);
        switch.map_or_else(|| device.lowers.iter().collect(), |switch| vec![&switch.name])
    }

    fn functions(&self, function: PciAddr, above: &[String], tell: &mut dyn FnMut(PciAddr, String)) {
        let path = format!("{} <- {function}", above.join(" <- "));
        let physical = self.pci.iter().find(|d| d.address == function).and_then(|d| d.physical);
        if let Some(physical) = physical {
            tell(physical, format!("{path} <- {physical}"));
        }
        tell(function, path);
    }
}
