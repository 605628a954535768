//! From what a lab shall be to the steps that build it.
//!
//! Invariants: pure and total; a namespace's step stands before every other step in it, a device's before its
//! addresses, and settings before devices, because a device takes the defaults it finds when it is made.

use flyover_core::IfName;
use flyover_net::link::{Geneve, LinkKind, NewLink, VethPeer, Vxlan};
use flyover_net::route::Route;

use crate::address::{self, Family};
use crate::name::{LabName, Place};
use crate::rules;
use crate::spec::{LabSpec, Overlay, RuleForm};
use crate::step::{Deed, Step};

/// VXLAN and Geneve network identifier.
const VNI: u32 = 1;
/// Flannel's port: Linux had VXLAN before it had a number.
const VXLAN_PORT: u16 = 8472;
/// Geneve's port.
const GENEVE_PORT: u16 = 6081;

/// The name of a node's device on the wire, and of a pod's device.
#[must_use]
pub fn uplink() -> IfName {
    name("eth0")
}

/// The name of a node's bridge.
#[must_use]
pub fn bridge() -> IfName {
    name("cni0")
}

/// The name of the node's end of a pod's pair.
#[must_use]
pub fn host_veth(j: u8) -> IfName {
    name(&format!("veth{j}"))
}

fn wire() -> IfName {
    name("wire")
}

fn wire_port(i: u8) -> IfName {
    name(&format!("n{i}"))
}

/// The name of a node's tunnel device of that outer family that leads to that peer, if the lab has any.
#[must_use]
pub fn tunnel(spec: &LabSpec, family: Family, peer: u8) -> Option<IfName> {
    match (spec.overlay, family) {
        (Overlay::Routed, _) => None,
        (Overlay::Vxlan, Family::V4) => Some(name("flannel.1")),
        (Overlay::Vxlan, Family::V6) => Some(name("flannel-v6.1")),
        (Overlay::Geneve, Family::V4) => Some(name(&format!("geneve.{peer}"))),
        (Overlay::Geneve, Family::V6) => Some(name(&format!("geneve-v6.{peer}"))),
    }
}

/// Whether the nodes are joined by a bridge in a namespace of its own, not by one pair of devices.
#[must_use]
pub fn has_wire(spec: &LabSpec) -> bool {
    spec.nodes != 2
}

/// The places of a lab, in the order they are made.
#[must_use]
pub fn places(spec: &LabSpec) -> Vec<Place> {
    let wire = has_wire(spec).then_some(Place::Wire);
    let nodes = (1..=spec.nodes).map(Place::Node);
    let pods = (1..=spec.nodes).flat_map(|i| (1..=spec.pods).map(move |j| Place::Pod(i, j)));
    wire.into_iter().chain(nodes).chain(pods).collect()
}

/// The devices that are up at a place of a lab.
#[must_use]
pub fn devices(spec: &LabSpec, place: Place) -> Vec<IfName> {
    match place {
        Place::Wire => (1..=spec.nodes).map(wire_port).chain([wire()]).collect(),
        Place::Pod(..) => vec![uplink()],
        Place::Node(i) => {
            // A bridge without ports carries nothing and is not up.
            let bridge = (spec.pods > 0).then(bridge);
            let peers = (1..=spec.nodes).filter(|&peer| peer != i);
            let tunnels = peers.flat_map(|peer| {
                spec.ip.families().iter().filter_map(move |&family| tunnel(spec, family, peer))
            });
            [uplink()]
                .into_iter()
                .chain(bridge)
                .chain((1..=spec.pods).map(host_veth))
                .chain(tunnels)
                .collect()
        }
    }
}

/// The steps that build a lab.
#[must_use]
pub fn steps(spec: &LabSpec) -> Vec<Step> {
    let mut plan = Plan { spec, steps: Vec::new() };
    if has_wire(spec) {
        plan.wire();
    }
    (1..=spec.nodes).for_each(|i| plan.node(i));
    plan.uplinks();
    for i in 1..=spec.nodes {
        plan.bridge(i);
        (1..=spec.pods).for_each(|j| plan.pod(i, j));
        plan.overlay(i);
    }
    for i in 1..=spec.nodes {
        rules::of_node(spec, i).into_iter().for_each(|text| plan.push(Place::Node(i), Deed::Rules(text)));
    }
    plan.steps
}

