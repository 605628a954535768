//! What the node is to have, as it was heard last, and what was said of it: on the disk, for an agent that starts while
//! nobody can be asked.
//!
//! Invariants: the file is replaced whole. It is gone when nothing of it is left on the node. What another version found to
//! fail is tried again, for that is what versions are for.

use std::collections::BTreeMap;

use flyover_api::resource::{Lane, LanePhase, LaneStatus, NodeStateSpec};
use flyover_core::{Bytes, FileMode, FileState, HostPath};
use flyover_host::root::{HostError, HostRoot};
use serde::{Deserialize, Serialize};

use crate::DIRECTORY;

const FILE: &str = "/var/lib/flyover/agent/known.json";

/// What was heard last, and what was said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Known {
    /// Of the agent that wrote it.
    pub(crate) version: String,
    /// What the node is to have.
    pub(crate) spec: NodeStateSpec,
    /// Of which generation of the `NodeState`.
    pub(crate) generation: Option<i64>,
    /// What was said of it.
    pub(crate) lanes: BTreeMap<Lane, LaneStatus>,
}

impl Known {
    /// Reads it; what cannot be read was never written by us, and the cluster tells it again.
    pub(crate) fn read(host: &HostRoot) -> Option<Self> {
        let text = host.text(&HostPath::fixed(FILE))?;
        match serde_json::from_str::<Self>(&text) {
            Ok(mut known) => {
                let other = known.version != env!("CARGO_PKG_VERSION");
                known.lanes.retain(|_, status| !(other && status.phase.is_bad()));
                Some(known)
            }
            Err(error) => {
                tracing::warn!(%error, path = FILE, "what is known of the node's wishes cannot be read");
                None
            }
        }
    }

    /// Writes it, or takes it away where nothing is left on the node.
    pub(crate) fn write(&self, host: &HostRoot) -> Result<(), HostError> {
        let path = HostPath::fixed(FILE);
        if self.is_over() {
            host.remove_file(&path)?;
            return [DIRECTORY, "/var/lib/flyover"]
                .iter()
                .map(|directory| HostPath::fixed(directory))
                .filter(|directory| host.exists(directory))
                .try_for_each(|directory| host.remove_empty_directory(&directory));
        }
        let content = Bytes(serde_json::to_vec(self).expect("what was heard is JSON"));
        host.make_directory(&HostPath::fixed(DIRECTORY))?;
        let mode = FileMode::new(0o600).expect("these are permissions");
        host.replace_file(&path, &FileState { content, mode, uid: 0, gid: 0 })
    }

    /// Whether nothing is wished, and nothing is left.
    fn is_over(&self) -> bool {
        let wished = self.spec.lanes.values().any(|assignment| assignment.wanted.is_some());
        let left = |lane: &Lane| self.lanes.get(lane).is_none_or(|status| status.phase != LanePhase::Clean);
        !wished
            && !self.spec.lanes.keys().any(left)
            && self.lanes.values().all(|s| s.phase == LanePhase::Clean)
    }
}
