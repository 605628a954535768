//! The steps a lab is built of, as data.
//!
//! Invariant: a step prints as the command a person would type for it, so a dry run is a manual.

use std::fmt;
use std::net::IpAddr;

use flyover_core::{IfName, IpCidr, MacAddr};
use flyover_net::link::{LinkKind, NewLink};
use flyover_net::route::Route;

use crate::rules::RuleText;

/// One step, and the namespace it happens in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The namespace.
    pub netns: String,
    /// What happens there.
    pub deed: Deed,
}

/// What can happen in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The namespace is made, marked as ours, and its loopback raised.
    Namespace {
        /// The mark: the alias of its loopback.
        mark: String,
    },
    /// A kernel setting is written.
    Sysctl {
        /// Setting.
        key: &'static str,
        /// Value.
        value: &'static str,
        /// Whether it may be missing.
        optional: bool,
    },
    /// A device is made and raised.
    Link(NewLink),
    /// A device is raised.
    Up {
        /// Device.
        device: IfName,
    },
    /// A bridge's port may send frames back where they came from.
    Hairpin {
        /// Port.
        port: IfName,
    },
    /// A device does its own checksums and segmentation.
    NoOffload {
        /// Device.
        device: IfName,
    },
    /// A device gets an address.
    Address {
        /// Device.
        device: IfName,
        /// Address.
        cidr: IpCidr,
    },
    /// A neighbour is known for good.
    Neighbour {
        /// Device.
        device: IfName,
        /// Its IP address.
        ip: IpAddr,
        /// Its Ethernet address.
        mac: MacAddr,
    },
    /// A tunnel device knows for good where an Ethernet address lives.
    Fdb {
        /// Device.
        device: IfName,
        /// Ethernet address.
        mac: MacAddr,
        /// The peer it lives behind.
        remote: IpAddr,
    },
    /// A route is added.
    Route(Route),
    /// Rules are applied.
    Rules(RuleText),
}

impl Step {
    /// Whether it takes a kernel that puts a bridge's frames through the rules.
    pub(crate) fn needs_bridge_rules(&self) -> bool {
        matches!(self.deed, Deed::Sysctl { key, optional: false, .. } if key.starts_with("net.bridge."))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = &self.netns;
        match &self.deed {
            Deed::Namespace { mark } => {
                write!(f, "ip netns add {n}; ip -n {n} link set lo up alias '{mark}'")
            }
            Deed::Sysctl { key, value, .. } => write!(f, "ip netns exec {n} sysctl -q -w {key}={value}"),
            Deed::Link(link) => {
                write!(f, "ip -n {n} link add {}", link.name)?;
                dress(f, link.mac, link.mtu)?;
                link.master.iter().try_for_each(|master| write!(f, " master {master}"))?;
                f.write_str(" up type ")?;
                kind(f, link)
            }
            Deed::Up { device } => write!(f, "ip -n {n} link set {device} up"),
            Deed::Hairpin { port } => write!(f, "bridge -n {n} link set dev {port} hairpin on"),
            Deed::NoOffload { device } => write!(f, "ip netns exec {n} ethtool -K {device} tx off"),
            Deed::Address { device, cidr } => {
                let nodad = if cidr.addr().is_ipv6() { " nodad" } else { "" };
                write!(f, "ip -n {n} addr add {cidr} dev {device}{nodad}")
            }
            Deed::Neighbour { device, ip, mac } => {
                write!(f, "ip -n {n} neigh replace {ip} lladdr {mac} dev {device} nud permanent")
            }
            Deed::Fdb { device, mac, remote } => {
                write!(f, "bridge -n {n} fdb replace {mac} dev {device} dst {remote} self permanent")
            }
            Deed::Route(route) => write!(f, "ip -n {n} route add {route}"),
            Deed::Rules(rules) => write!(f, "ip netns exec {n} {rules}"),
        }
    }
}

fn dress(f: &mut fmt::Formatter<'_>, mac: Option<MacAddr>, mtu: Option<u32>) -> fmt::Result {
    mac.iter().try_for_each(|mac| write!(f, " address {mac}"))?;
    mtu.iter().try_for_each(|mtu| write!(f, " mtu {mtu}"))
}

fn kind(f: &mut fmt::Formatter<'_>, link: &NewLink) -> fmt::Result {
    match &link.kind {
        LinkKind::Bridge => f.write_str("bridge"),
        LinkKind::Veth(peer) => {
            write!(f, "veth peer {} netns {}", peer.name, peer.netns)?;
            dress(f, peer.mac, link.mtu)
        }
        LinkKind::Vxlan(v) => {
            write!(f, "vxlan id {} dstport {} local {} dev {} nolearning", v.vni, v.port, v.local, v.device)
        }
        LinkKind::Geneve(g) => {
            write!(f, "geneve id {} dstport {} remote {} udpcsum", g.vni, g.port, g.remote)
        }
    }
}
