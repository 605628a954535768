//! A flow between the two ends of a lab: its addresses at each hop.

use std::net::{IpAddr, SocketAddr};

use flyover_core::{Flow, Proto};
use flyover_lab::address::{bridge_mac, node, pod, pod_mac, uplink_mac};
use flyover_lab::{Family, Place};

use crate::frame::Line;
use crate::shot::Way;

/// From the first pod of the first node to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The first pod of the second node.
    Across,
    /// The second pod of the first node.
    SameNode,
    /// The service of the first pod of the second node.
    Service,
    /// The service of the second pod of the first node.
    SameNodeService,
    /// The second node itself, which sees the first node's address.
    Outside,
}

impl Path {
    /// Where the receiver is.
    pub(crate) fn receiver(self) -> Place {
        match self {
            Self::Across | Self::Service => Place::Pod(2, 1),
            Self::SameNode | Self::SameNodeService => Place::Pod(1, 2),
            Self::Outside => Place::Node(2),
        }
    }

    /// Whether addresses change on the way.
    pub(crate) fn is_translated(self) -> bool {
        !matches!(self, Self::Across | Self::SameNode)
    }

    /// How packets go from node to node, in a lab whose pods are joined so.
    pub(crate) fn way(self, tunnelled: bool) -> Way {
        match self {
            Self::Across | Self::Service if tunnelled => Way::Tunnel,
            Self::SameNode | Self::SameNodeService => Way::Bridge,
            _ => Way::Plain,
        }
    }

    fn target(self, family: Family) -> IpAddr {
        match self {
            Self::Across => pod(family, 2, 1),
            Self::SameNode => pod(family, 1, 2),
            // As the lab's `address::service` has it.
            Self::Service => service(family, 2, 11),
            Self::SameNodeService => service(family, 1, 12),
            Self::Outside => node(family, 2),
        }
    }

    fn receiver_ip(self, family: Family) -> IpAddr {
        match self.receiver() {
            Place::Pod(i, j) => pod(family, i, j),
            Place::Node(i) => node(family, i),
            Place::Wire => unreachable!("no flow ends on the wire"),
        }
    }
}

fn service(family: Family, i: u8, host: u8) -> IpAddr {
    let text = match family {
        Family::V4 => format!("10.96.{i}.{host}"),
        Family::V6 => format!("fd00:10:96::{i}:{host}"),
    };
    text.parse().expect("it is an address")
}

/// A flow, as its sender sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    pub(crate) path: Path,
    pub(crate) family: Family,
    pub(crate) proto: Proto,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
}

/// A place where packets enter a node, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    pub(crate) node: u8,
    pub(crate) back: bool,
    /// The first node on the way.
    pub(crate) first: bool,
    pub(crate) flow: Flow,
}

impl Talk {
    /// Both ends' own addresses.
    pub(crate) fn ends(&self) -> [SocketAddr; 2] {
        let a = pod(self.family, 1, 1);
        [SocketAddr::new(a, self.sport), SocketAddr::new(self.path.receiver_ip(self.family), self.dport)]
    }

    /// How packets leave each end; `chosen` is the sender's port as the receiver sees it.
    pub(crate) fn lines(&self, chosen: u16) -> [Line; 2] {
        let [a, b] = self.ends();
        let pod1 = pod_mac(1, 1).0;
        let (b_mac, next_a, next_b) = match self.path {
            Path::Across | Path::Service => (pod_mac(2, 1).0, bridge_mac(1).0, bridge_mac(2).0),
            Path::SameNode => (pod_mac(1, 2).0, pod_mac(1, 2).0, pod1),
            Path::SameNodeService => (pod_mac(1, 2).0, bridge_mac(1).0, pod1),
            Path::Outside => (uplink_mac(2).0, bridge_mac(1).0, uplink_mac(1).0),
        };
        let seen = if self.path == Path::Outside { node(self.family, 1) } else { a.ip() };
        let there = Line {
            src_mac: pod1,
            dst_mac: next_a,
            src: a.ip(),
            dst: self.path.target(self.family),
            sport: self.sport,
            dport: self.dport,
        };
        let back = Line {
            src_mac: b_mac,
            dst_mac: next_b,
            src: b.ip(),
            dst: seen,
            sport: self.dport,
            dport: chosen,
        };
        [there, back]
    }

    /// How packets reach the ends without a service's help.
    pub(crate) fn fences(&self) -> [Line; 2] {
        let path = match self.path {
            Path::Service => Path::Across,
            Path::SameNodeService => Path::SameNode,
            path => path,
        };
        let [there, back] = Self { path, ..*self }.lines(self.sport);
        // Who is outside can send to a pod too, if nobody forbids it.
        [there, Line { dst: there.src, ..back }]
    }

    /// Where its packets meet the bypass.
    pub(crate) fn hops(&self, chosen: u16) -> Vec<Hop> {
        let [there, back] = self.lines(chosen);
        let [a, b] = self.ends();
        let flow = |src: SocketAddr, dst: SocketAddr| Flow { proto: self.proto, src, dst };
        let sent =
            |line: &Line| flow(SocketAddr::new(line.src, line.sport), SocketAddr::new(line.dst, line.dport));
        let across = matches!(self.path, Path::Across | Path::Service);
        let hop = |node, back, flow| Hop { node, back, first: !across || back == (node == 2), flow };
        let mut hops = vec![hop(1, false, sent(&there)), hop(1, true, sent(&back))];
        if across {
            hops.push(hop(2, false, flow(a, b)));
            hops.push(hop(2, true, sent(&back)));
        }
        hops
    }
}
