//! Writes the steps of each part of a lab.

use flyover_core::{IfName, IpCidr};
use flyover_net::link::{Geneve, LinkKind, NewLink, VethPeer, Vxlan};
use flyover_net::route::Route;

use super::{
    GENEVE_PORT, VNI, VXLAN_PORT, bridge, has_wire, host_veth, mark, tunnel, uplink, wire, wire_port,
};
use crate::address::{self, Family};
use crate::name::Place;
use crate::spec::{LabSpec, Overlay, RuleForm};
use crate::step::{Deed, Step};

/// The steps so far, and what they are for.
pub(super) struct Draft<'a> {
    pub(super) spec: &'a LabSpec,
    pub(super) steps: Vec<Step>,
}

impl Draft<'_> {
    pub(super) fn push(&mut self, place: Place, deed: Deed) {
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

    pub(super) fn wire(&mut self) {
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

    pub(super) fn node(&mut self, i: u8) {
        let place = Place::Node(i);
        self.namespace(place);
        self.ipv6_settings(place);
        self.sysctl(place, "net.ipv4.ip_forward", "1", false);
        if self.families().contains(&Family::V6) {
            self.sysctl(place, "net.ipv6.conf.all.forwarding", "1", false);
        }
        bridge_rules(self, place, self.spec.rules != RuleForm::None);
    }

    pub(super) fn uplinks(&mut self) {
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

    pub(super) fn bridge(&mut self, i: u8) {
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

    pub(super) fn pod(&mut self, i: u8, j: u8) {
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

    pub(super) fn overlay(&mut self, i: u8) {
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
        self.address(Place::Node(i), device, IpCidr::host(address::vtep(family, i)));
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

    fn address(&mut self, place: Place, device: IfName, cidr: IpCidr) {
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

/// Whether frames on a bridge pass through the rules. Where there are none, the switch may be missing.
fn bridge_rules(plan: &mut Draft<'_>, place: Place, on: bool) {
    for (key, family) in [
        ("net.bridge.bridge-nf-call-iptables", Family::V4),
        ("net.bridge.bridge-nf-call-ip6tables", Family::V6),
    ] {
        let wanted = on && plan.families().contains(&family);
        plan.sysctl(place, key, if on { "1" } else { "0" }, !wanted);
    }
}
