//! The Switch lane: what `flyover switch apply` and `flyover switch run` do, and the CNI plugin by which pods attach.
//!
//! Invariants: the plugin stays as long as an attachment is left, for nobody else can take that away; pods are named that
//! hold the lane up. That the agent ends changes nothing: the daemons of the switch are not its children's children.

use std::time::Duration;

use flyover_api::SwitchSpec;
use flyover_api::resource::Wanted;
use flyover_cni_core::leave::leave;
use flyover_cni_core::node::Node;
use flyover_cni_core::state::{Found, Store};
use flyover_core::{Disturbance, HostPath, SwitchFacts};
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::journal::Cause;
use flyover_host::root::HostRoot;
use flyover_host::store::StoreError;
use flyover_kubelet::Resources;
use flyover_switch::run::{Settings, run};
use flyover_switch::truth::{evidence, judge};
use flyover_switch::{Switch, SwitchError, facts};

use super::process::Process;
use super::summary::{chain, drift, journal, refused, sight, went_back};
use super::{Done, Look, Removed, Runner};
use crate::cni::Plugin;
use crate::devices::{Offer, resources};
use crate::status::now;

/// Where journals are, one for each switch.
const JOURNALS: &str = "/var/lib/flyover";
/// The most that a change of a switch disturbs that nobody's packets could pass. After a reboot none runs: it is begun again
/// unasked.
const EMPTY: Disturbance = Disturbance::Service;
/// How often the loop looks at everything.
const EACH: Duration = Duration::from_secs(30);
/// How long an ADD may take before its attachment counts as left behind.
const GRACE: Duration = Duration::from_secs(60);

/// The switch in user space.
pub(crate) struct SwitchLane {
    host: HostRoot,
    plugin: Option<Plugin>,
    running: Option<Process>,
    offer: Offer,
}

impl SwitchLane {
    /// Of a host; `plugin` is what pods attach by, where it is to be installed. What pods can ask for goes to `offer`.
    pub(crate) fn new(host: HostRoot, plugin: Option<Plugin>, offer: Offer) -> Self {
        Self { host, plugin, running: None, offer }
    }

    /// Says what pods can ask for, of a switch that was applied.
    fn offer(&self, spec: &SwitchSpec) {
        let switch = Switch::for_spec(self.host.clone(), spec);
        let truth = switch.at().ok().and_then(|at| evidence(&self.host, &at).ok()).map(judge);
        self.offer.put(resources(spec, truth.as_ref()));
    }

    fn node(&self) -> Result<Node, String> {
        Node::load(self.host.root()).map_err(|error| chain(&error))
    }

    /// The switches that have a journal, by their run directories; none is the system's own.
    fn journals(&self) -> Vec<Option<HostPath>> {
        let names = self.host.names_like(&HostPath::fixed(JOURNALS), &|name| name.starts_with("switch"));
        let directory = |name: String| match name.strip_prefix("switch@") {
            None => (name == "switch").then_some(None),
            Some(path) => format!("/{}", path.replace('-', "/").replace("\\x2d", "-")).parse().ok().map(Some),
        };
        names.into_iter().filter_map(directory).collect()
    }

    fn made(&mut self, spec: &SwitchSpec, cause: Cause) -> Result<Vec<String>, Done> {
        let switch = Switch::for_spec(self.host.clone(), spec);
        let applied = match switch.apply(spec, cause, now()) {
            Ok(applied) => applied,
            Err(error @ (SwitchError::Refused(_) | SwitchError::Apply(ApplyError::Refused { .. }))) => {
                return Err(Done::Refused(chain(&error)));
            }
            Err(error @ SwitchError::Store(StoreError::Locked { .. })) => {
                return Err(Done::Busy(chain(&error)));
            }
            Err(error) => return Err(Done::Failed(chain(&error))),
        };
        if let Outcome::NeedsReboot { why, .. } | Outcome::Rebooting { why, .. } = applied.outcome {
            return Err(Done::Failed(format!("it needs a reboot: {why}")));
        }
        if let Some(plugin) = &self.plugin {
            let at = switch.meant(spec).map_err(|error| Done::Failed(chain(&error)))?;
            plugin.install(&self.host, &at).map_err(Done::Failed)?;
        }
        Ok(drift(&applied.drift))
    }

    /// Begins the loop that keeps the switch and its attachments.
    fn begin(&mut self, spec: &SwitchSpec) -> Result<(), String> {
        let node = self.node()?;
        let switch = Switch::for_spec(self.host.clone(), spec);
        let settings = Settings { node, switch, metrics: None, each: EACH, grace: GRACE, kubeconfig: None };
        self.running = Some(Process::start("switch", |stopped| run(settings, stopped))?);
        Ok(())
    }

    /// Attachments that are left, by the pods that have them.
    fn attached(&self) -> Result<Vec<String>, String> {
        let node = self.node()?;
        let all = Store::of(&node).all().map_err(|error| chain(&error))?;
        let pods = all.into_iter().map(|(id, found)| match found {
            Some(Found::State(state)) => state.attachment.to_string(),
            _ => id.to_string(),
        });
        Ok(pods.collect())
    }
}

fn spec(wanted: &Wanted) -> Result<SwitchSpec, String> {
    let spec = serde_json::from_value(wanted.spec.clone().into());
    spec.map_err(|error| format!("the spec of Switch {} cannot be read: {error}", wanted.from))
}

