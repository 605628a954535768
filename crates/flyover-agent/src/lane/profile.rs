//! The Profile lane: what `flyover node apply` does, asked for by the cluster.

use flyover_api::NodeProfileSpec;
use flyover_api::resource::Wanted;
use flyover_core::Disturbance;
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::journal::Cause;
use flyover_host::node::{How, Node, NodeError};
use flyover_host::store::StoreError;

use super::summary::{chain, drift, journal, refused, sight, went_back};
use super::{Done, Look, Removed, Runner};
use crate::status::now;

/// The node itself.
pub(crate) struct ProfileLane {
    node: Node,
}

impl ProfileLane {
    pub(crate) fn of(node: Node) -> Self {
        Self { node }
    }
}

impl ProfileLane {
    /// The journal goes with what it was of: the receipt tells what it held.
    fn forget(&self, removed: Removed) -> Removed {
        let clean = matches!(removed, Removed::Clean(_));
        match clean.then(|| self.node.forget()) {
            Some(Err(error)) => Removed::Left { reason: "NotPutBack", message: chain(&error) },
            _ => removed,
        }
    }
}

fn spec(wanted: &Wanted) -> Result<NodeProfileSpec, String> {
    let spec = serde_json::from_value(wanted.spec.clone().into());
    spec.map_err(|error| format!("the spec of NodeProfile {} cannot be read: {error}", wanted.from))
}

impl Runner for ProfileLane {
    fn look(&mut self, wanted: &Wanted) -> Look {
        let spec = match spec(wanted) {
            Ok(spec) => spec,
            Err(why) => return Look::Refused { why, impossible: false },
        };
        match self.node.view(&spec) {
            Ok(view) => Look::Seen(sight(&view.plan, &view.drift)),
            Err(NodeError::Refused(why)) => refused(&why),
            Err(error) => Look::Blind(chain(&error)),
        }
    }

    fn apply(&mut self, wanted: &Wanted, allow: Disturbance, cause: Cause) -> Done {
        let spec = match spec(wanted) {
            Ok(spec) => spec,
            Err(why) => return Done::Refused(why),
        };
        let allow_reboot = allow == Disturbance::Reboot;
        // The next agent goes on after a reboot: its program is not on the host.
        let how = How { allow_reboot, cause, now: now(), program: None, resumes: false };
        match self.node.apply(&spec, &how) {
            Ok(applied) => match applied.outcome {
                Outcome::Rebooting { why, .. } => Done::Rebooting(why),
                Outcome::NeedsReboot { why, .. } => Done::Failed(format!("it needs a reboot: {why}")),
                Outcome::AlreadySo | Outcome::Done { .. } => {
                    Done::Made { drift: drift(&applied.drift), notes: Vec::new() }
                }
            },
            Err(error @ (NodeError::Refused(_) | NodeError::Apply(ApplyError::Refused { .. }))) => {
                Done::Refused(chain(&error))
            }
            Err(error @ NodeError::Store(StoreError::Locked { .. })) => Done::Busy(chain(&error)),
            Err(error) => Done::Failed(chain(&error)),
        }
    }

    fn look_back(&mut self) -> Look {
        match self.node.rollback_plan(Some(0)) {
            Ok(plan) => Look::Seen(sight(&plan, &[])),
            Err(error) => Look::Blind(chain(&error)),
        }
    }

    fn remove(&mut self) -> Removed {
        match self.node.roll_back(Some(0)) {
            Ok(report) => self.forget(went_back(&report)),
            Err(error) => Removed::Left { reason: "NotPutBack", message: chain(&error) },
        }
    }

    fn journal(&self) -> Vec<String> {
        self.node.history().map_or_else(|error| vec![chain(&error)], |past| journal(&past))
    }
}
