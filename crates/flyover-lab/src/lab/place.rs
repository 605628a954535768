//! Handles on the nodes and pods of a lab.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flyover_core::IfName;
use flyover_net::netns::Netns;

use super::Lab;
use crate::address::{self, Family};
use crate::error::LabError;
use crate::name::Place;
use crate::plan;
use crate::service::Service;

/// A node of a lab.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) lab: &'a Lab,
    pub(super) i: u8,
}

impl<'a> Node<'a> {
    /// Its number, from 1.
    #[must_use]
    pub fn index(self) -> u8 {
        self.i
    }

    /// The name of its namespace.
    #[must_use]
    pub fn netns_name(self) -> String {
        self.lab.spec.name.netns(Place::Node(self.i))
    }

    /// Its namespace.
    pub fn netns(self) -> Result<Netns, LabError> {
        self.lab.netns(Place::Node(self.i))
    }

    /// Its device on the wire.
    #[must_use]
    pub fn uplink(self) -> IfName {
        plan::uplink()
    }

    /// Its bridge.
    #[must_use]
    pub fn bridge(self) -> IfName {
        plan::bridge()
    }

    /// Its tunnel device of that outer family, if the overlay has one for all peers.
    #[must_use]
    pub fn tunnel(self, family: Family) -> Option<IfName> {
        let peer = if self.i == 1 { 2 } else { 1 };
        plan::tunnel(&self.lab.spec, family, peer)
    }

    /// Its address of a family.
    #[must_use]
    pub fn ip(self, family: Family) -> Option<IpAddr> {
        self.lab.address(family, |family| address::node(family, self.i))
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn v4(self) -> Option<Ipv4Addr> {
        four(self.ip(Family::V4))
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn v6(self) -> Option<Ipv6Addr> {
        six(self.ip(Family::V6))
    }

    /// Its pods.
    pub fn pods(self) -> impl Iterator<Item = Pod<'a>> {
        (1..=self.lab.spec.pods).map(move |j| Pod { lab: self.lab, i: self.i, j })
    }
}

/// A pod of a lab.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    pub(super) lab: &'a Lab,
    pub(super) i: u8,
    pub(super) j: u8,
}

impl<'a> Pod<'a> {
    /// Its number on its node, from 1.
    #[must_use]
    pub fn index(self) -> u8 {
        self.j
    }

    /// Its node.
    #[must_use]
    pub fn node(self) -> Node<'a> {
        Node { lab: self.lab, i: self.i }
    }

    /// The name of its namespace.
    #[must_use]
    pub fn netns_name(self) -> String {
        self.lab.spec.name.netns(Place::Pod(self.i, self.j))
    }

    /// Its namespace.
    pub fn netns(self) -> Result<Netns, LabError> {
        self.lab.netns(Place::Pod(self.i, self.j))
    }

    /// Its device.
    #[must_use]
    pub fn device(self) -> IfName {
        plan::uplink()
    }

    /// The other end of its device, on the node.
    #[must_use]
    pub fn host_veth(self) -> IfName {
        plan::host_veth(self.j)
    }

    /// Its address of a family.
    #[must_use]
    pub fn ip(self, family: Family) -> Option<IpAddr> {
        self.lab.address(family, |family| address::pod(family, self.i, self.j))
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn v4(self) -> Option<Ipv4Addr> {
        four(self.ip(Family::V4))
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn v6(self) -> Option<Ipv6Addr> {
        six(self.ip(Family::V6))
    }

    /// The service that has it as its only back end.
    #[must_use]
    pub fn service(self) -> Option<Service> {
        self.lab.service_for(self.i, self.j)
    }
}

fn four(ip: Option<IpAddr>) -> Option<Ipv4Addr> {
    match ip {
        Some(IpAddr::V4(ip)) => Some(ip),
        _ => None,
    }
}

fn six(ip: Option<IpAddr>) -> Option<Ipv6Addr> {
    match ip {
        Some(IpAddr::V6(ip)) => Some(ip),
        _ => None,
    }
}
