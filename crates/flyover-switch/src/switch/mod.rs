//! A switch and a spec: looks, plans, applies, verifies, goes back.
//!
//! Invariants: as the node's. A private switch whose daemons ended by themselves is started again before anything of it is
//! put back: what is in its database cannot be reached else.

mod apply;
mod back;
mod error;

use flyover_api::{RuntimeSpec, SwitchSpec};
use flyover_core::facts::HostFacts;
use flyover_core::{Drift, HostPath, Keeper, Plan, SwitchAt, SwitchFacts, UnitName, Wish};
use flyover_host::executor;
use flyover_host::facts::{Inspection, inspect};
use flyover_host::past::stands;
use flyover_host::root::HostRoot;
use flyover_host::store::{Lane, Store};
use flyover_ovs::appctl::Version;
use flyover_plan::{plan_wishes, switch as think, unfulfilled};

pub use apply::Applied;
pub use error::SwitchError;

use crate::facts::facts;

/// Where a switch is unless somebody says otherwise.
const USUAL: &str = "/run/openvswitch";

/// What is said of a restart that others owe.
const OWED: &str = "options are set that ovs-vswitchd reads at its start only: they are in force once whoever keeps it restarts it";

/// A switch on a host.
pub struct Switch {
    host: HostRoot,
    rundir: HostPath,
    store: Store,
}

/// A spec, seen on a switch.
pub struct View {
    /// What the host is.
    pub host: HostFacts,
    /// What the switch is.
    pub switch: SwitchFacts,
    /// What the spec means here.
    pub settled: think::SettledSwitch,
    /// The way there.
    pub plan: Plan,
    /// What is not so.
    pub drift: Vec<Drift>,
    /// What is so, and will be in force only once others have done their part.
    pub owed: Option<String>,
}

impl Switch {
    /// The switch with that run directory; none is the system's own.
    #[must_use]
    pub fn of(host: HostRoot, rundir: Option<HostPath>) -> Self {
        let rundir = rundir.unwrap_or_else(|| HostPath::fixed(USUAL));
        Self { store: Store::of(&host, Lane::switch(&rundir)), host, rundir }
    }

    /// The switch that a spec is about.
    #[must_use]
    pub fn for_spec(host: HostRoot, spec: &SwitchSpec) -> Self {
        Self::of(host, spec.runtime.directory.clone())
    }

    /// The host it is on.
    #[must_use]
    pub fn host(&self) -> &HostRoot {
        &self.host
    }

    /// What the host is.
    pub fn host_facts(&self) -> Result<HostFacts, SwitchError> {
        let units = think::UNITS.iter().filter_map(|unit| unit.parse::<UnitName>().ok()).collect();
        Ok(inspect(&self.host, &Inspection { ssh_peers: Vec::new(), units })?)
    }

    /// Where it is and who keeps it: as the spec says that was applied last, or as it is found.
    pub fn at(&self) -> Result<SwitchAt, SwitchError> {
        let runtime = self.spec()?.map_or_else(
            || RuntimeSpec { directory: Some(self.rundir.clone()), ..RuntimeSpec::default() },
            |spec| spec.runtime,
        );
        Ok(think::at(&runtime, &self.host_facts()?))
    }

    /// Where the switch is that a spec means here.
    pub fn meant(&self, spec: &SwitchSpec) -> Result<SwitchAt, SwitchError> {
        Ok(think::at(&spec.runtime, &self.host_facts()?))
    }

    /// What a spec means here, what is to be done for it, and what is not so.
    pub fn view(&self, spec: &SwitchSpec) -> Result<View, SwitchError> {
        let ledger = self.store.ledger()?;
        let host = self.host_facts()?;
        let switch = facts(&self.host, &think::at(&spec.runtime, &host))?;
        let release = self.release(&switch)?;
        let settled = think::settle_for(spec, &host, &switch, &release).map_err(SwitchError::Refused)?;
        let wishes = think::wishes(&settled);
        let observed = executor::observe(&self.host, &wishes, &ledger)?;
        let mut plan = plan_wishes(&wishes, &host, &observed, &ledger);
        plan.notes.splice(0..0, settled.notes.iter().cloned());
        let mut drift = unfulfilled(&wishes, &observed);
        drift.extend(silent(&wishes, &switch));
        let owed = self.owed(&switch)?;
        Ok(View { host, switch, settled, plan, drift, owed })
    }

    /// Which Open vSwitch it is, or will be once it runs: what an option is called depends on it.
    fn release(&self, switch: &SwitchFacts) -> Result<think::Release, SwitchError> {
        let said = match (&switch.daemon, &switch.at.keeper) {
            (Some(daemon), _) if !daemon.version.is_empty() => Some(daemon.version.clone()),
            (_, Keeper::Flyover(processes)) if self.host.exists(&processes.vswitchd) => {
                let program = self.host.path(&processes.vswitchd).display().to_string();
                let said = self.host.ask(&program, &["--version"], crate::facts::ANSWER)?;
                Version::of(&said).map(|version| version.ovs)
            }
            _ => None,
        };
        Ok(think::Release::of(said.as_deref()))
    }

    /// A restart of a daemon that we do not keep. That is no drift: nobody undid anything, and we can do no more.
    fn owed(&self, switch: &SwitchFacts) -> Result<Option<String>, SwitchError> {
        let waits =
            switch.daemon.is_some() && switch.at.keeper == Keeper::Others && self.is_pending(&switch.at)?;
        Ok(waits.then(|| OWED.to_owned()))
    }

    fn is_pending(&self, at: &SwitchAt) -> Result<bool, SwitchError> {
        use flyover_host::ovs;
        let found = ovs::snapshot(&mut ovs::connect(&self.host, at, crate::facts::ANSWER)?)?;
        let daemon = ovs::vswitchd(&self.host, at);
        let row = found.switch.as_ref().zip(daemon);
        Ok(row.is_some_and(|(row, daemon)| ovs::is_pending(&self.host, &row.external_ids, &daemon)))
    }

    /// The spec that was applied last and stands.
    pub fn spec(&self) -> Result<Option<SwitchSpec>, SwitchError> {
        let generations = self.store.generations()?;
        let last = generations.into_iter().rev().find(stands);
        last.map(|generation| {
            let number = generation.number;
            serde_json::from_value(generation.profile).map_err(|source| SwitchError::Spec { number, source })
        })
        .transpose()
    }
}

/// What no wish says and is not so all the same.
fn silent(wishes: &[Wish], switch: &SwitchFacts) -> Option<Drift> {
    let daemon = switch.daemon.as_ref()?;
    let try_only = wishes.iter().any(|wish| match &wish.action {
        flyover_core::Action::OvsOption(option) => {
            option.key == "dpdk-init" && option.value.as_deref() == Some("try")
        }
        _ => false,
    });
    (try_only && !daemon.dpdk_initialized).then(|| Drift {
        subject: format!("start options of {}", switch.at.rundir),
        wanted: "DPDK runs".to_owned(),
        found: "DPDK was tried and does not run".to_owned(),
    })
}
