//! One conversation of a pod, and what a node's slow path does to its packets.

use std::net::{IpAddr, SocketAddr};

use flyover_core::{Flow, Proto};
use flyover_fastpath::Hook;

use crate::packet::{Eth, Ip, L4, Outer, Packet, geneve, vxlan};

/// Devices of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dev {
    Pod,
    OtherPod,
    Uplink,
}

/// A tunnel's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel {
    pub(crate) v6: bool,
    pub(crate) vni: u32,
    /// Whether its device writes outer checksums.
    pub(crate) summed: bool,
    /// Geneve with these options; VXLAN if none.
    pub(crate) geneve: Option<Vec<u8>>,
}

/// How the other end is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Tunnel(Tunnel),
    Routed,
    SameNode,
}

/// What the node translates: the pod calls a service, and a back end answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    None,
    /// The destination is another address and port.
    Service,
    /// The source too is another, as behind a masquerade.
    Masquerade,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) v6: bool,
    pub(crate) tcp: bool,
    pub(crate) road: Road,
    pub(crate) nat: Nat,
}

/// One packet's way through the node by the slow path: as it enters, and as it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) from: (Hook, Dev),
    pub(crate) enters: Packet,
    pub(crate) to: (Hook, Dev),
    pub(crate) leaves: Packet,
}

pub(crate) const POD_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub(crate) const OTHER_POD_MAC: [u8; 6] = [2, 0, 0, 0, 1, 3];
pub(crate) const BRIDGE_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub(crate) const NODE_MAC: [u8; 6] = [2, 0, 0, 0, 9, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 9, 2];
const VTEP_MAC: [u8; 6] = [2, 0, 0, 0, 8, 1];
const PEER_VTEP_MAC: [u8; 6] = [2, 0, 0, 0, 8, 2];

/// Ports the tunnels of a lane listen on.
pub(crate) const VXLAN_PORT: u16 = 8472;
pub(crate) const GENEVE_PORT: u16 = 6081;

const ACK: u8 = 0x10;

/// TCP through VXLAN over IPv4: what most clusters carry.
pub(crate) fn usual() -> Case {
    Case { v6: false, tcp: true, road: Road::Tunnel(plain_vxlan()), nat: Nat::None }
}

/// VXLAN over IPv4 without outer checksum, network 1.
pub(crate) fn plain_vxlan() -> Tunnel {
    Tunnel { v6: false, vni: 1, summed: false, geneve: None }
}

impl Case {
    /// The same conversation but for one thing.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// A packet of the pod.
    pub(crate) fn request(&self) -> Hop {
        let same_node = self.road == Road::SameNode;
        let enters = Packet {
            eth: Eth { dst: BRIDGE_MAC, src: POD_MAC },
            ip: Ip { src: self.pod().0, dst: self.called().0, ttl: 64, tos: 0, id: 0x1234, df: true },
            l4: self.l4(self.pod().1, self.called().1),
            payload: b"a question".to_vec(),
            outer: None,
        };
        let leaves = enters.with(|p| {
            (p.ip.src, p.ip.dst, p.ip.ttl) = (self.seen_as().0, self.peer().0, 63);
            p.l4 = self.l4(self.seen_as().1, self.peer().1);
            (p.eth, p.outer) = match &self.road {
                Road::Tunnel(tunnel) => (tunnel.inner_eth(), Some(tunnel.outer())),
                Road::Routed => (Eth { dst: PEER_MAC, src: NODE_MAC }, None),
                Road::SameNode => (Eth { dst: OTHER_POD_MAC, src: BRIDGE_MAC }, None),
            };
        });
        let to = if same_node { (Hook::ToPod, Dev::OtherPod) } else { (Hook::ToWire, Dev::Uplink) };
        Hop { from: (Hook::FromPod, Dev::Pod), enters, to, leaves }
    }

    /// A packet for the pod.
    pub(crate) fn reply(&self) -> Hop {
        let same_node = self.road == Road::SameNode;
        let enters = Packet {
            eth: Eth { dst: BRIDGE_MAC, src: OTHER_POD_MAC },
            ip: Ip { src: self.peer().0, dst: self.seen_as().0, ttl: 63, tos: 0, id: 0x4321, df: true },
            l4: self.l4(self.peer().1, self.seen_as().1),
            payload: b"an answer".to_vec(),
            outer: None,
        };
        let enters = enters.with(|p| match &self.road {
            Road::Tunnel(tunnel) => (p.eth, p.outer) = (tunnel.arriving_eth(), Some(tunnel.arriving())),
            Road::Routed => p.eth = Eth { dst: NODE_MAC, src: PEER_MAC },
            Road::SameNode => {}
        });
        let leaves = enters.with(|p| {
            (p.eth, p.outer) = (Eth { dst: POD_MAC, src: BRIDGE_MAC }, None);
            (p.ip.src, p.ip.dst, p.ip.ttl) = (self.called().0, self.pod().0, 62);
            p.l4 = self.l4(self.called().1, self.pod().1);
        });
        let from = if same_node { (Hook::FromPod, Dev::OtherPod) } else { (Hook::FromWire, Dev::Uplink) };
        Hop { from, enters, to: (Hook::ToPod, Dev::Pod), leaves }
    }

