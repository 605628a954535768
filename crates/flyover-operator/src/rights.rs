//! What the operator may do in a cluster, and why. What installs it takes it from here, and a test holds it against what it
//! really asks for.

/// A right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The group of the API; the empty one is Kubernetes' own.
    pub group: &'static str,
    /// Resources, a part of one after a slash.
    pub resources: &'static [&'static str],
    /// What may be done with them.
    pub verbs: &'static [&'static str],
    /// Only in [`NAMESPACE`](crate::NAMESPACE).
    pub own_namespace: bool,
    /// Why.
    pub why: &'static str,
}

/// All of them.
pub const RIGHTS: [Right; 9] = [
    Right {
        group: "flyover.dev",
        resources: &["nodeprofiles", "fastpaths", "switches"],
        verbs: &["get", "list", "watch", "patch"],
        own_namespace: false,
        why: "reads what nodes are to have, and holds it by a finalizer until they are clean",
    },
    Right {
        group: "flyover.dev",
        resources: &["nodeprofiles/status", "fastpaths/status", "switches/status"],
        verbs: &["patch"],
        own_namespace: false,
        why: "says what became of it",
    },
    Right {
        group: "flyover.dev",
        resources: &["nodestates"],
        verbs: &["get", "list", "watch", "create", "patch"],
        own_namespace: false,
        why: "tells each node's agent what the node is to have, and reads what became of it",
    },
    Right {
        group: "",
        resources: &["nodes"],
        verbs: &["get", "list", "watch", "patch"],
        own_namespace: false,
        why: "reads labels and whether they work; cordons those that are to be emptied, and lifts its own cordons",
    },
    Right {
        group: "",
        resources: &["pods"],
        verbs: &["list"],
        own_namespace: false,
        why: "finds out who has to leave a node that is emptied",
    },
    Right {
        group: "",
        resources: &["pods/eviction"],
        verbs: &["create"],
        own_namespace: false,
        why: "asks them to, by the way that heeds disruption budgets",
    },
    Right {
        group: "events.k8s.io",
        resources: &["events"],
        verbs: &["create", "patch"],
        own_namespace: false,
        why: "tells what happened, and counts what happens again",
    },
    Right {
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["create"],
        own_namespace: true,
        why: "makes the lease that says which operator leads",
    },
    Right {
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "update"],
        own_namespace: true,
        why: "takes, renews and lets go of it",
    },
];
