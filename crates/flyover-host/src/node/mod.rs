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
use flyover_core::{Action, Drift, Ledger, Plan, UnitName, Wish};
use flyover_plan::{Observations, Observed, plan, recall, settle, verify, wishes};

use crate::executor::prepares;
use crate::facts::{Inspection, inspect};
use crate::hands;
use crate::root::{HostError, HostRoot};
use crate::store::Store;

pub use apply::{Applied, How, Past};
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
        let observed = self.observe(&wishes(&settled, &facts), &ledger)?;
        let plan = plan(&settled, &facts, &observed, &ledger);
        let drift = verify(&settled, &facts, &observed);
        Ok(View { facts, plan, drift })
    }

    /// The profile that was applied last and stands.
    pub fn profile(&self) -> Result<Option<NodeProfileSpec>, NodeError> {
        let generations = self.store.generations()?;
        let last = generations.into_iter().rev().find(apply::stands);
        last.map(|generation| apply::profile_of(&generation)).transpose()
    }

    /// What the hands find of all that is wished, and of all that is ours. What another wish brings first, as a module
    /// does its sysctls, is not there to be looked at; what is ours and cannot be looked at any more is left alone.
    fn observe(&self, wishes: &[Wish], ledger: &Ledger) -> Result<Observations, NodeError> {
        let mut observed = Observations::new();
        for owned in ledger.values() {
            match hands::of(&owned.wished).observe(&self.host) {
                Ok(found) => {
                    observed.insert(owned.wished.subject(), Observed { found, holds: false });
                }
                Err(HostError::Unsupported(why)) => tracing::warn!(subject = %owned.wished.subject(), why),
                Err(other) => return Err(other.into()),
            }
        }
        for wish in wishes.iter().filter(|wish| !matches!(wish.action, Action::Reboot(_))) {
            let hand = hands::of(&wish.action);
            let seen = hand
                .observe(&self.host)
                .and_then(|found| Ok(Observed { found, holds: hand.holds(&self.host)? }));
            match seen {
                Ok(seen) => drop(observed.insert(wish.action.subject(), seen)),
                Err(HostError::Unsupported(_))
                    if wishes.iter().any(|other| prepares(&other.action, &wish.action)) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(observed)
    }
}
