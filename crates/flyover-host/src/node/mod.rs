//! A node and a profile: looks, plans, applies, verifies, goes back. What the command line and the agent call.
//!
//! Invariants: looking changes nothing. Whatever was begun is brought to an end, forwards or backwards, before
//! anything new is begun. After a reboot the rest is planned anew from what the new kernel shows, and a plan that
//! was rebooted for once is never rebooted for again.

mod apply;
mod error;
mod resume_unit;

use std::net::IpAddr;

use flyover_api::NodeProfileSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{Drift, Plan, UnitName};
use flyover_plan::{plan, recall, settle, verify, wishes};

use crate::executor;
use crate::facts::{Inspection, inspect};
use crate::past::stands;
use crate::root::HostRoot;
use crate::store::Store;

pub use apply::{Applied, How};
pub use error::NodeError;

/// A host, seen as a node to be prepared.
pub struct Node {
    host: HostRoot,
    store: Store,
    ssh_peers: Vec<IpAddr>,
}

/// A profile, seen on a node.
pub struct View {
    /// What the node is.
    pub facts: HostFacts,
    /// The way there.
    pub plan: Plan,
    /// What is not so.
    pub drift: Vec<Drift>,
}

impl Node {
    /// The node of a host. Whoever sits at `ssh_peers` must not lose it.
    #[must_use]
    pub fn of(host: HostRoot, ssh_peers: Vec<IpAddr>) -> Self {
        Self { store: Store::at(&host), host, ssh_peers }
    }

    /// What the node is; with what the profile asks for besides.
    pub fn facts(&self, spec: Option<&NodeProfileSpec>) -> Result<HostFacts, NodeError> {
        let units: Vec<UnitName> = spec
            .map(|spec| spec.services.iter().map(|service| service.name.clone()).collect())
            .unwrap_or_default();
        Ok(inspect(&self.host, &Inspection { ssh_peers: self.ssh_peers.clone(), units })?)
    }

    /// What a profile means here, what is to be done for it, and what is not so.
    pub fn view(&self, spec: &NodeProfileSpec) -> Result<View, NodeError> {
        let ledger = self.store.ledger()?;
        let facts = recall(self.facts(Some(spec))?, &ledger);
        let settled = settle(spec, &facts).map_err(NodeError::Refused)?;
        let observed = executor::observe(&self.host, &wishes(&settled, &facts), &ledger)?;
        let plan = plan(&settled, &facts, &observed, &ledger);
        let drift = verify(&settled, &facts, &observed);
        Ok(View { facts, plan, drift })
    }

    /// The profile that was applied last and stands.
    pub fn profile(&self) -> Result<Option<NodeProfileSpec>, NodeError> {
        let generations = self.store.generations()?;
        let last = generations.into_iter().rev().find(stands);
        last.map(|generation| apply::profile_of(&generation)).transpose()
    }
}
