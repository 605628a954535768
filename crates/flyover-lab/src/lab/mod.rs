//! A lab that is up, and handles on its nodes and pods.

mod guard;
mod place;

use std::net::IpAddr;
use std::process::ExitStatus;

use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

pub use self::guard::LabGuard;
pub use self::place::{Node, Pod};
use crate::address::Family;
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