    /// Address and port of the pod.
    pub(crate) fn pod(&self) -> (IpAddr, u16) {
        (self.address("10.244.1.2", "fd00:10:244:1::2"), 40000)
    }

    /// What the pod calls.
    pub(crate) fn called(&self) -> (IpAddr, u16) {
        match self.nat {
            Nat::None => self.peer(),
            Nat::Service | Nat::Masquerade => (self.address("10.96.0.10", "fd00:96::a"), 80),
        }
    }

    /// Who answers.
    pub(crate) fn peer(&self) -> (IpAddr, u16) {
        match self.road {
            Road::SameNode => (self.address("10.244.1.3", "fd00:10:244:1::3"), 8080),
            _ => (self.address("10.244.2.2", "fd00:10:244:2::2"), 8080),
        }
    }

    /// As whom the peer sees the pod.
    pub(crate) fn seen_as(&self) -> (IpAddr, u16) {
        match self.nat {
            Nat::Masquerade => (self.address("10.244.1.0", "fd00:10:244:1::"), 61234),
            Nat::None | Nat::Service => self.pod(),
        }
    }

    fn address(&self, v4: &str, v6: &str) -> IpAddr {
        if self.v6 { v6 } else { v4 }.parse().expect("it is an address")
    }

    fn l4(&self, sport: u16, dport: u16) -> L4 {
        if self.tcp {
            L4::Tcp { sport, dport, seq: 1_000_000, flags: ACK }
        } else {
            L4::Udp { sport, dport, summed: true }
        }
    }
}

impl Tunnel {
    fn inner_eth(&self) -> Eth {
        Eth { dst: PEER_VTEP_MAC, src: VTEP_MAC }
    }

    fn arriving_eth(&self) -> Eth {
        Eth { dst: VTEP_MAC, src: PEER_VTEP_MAC }
    }

    fn nodes(&self) -> (IpAddr, IpAddr) {
        let (here, there) = if self.v6 { ("fd01::1", "fd01::2") } else { ("192.168.0.1", "192.168.0.2") };
        (here.parse().expect("it is an address"), there.parse().expect("it is an address"))
    }

    fn outer(&self) -> Outer {
        let (here, there) = self.nodes();
        Outer {
            eth: Eth { dst: PEER_MAC, src: NODE_MAC },
            ip: Ip { src: here, dst: there, ttl: 64, tos: 0, id: 0, df: false },
            sport: 51234,
            dport: if self.geneve.is_some() { GENEVE_PORT } else { VXLAN_PORT },
            summed: self.summed,
            tunnel: self.geneve.as_ref().map_or_else(|| vxlan(self.vni), |o| geneve(self.vni, o)),
        }
    }

    fn arriving(&self) -> Outer {
        let mut outer = self.outer();
        (outer.eth.dst, outer.eth.src) = (outer.eth.src, outer.eth.dst);
        (outer.ip.dst, outer.ip.src) = (outer.ip.src, outer.ip.dst);
        outer
    }
}

impl Hop {
    /// What becomes of another packet of the same flow. The outer identification is the programs' own.
    pub(crate) fn after(&self, sent: &Packet, outer_id: u16) -> Packet {
        let ecn = if sent.ip.tos & 3 == 3 { 2 } else { sent.ip.tos & 3 };
        let spared = self.enters.ip.ttl - self.leaves.ip.ttl;
        self.leaves.with(|p| {
            p.payload.clone_from(&sent.payload);
            p.ip = Ip { src: p.ip.src, dst: p.ip.dst, ttl: sent.ip.ttl - spared, ..sent.ip };
            p.l4 = match (p.l4, sent.l4) {
                (L4::Tcp { sport, dport, .. }, L4::Tcp { seq, flags, .. }) => {
                    L4::Tcp { sport, dport, seq, flags }
                }
                (L4::Udp { sport, dport, .. }, L4::Udp { summed, .. }) => L4::Udp { sport, dport, summed },
                other => panic!("{other:?} are of two protocols"),
            };
            if let Some(outer) = &mut p.outer {
                outer.ip.tos |= ecn;
                outer.ip.id = if outer.ip.src.is_ipv4() { outer_id } else { outer.ip.id };
            }
        })
    }

    /// The network it comes from, if it comes by a tunnel.
    pub(crate) fn vni(&self) -> Option<u32> {
        let header = &self.enters.outer.as_ref()?.tunnel;
        Some(u32::from_be_bytes([0, header[4], header[5], header[6]]))
    }

    /// The flow it belongs to, as it enters.
    pub(crate) fn flow(&self) -> Flow {
        let (proto, sport, dport) = match self.enters.l4 {
            L4::Tcp { sport, dport, .. } => (Proto::Tcp, sport, dport),
            L4::Udp { sport, dport, .. } => (Proto::Udp, sport, dport),
        };
        let (src, dst) = (self.enters.ip.src, self.enters.ip.dst);
        Flow { proto, src: SocketAddr::new(src, sport), dst: SocketAddr::new(dst, dport) }
    }
}
