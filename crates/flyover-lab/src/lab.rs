//! A lab that is up, and handles on its nodes and pods.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::process::ExitStatus;

use flyover_core::IfName;
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

use crate::address::{self, Family};
use crate::error::LabError;
use crate::labs::{Labs, Removed};
use crate::name::{LabName, Place};
use crate::plan;
use crate::rules::{self, RuleText};
use crate::service::{self, Service};
use crate::spec::LabSpec;

/// A lab. Dropping it changes nothing: labs outlive the process that built them.
#[derive(Clone, Debug)]
pub struct Lab {
    labs: Labs,
    spec: LabSpec,
}

impl Lab {
    /// Builds a lab; [`Labs::from_env`] keeps the record.
    pub fn up(spec: &LabSpec) -> Result<Self, LabError> {
        Labs::from_env().up(spec)
    }

    /// The lab of that name that is up.
    pub fn open(name: &LabName) -> Result<Self, LabError> {
        Labs::from_env().open(name)
    }

    pub(crate) fn new(labs: Labs, spec: LabSpec) -> Self {
        Self { labs, spec }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &LabName {
        &self.spec.name
    }

    /// What was asked for.
    #[must_use]
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// A node, counted from 1.
    pub fn node(&self, i: u8) -> Result<Node<'_>, LabError> {
        self.has(Place::Node(i)).map(|()| Node { lab: self, i })
    }

    /// A node's pod, both counted from 1.
    pub fn pod(&self, i: u8, j: u8) -> Result<Pod<'_>, LabError> {
        self.has(Place::Pod(i, j)).map(|()| Pod { lab: self, i, j })
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (1..=self.spec.nodes).map(|i| Node { lab: self, i })
    }

    /// All pods of all nodes.
    pub fn pods(&self) -> impl Iterator<Item = Pod<'_>> {
        self.nodes().flat_map(|node| node.pods())
    }

    /// The service that has that pod as its only back end; there are no services without rules.
    #[must_use]
    pub fn service_for(&self, i: u8, j: u8) -> Option<Service> {
        let wanted = service::of_pod(i, j);
        service::all(&self.spec).into_iter().find(|service| *service == wanted)
    }

    /// The service of two pods on two nodes.
    #[must_use]
    pub fn pair_service(&self) -> Option<Service> {
        let wanted = service::pair(&self.spec);
        service::all(&self.spec).into_iter().find(|service| *service == wanted)
    }

    /// The namespace at a place.
    pub fn netns(&self, place: Place) -> Result<Netns, LabError> {
        self.has(place)?;
        Ok(Netns::named(&self.spec.name.netns(place))?)
    }

    /// Runs a tool at a place in the foreground, on our own standard streams; tells how it ended.
    pub fn exec(&self, place: Place, command: Cmd) -> Result<ExitStatus, LabError> {
        Ok(self.netns(place)?.run(|| command.foreground())??)
    }

    /// Applies the rules of all nodes again, whatever became of them.
    pub fn apply_rules(&self) -> Result<(), LabError> {
        self.nodes().try_for_each(|node| self.on(node, rules::of_node(&self.spec, node.i)))
    }

    /// Leaves all nodes without rules.
    pub fn clear_rules(&self) -> Result<(), LabError> {
        self.nodes().try_for_each(|node| self.on(node, rules::none_of_node(&self.spec)))
    }

    /// Removes the lab.
    pub fn down(self) -> Result<Removed, LabError> {
        self.labs.down(&self.spec.name)
    }

    /// A guard that removes the lab when it is dropped.
    #[must_use]
    pub fn guarded(self) -> LabGuard {
        LabGuard(Some(self))
    }

    fn on(&self, node: Node<'_>, texts: Vec<RuleText>) -> Result<(), LabError> {
        let netns = node.netns()?;
        for text in texts {
            netns.run(|| text.command().run())??;
        }
        Ok(())
    }

    fn has(&self, place: Place) -> Result<(), LabError> {
        if plan::places(&self.spec).contains(&place) {
            Ok(())
        } else {
            Err(LabError::NoPlace { lab: self.spec.name.clone(), place })
        }
    }

    fn address(&self, family: Family, of: impl FnOnce(Family) -> IpAddr) -> Option<IpAddr> {
        self.spec.ip.families().contains(&family).then(|| of(family))
    }
}

/// A node of a lab.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    lab: &'a Lab,
    i: u8,
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
    lab: &'a Lab,
    i: u8,
    j: u8,
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

/// A lab that is removed when this is dropped, unless it was [committed](LabGuard::commit).
#[derive(Debug)]
pub struct LabGuard(Option<Lab>);

impl LabGuard {
    /// Lets the lab live on.
    #[must_use]
    pub fn commit(mut self) -> Lab {
        self.0.take().expect("only committing and dropping take the lab, and both end the guard")
    }
}

impl Deref for LabGuard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("only committing and dropping take the lab, and both end the guard")
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(Lab::down) {
            tracing::warn!(%error, "failed to remove a lab");
        }
    }
}
