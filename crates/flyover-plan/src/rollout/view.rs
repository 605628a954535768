//! What the roll-out of one resource looks at, and what it can do.
//!
//! Invariant: a view is all that is known. What must survive the operator stands in it because it was read from the API server.

use std::collections::BTreeSet;

use flyover_api::resource::{Assignment, Lane, LaneStatus, RolloutSpec, RolloutStatus, Wanted};

use super::Agent;

/// One resource, and every node that has to do with it: those that it selects, those that have something of it, and those that
/// its status names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Seconds since the epoch.
    pub now: i64,
    /// The resource.
    pub resource: ResourceView,
    /// Nodes, each once.
    pub nodes: Vec<NodeView>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceView {
    /// Its name.
    pub name: String,
    /// The lane that it decides.
    pub lane: Lane,
    /// How a change comes to the nodes.
    pub rollout: RolloutSpec,
    /// What its nodes are to have.
    pub wanted: Wanted,
    /// Nobody can make anything of its spec: nothing is begun for it, and what was begun is ended.
    pub senseless: bool,
    /// It is being deleted, and waits for its finalizer.
    pub deleting: bool,
    /// Nodes that a deletion does not wait for.
    pub abandoned: Abandoned,
    /// What was written down last.
    pub status: RolloutStatus,
}

/// Nodes that a deletion does not wait for, as `flyover.dev/abandon-nodes` names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Abandoned {
    /// None.
    #[default]
    Nobody,
    /// These.
    Named(BTreeSet<String>),
    /// All of them.
    All,
}

impl From<&str> for Abandoned {
    fn from(said: &str) -> Self {
        let names: BTreeSet<String> =
            said.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.contains("*") {
            Self::All
        } else if names.is_empty() {
            Self::Nobody
        } else {
            Self::Named(names)
        }
    }
}

impl Abandoned {
    /// Whether it names this node.
    #[must_use]
    pub fn names(&self, node: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Named(names) => names.contains(node),
            Self::All => true,
        }
    }
}

/// Whose a lane of a node is, as `placement` decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This resource's.
    Own,
    /// Another resource's.
    Other,
    /// Nobody's: two resources want it with the same priority. It keeps what it has.
    Contested,
    /// Nobody wants it.
    Free,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Whose this lane is there.
    pub place: Place,
    /// There is a Node object of that name.
    pub exists: bool,
    /// Its condition `Ready` is true.
    pub ready: bool,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `flyover.dev/cordoned-for`: `KIND/NAME`.
    pub cordoned_for: Option<String>,
    /// What it is to have in this lane, of whichever resource.
    pub assignment: Option<Assignment>,
    /// What its agent says of this lane.
    pub status: Option<LaneStatus>,
    /// Whether its agent is heard.
    pub agent: Agent,
    /// The resource that the assignment comes from does not exist any more. The next one goes on from what it left.
    pub assignment_orphaned: bool,
    /// The resource that the annotation names does not exist any more. The next one lifts its cordon.
    pub cordon_orphaned: bool,
    /// It stands in the claims of another resource, whichever its lane: it is down, or about to be.
    pub claimed_elsewhere: bool,
    /// The resource of another lane that this one stands on, `KIND/NAME`, as long as it is not ready there: nothing new comes to
    /// the node before.
    pub waits_for: Option<String>,
    /// Pods that have to leave before workloads are disturbed, so none of DaemonSets, no mirrors, none that has ended. None: nobody
    /// looked yet.
    pub pods: Option<Vec<PodView>>,
}

/// A pod that has to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Somebody would start it elsewhere.
    pub controlled: bool,
    /// It has an `emptyDir`.
    pub empty_dir: bool,
    /// It is on its way.
    pub leaving: bool,
    /// What the API server said to its eviction, if it refused it.
    pub refused: Option<String>,
}

/// Something that can be done now.
///
/// Every act but `LookAtPods` and `Evict` is written under the `resourceVersion` that its object had in the view:
/// `Note` and `Release` that of the resource, `Assign` that of the `NodeState`, `Cordon` and `Uncordon` that of the Node. A conflict ends the list:
/// the view is old, and what follows in it was thought of a cluster that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes `status.rollout` of the resource.
    Note(RolloutStatus),
    /// Writes the lane of a `NodeState`, and leaves its other lanes.
    Assign {
        /// Which node.
        node: String,
        /// What it is to have.
        assignment: Assignment,
    },
    /// `spec.unschedulable` and the annotation, in one patch.
    Cordon {
        /// Which node.
        node: String,
    },
    /// Finds out which pods have to leave.
    LookAtPods {
        /// Which node.
        node: String,
    },
    /// Asks a pod to leave, by the eviction API.
    Evict {
        /// Where it is.
        node: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
    },
    /// Takes `spec.unschedulable` and the annotation away, in one patch.
    Uncordon {
        /// Which node.
        node: String,
    },
    /// Takes the finalizer away.
    Release,
}

impl View {
    /// Whether nothing new is done for it. A deletion asks nothing of the spec.
    pub(super) fn is_senseless(&self) -> bool {
        self.resource.senseless && !self.resource.deleting
    }

    /// What `flyover.dev/cordoned-for` says of this resource.
    #[must_use]
    pub fn tag(&self) -> String {
        self.resource.lane.title(&self.resource.name)
    }
}
