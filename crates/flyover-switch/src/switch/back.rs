//! Going back: what it would do, and what stands in its way.
//!
//! Invariant: a rollback that would end half done is refused before its first step. A bridge goes only with nothing in it
//! but what is ours, and what pods are attached by needs DPDK.

use std::collections::BTreeSet;

use flyover_core::facts::HostFacts;
use flyover_core::{Action, Ledger, OvsDaemons, Plan};
use flyover_host::executor;
use flyover_host::journal::{Item, ItemState};
use flyover_host::ovs::{self, Snapshot};
use flyover_host::past::last_to_stand;
use flyover_host::root::HostError;
use flyover_plan::{Observations, Observed, plan_wishes};

use super::{Switch, SwitchError};

/// What is said of a plan that was made without the database.
const UNSEEN: &str = "the switch does not run, so this is what is recorded; a daemon that Flyover keeps is started to put \
                      it back, and what others changed meanwhile is seen then";

impl Switch {
    /// What going back to after generation `to` would do; before the newest that stands unless given.
    pub fn rollback_plan(&self, to: Option<u64>) -> Result<Plan, SwitchError> {
        let ledger = self.store.ledger_after(self.before(to)?)?;
        let facts: HostFacts = self.host_facts()?;
        let mut observed = executor::observe(&self.host, &[], &ledger)?;
        let unseen = !self.puts_back_daemons()? && recall(&ledger, &mut observed);
        let mut plan = plan_wishes(&[], &facts, &observed, &ledger);
        if unseen {
            plan.notes.push(UNSEEN.to_owned());
        }
        Ok(plan)
    }

    /// Refuses a plan to go back that ports of others stand in the way of, pods' most likely.
    pub fn refuse_occupied(&self, plan: &Plan) -> Result<(), SwitchError> {
        let found = match ovs::connect(&self.host, &self.at()?, crate::facts::ANSWER) {
            Ok(mut client) => ovs::snapshot(&mut client)?,
            Err(HostError::Unsupported(_)) => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        let ports = in_the_way(plan, &self.store.ledger()?, &found);
        if ports.is_empty() { Ok(()) } else { Err(SwitchError::Occupied(ports.into_iter().collect())) }
    }

    /// Whether a rollback that is under way has stopped the daemons already.
    pub(super) fn puts_back_daemons(&self) -> Result<bool, SwitchError> {
        let is_put_back = |item: &Item| {
            matches!(item.found, Action::OvsDaemons(_)) && matches!(item.state, ItemState::Undone { .. })
        };
        Ok(self.store.rollback()?.is_some_and(|rollback| rollback.items.iter().any(is_put_back)))
    }

    pub(super) fn before(&self, to: Option<u64>) -> Result<u64, SwitchError> {
        last_to_stand(&self.store, to)?.map_err(SwitchError::NoGeneration)
    }
}

/// Takes what could not be looked at for what it was left as, and whether anything was.
fn recall(ledger: &Ledger, observed: &mut Observations) -> bool {
    let mut any = false;
    for (subject, owned) in ledger {
        let ended = |seen: &Observed| matches!(&seen.found, Action::OvsDaemons(daemons) if !daemons.running);
        let ran = matches!(&owned.left, Action::OvsDaemons(OvsDaemons { running: true, .. }));
        if observed.get(subject).is_none_or(|seen| ran && ended(seen)) {
            observed.insert(subject.clone(), Observed { found: owned.left.clone(), holds: false });
            any = true;
        }
    }
    any
}

/// Ports of others in bridges that go, and of pods where DPDK goes: `vhu0 of br0`.
fn in_the_way(plan: &Plan, ledger: &Ledger, found: &Snapshot) -> BTreeSet<String> {
    let steps = || plan.steps.iter().map(|step| &step.action);
    let goes = |name: &str| {
        steps().any(|action| {
            matches!(action, Action::OvsBridge(bridge) if bridge.bridge.is_none() && bridge.name.as_str() == name)
        })
    };
    let without_dpdk = steps().any(|action| match action {
        Action::OvsDaemons(daemons) => !daemons.running,
        Action::OvsOption(option) => {
            option.key == "dpdk-init" && option.value.as_deref().is_none_or(|v| v == "false")
        }
        _ => false,
    });
    let ours = |name: &str| {
        ledger.values().any(|owned| {
            matches!(&owned.found, Action::OvsPort(port) if port.port.is_none() && port.name.as_str() == name)
        })
    };
    let mut ports = BTreeSet::new();
    for bridge in &found.bridges {
        for port in found.ports_of(bridge).filter(|port| !ours(&port.name)) {
            let of_pod =
                || found.interfaces_of(port).any(|interface| interface.kind.starts_with("dpdkvhostuser"));
            if goes(&bridge.name) || (without_dpdk && of_pod()) {
                ports.insert(format!("{} of {}", port.name, bridge.name));
            }
        }
    }
    ports
}