/// Whether no port is there that anybody's packets could pass: what would take ports away for a moment then finds none.
fn carries_nobody(switch: &SwitchFacts) -> bool {
    switch.daemon.is_none() || switch.bridges.values().all(|bridge| bridge.ports.is_empty())
}

impl Runner for SwitchLane {
    fn look(&mut self, wanted: &Wanted) -> Look {
        let spec = match spec(wanted) {
            Ok(spec) => spec,
            Err(why) => return Look::Refused { why, impossible: false },
        };
        let switch = Switch::for_spec(self.host.clone(), &spec);
        let mut seen = match switch.view(&spec) {
            Ok(view) => {
                let mut seen = sight(&view.plan, &view.drift);
                if carries_nobody(&view.switch) {
                    seen.needs = seen.needs.min(EMPTY);
                }
                seen
            }
            Err(SwitchError::Refused(why)) => return refused(&why),
            Err(error) => return Look::Blind(chain(&error)),
        };
        if let Some(plugin) = &self.plugin {
            let looked = switch.meant(&spec).map_err(|error| chain(&error));
            match looked.and_then(|at| plugin.look(&self.host, &at)) {
                Ok(missing) => seen.add(missing),
                Err(why) => return Look::Refused { why, impossible: true },
            }
        }
        if let Some(why) = Process::why_it_ended(&mut self.running) {
            tracing::warn!(why, "the loop of the switch ended; it is begun again");
            if let Err(why) = self.begin(&spec) {
                return Look::Blind(why);
            }
        }
        if self.running.is_some() {
            self.offer(&spec);
            seen.notes.extend(self.offer.refusals());
        }
        Look::Seen(seen)
    }

    fn resume(&mut self, wanted: &Wanted) {
        let begun = spec(wanted).and_then(|spec| self.begin(&spec));
        if let Err(error) = begun {
            tracing::warn!(error, "the loop of the switch did not start again");
        }
    }

    fn apply(&mut self, wanted: &Wanted, _allow: Disturbance, cause: Cause) -> Done {
        let spec = match spec(wanted) {
            Ok(spec) => spec,
            Err(why) => return Done::Refused(why),
        };
        if let Err(why) = Process::end(&mut self.running) {
            return Done::Failed(why);
        }
        let made = self.made(&spec, cause);
        // Also what failed left a switch that is to be kept as it was.
        let begun = self.begin(&spec);
        match (made, begun) {
            (Err(done), _) => done,
            (Ok(_), Err(why)) => Done::Failed(why),
            (Ok(drift), Ok(())) => {
                self.offer(&spec);
                Done::Made { drift, notes: Vec::new() }
            }
        }
    }

    fn look_back(&mut self) -> Look {
        let mut seen = super::Sight::default();
        for rundir in self.journals() {
            let switch = Switch::of(self.host.clone(), rundir);
            match switch.rollback_plan(Some(0)) {
                Ok(plan) => {
                    let mut one = sight(&plan, &[]);
                    let facts = switch.at().ok().and_then(|at| facts(&self.host, &at).ok());
                    if facts.is_some_and(|facts| carries_nobody(&facts)) {
                        one.needs = one.needs.min(EMPTY);
                    }
                    seen.needs = seen.needs.max(one.needs);
                    seen.plan = seen.plan.or(one.plan);
                }
                Err(error) => return Look::Blind(chain(&error)),
            }
        }
        Look::Seen(seen)
    }

    fn remove(&mut self) -> Removed {
        let left = |reason, message| Removed::Left { reason, message };
        // No further pod is to come.
        self.offer.put(Resources::new());
        match self.attached() {
            Ok(pods) if pods.is_empty() => {}
            Ok(pods) => {
                let message = format!("pods are attached still, and have to go first: {}", pods.join(", "));
                return left("AttachmentsLeft", message);
            }
            Err(why) => return left("CannotLook", why),
        }
        if let Err(why) = Process::end(&mut self.running) {
            return left("NotPutBack", why);
        }
        let node = match self.node() {
            Ok(node) => node,
            Err(why) => return left("CannotLook", why),
        };
        // Before the switch's own directory goes, in which the sockets' may lie.
        leave(&node);
        let mut receipt = Vec::new();
        for rundir in self.journals() {
            let switch = Switch::of(self.host.clone(), rundir);
            match switch.roll_back(Some(0)).map(|report| went_back(&report)) {
                Ok(Removed::Clean(lines)) => {
                    receipt.extend(lines);
                    if let Err(error) = switch.forget() {
                        return left("NotPutBack", chain(&error));
                    }
                }
                Ok(left) => return left,
                Err(error) => return left("NotPutBack", chain(&error)),
            }
        }
        match self.plugin.as_ref().map(|plugin| plugin.remove(&self.host)).transpose() {
            Ok(lines) => receipt.extend(lines.into_iter().flatten()),
            Err(why) => return left("NotPutBack", why),
        }
        leave(&node);
        Removed::Clean(receipt)
    }

    fn journal(&self) -> Vec<String> {
        let journals = self.journals().into_iter();
        let lines = journals.map(|rundir| {
            let history = Switch::of(self.host.clone(), rundir).history();
            history.map_or_else(|error| vec![chain(&error)], |past| journal(&past))
        });
        lines.flatten().collect()
    }
}