struct Plan<'a> {
    spec: &'a LabSpec,
    steps: Vec<Step>,
}

impl Plan<'_> {
    fn push(&mut self, place: Place, deed: Deed) {
        self.steps.push(Step { netns: self.spec.name.netns(place), deed });
    }

    fn namespace(&mut self, place: Place) {
        self.push(place, Deed::Namespace { mark: mark(&self.spec.name) });
    }

    fn sysctl(&mut self, place: Place, key: &'static str, value: &'static str, optional: bool) {
        self.push(place, Deed::Sysctl { key, value, optional });
    }

    fn families(&self) -> &'static [Family] {
        self.spec.ip.families()
    }

    /// IPv6 addresses are usable at once and nobody asks for routers, or the family is off altogether.
    fn ipv6_settings(&mut self, place: Place) {
        if self.families().contains(&Family::V6) {
            self.sysctl(place, "net.ipv6.conf.all.accept_dad", "0", false);
            self.sysctl(place, "net.ipv6.conf.default.accept_dad", "0", false);
            self.sysctl(place, "net.ipv6.conf.default.accept_ra", "0", false);
        } else {
            self.sysctl(place, "net.ipv6.conf.default.disable_ipv6", "1", true);
        }
    }

    fn wire(&mut self) {
        self.namespace(Place::Wire);
        self.sysctl(Place::Wire, "net.ipv6.conf.default.disable_ipv6", "1", true);
        bridge_rules(self, Place::Wire, false);
        let link = NewLink {
            name: wire(),
            kind: LinkKind::Bridge,
            mac: None,
            mtu: Some(self.spec.mtu.into()),
            master: None,
        };
        self.push(Place::Wire, Deed::Link(link));
    }

    fn node(&mut self, i: u8) {
        let place = Place::Node(i);
        self.namespace(place);
        self.ipv6_settings(place);
        self.sysctl(place, "net.ipv4.ip_forward", "1", false);
        if self.families().contains(&Family::V6) {
            self.sysctl(place, "net.ipv6.conf.all.forwarding", "1", false);
        }
        bridge_rules(self, place, self.spec.rules != RuleForm::None);
    }

    fn uplinks(&mut self) {
        let spec = self.spec;
        let peer = |i: u8| VethPeer {
            name: uplink(),
            netns: spec.name.netns(Place::Node(i)),
            mac: Some(address::uplink_mac(i)),
        };
        let pair = |name, mac, i, master| NewLink {
            name,
            kind: LinkKind::Veth(peer(i)),
            mac,
            mtu: Some(spec.mtu.into()),
            master,
        };
        if has_wire(spec) {
            for i in 1..=spec.nodes {
                let port = pair(wire_port(i), None, i, Some(wire()));
                self.push(Place::Wire, Deed::Link(port));
            }
        } else {
            self.push(Place::Node(1), Deed::Link(pair(uplink(), Some(address::uplink_mac(1)), 2, None)));
        }
        for i in 1..=spec.nodes {
            self.up(Place::Node(i), uplink());
            self.offload(Place::Node(i), uplink());
            for &family in self.families() {
                self.address(Place::Node(i), uplink(), address::node_cidr(family, i));
            }
        }
    }

    fn bridge(&mut self, i: u8) {
        let link = NewLink {
            name: bridge(),
            kind: LinkKind::Bridge,
            mac: Some(address::bridge_mac(i)),
            mtu: Some(self.spec.inner_mtu().into()),
            master: None,
        };
        self.push(Place::Node(i), Deed::Link(link));
        for &family in self.families() {
            self.address(Place::Node(i), bridge(), address::gateway(family, i));
        }
    }

    fn pod(&mut self, i: u8, j: u8) {
        let (node, pod) = (Place::Node(i), Place::Pod(i, j));
        self.namespace(pod);
        self.ipv6_settings(pod);
        let peer =
            VethPeer { name: uplink(), netns: self.spec.name.netns(pod), mac: Some(address::pod_mac(i, j)) };
        let link = NewLink {
            name: host_veth(j),
            kind: LinkKind::Veth(peer),
            mac: Some(address::host_veth_mac(i, j)),
            mtu: Some(self.spec.inner_mtu().into()),
            master: Some(bridge()),
        };
        self.push(node, Deed::Link(link));
        self.up(pod, uplink());
        self.push(node, Deed::Hairpin { port: host_veth(j) });
        self.offload(node, host_veth(j));
        self.offload(pod, uplink());
        for &family in self.families() {
            self.address(pod, uplink(), address::pod_cidr(family, i, j));
            let via = address::gateway(family, i).addr();
            let to = address::anywhere(family);
            self.push(pod, Deed::Route(Route { to, via, device: uplink(), onlink: false }));
        }
    }

    fn overlay(&mut self, i: u8) {
        for &family in self.families() {
            if self.spec.overlay == Overlay::Vxlan {
                self.vxlan(family, i);
            }
            for peer in (1..=self.spec.nodes).filter(|&peer| peer != i) {
                self.peer(family, i, peer);
            }
        }
    }

    fn vxlan(&mut self, family: Family, i: u8) {
        let vxlan = Vxlan { vni: VNI, port: VXLAN_PORT, local: address::node(family, i), device: uplink() };
        self.tunnel(family, i, i, LinkKind::Vxlan(vxlan));
    }

    /// Makes the tunnel device towards `peer` and gives it its address, as Flannel does.
    fn tunnel(&mut self, family: Family, i: u8, peer: u8, kind: LinkKind) {
        let Some(device) = tunnel(self.spec, family, peer) else { return };
        let link = NewLink {
            name: device.clone(),
            kind,
            mac: Some(address::vtep_mac(family, i)),
            mtu: Some(self.spec.inner_mtu().into()),
            master: None,
        };
        self.push(Place::Node(i), Deed::Link(link));
        self.address(Place::Node(i), device, flyover_core::IpCidr::host(address::vtep(family, i)));
    }

    fn peer(&mut self, family: Family, i: u8, peer: u8) {
        let (place, remote) = (Place::Node(i), address::node(family, peer));
        let to = address::pod_network(family, peer);
        let Some(device) = tunnel(self.spec, family, peer) else {
            self.push(place, Deed::Route(Route { to, via: remote, device: uplink(), onlink: false }));
            return;
        };
        let (via, mac) = (address::vtep(family, peer), address::vtep_mac(family, peer));
        if self.spec.overlay == Overlay::Geneve {
            let geneve = Geneve { vni: VNI, port: GENEVE_PORT, remote };
            self.tunnel(family, i, peer, LinkKind::Geneve(geneve));
        } else {
            self.push(place, Deed::Fdb { device: device.clone(), mac, remote });
        }
        self.push(place, Deed::Neighbour { device: device.clone(), ip: via, mac });
        self.push(place, Deed::Route(Route { to, via, device, onlink: true }));
    }

    fn address(&mut self, place: Place, device: IfName, cidr: flyover_core::IpCidr) {
        self.push(place, Deed::Address { device, cidr });
    }

    fn up(&mut self, place: Place, device: IfName) {
        self.push(place, Deed::Up { device });
    }

    fn offload(&mut self, place: Place, device: IfName) {
        if !self.spec.offload {
            self.push(place, Deed::NoOffload { device });
        }
    }
}

/// The alias that marks a namespace's loopback as ours.
#[must_use]
pub fn mark(lab: &LabName) -> String {
    format!("flyover lab {lab}")
}

/// Whether frames on a bridge pass through the rules. Where there are none, the switch may be missing.
fn bridge_rules(plan: &mut Plan<'_>, place: Place, on: bool) {
    for (key, family) in [
        ("net.bridge.bridge-nf-call-iptables", Family::V4),
        ("net.bridge.bridge-nf-call-ip6tables", Family::V6),
    ] {
        let wanted = on && plan.families().contains(&family);
        plan.sysctl(place, key, if on { "1" } else { "0" }, !wanted);
    }
}

fn name(s: &str) -> IfName {
    s.parse().expect("the names of a lab's devices are short and plain")
}
