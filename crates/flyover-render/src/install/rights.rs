//! Who may do what at the API server: each right has a use that is named beside it.
//!
//! The operator's tests run it with the rights that stand here, and hold that it uses each and asks for none beyond them.

use flyover_api::resource::GROUP;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{AGENT, Installation, OPERATOR, Object, meta};

const READ: [&str; 3] = ["get", "list", "watch"];
const EVENTS: Right = (&["events.k8s.io"], &["events"], &["create", "patch"]);

/// Groups, resources, verbs.
type Right = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// What the operator may do in the whole cluster.
const OF_OPERATOR: [Right; 7] = [
    // What people wrote; the finalizer stands in the object itself.
    (&[GROUP], &["nodeprofiles", "fastpaths", "switches"], &["get", "list", "watch", "patch"]),
    (&[GROUP], &["nodeprofiles/status", "fastpaths/status", "switches/status"], &["patch"]),
    // What each node is to have. Never its status: that is the agent's.
    (&[GROUP], &["nodestates"], &["get", "list", "watch", "create", "patch"]),
    // Which nodes there are; to cordon and to uncordon.
    (&[""], &["nodes"], &["get", "list", "watch", "patch"]),
    // Who is on a node that is to be emptied.
    (&[""], &["pods"], &["list"]),
    // By the way that heeds disruption budgets.
    (&[""], &["pods/eviction"], &["create"]),
    EVENTS,
];

/// What the operator may do in its own namespace: the lease says which of its replicas works.
const OF_OPERATOR_AT_HOME: [Right; 1] =
    [(&["coordination.k8s.io"], &["leases"], &["get", "create", "update"])];

/// What an agent may do. That it writes of its own node only is held by an admission policy: RBAC knows no nodes.
const OF_AGENT: [Right; 3] = [
    // What its node is to have.
    (&[GROUP], &["nodestates"], &READ),
    // What became of it.
    (&[GROUP], &["nodestates/status"], &["patch"]),
    // Labels of the pods of its node: which of them are bypassed.
    (&[""], &["pods"], &READ),
];

/// Where events about objects of the cluster stand, such as a `NodeState`: an agent sends none elsewhere.
const EVENTS_OF_CLUSTER: &str = "default";

pub(super) fn objects(wanted: &Installation) -> Vec<Object> {
    let mut objects = Vec::new();
    for (name, rights) in [(OPERATOR, OF_OPERATOR.as_slice()), (AGENT, OF_AGENT.as_slice())] {
        objects.push(account(wanted, name));
        objects.push(Object::of(&ClusterRole {
            metadata: meta::of_cluster(wanted, name, name),
            rules: Some(rules(rights)),
            aggregation_rule: None,
        }));
        objects.push(Object::of(&ClusterRoleBinding {
            metadata: meta::of_cluster(wanted, name, name),
            role_ref: role("ClusterRole", name),
            subjects: Some(vec![subject(wanted, name)]),
        }));
    }
    let at_home =
        [(OPERATOR, wanted.namespace.as_str(), OF_OPERATOR_AT_HOME), (AGENT, EVENTS_OF_CLUSTER, [EVENTS])];
    for (name, namespace, rights) in at_home {
        let metadata =
            ObjectMeta { namespace: Some(namespace.to_owned()), ..meta::of_cluster(wanted, name, name) };
        objects.push(Object::of(&Role { metadata: metadata.clone(), rules: Some(rules(&rights)) }));
        objects.push(Object::of(&RoleBinding {
            metadata,
            role_ref: role("Role", name),
            subjects: Some(vec![subject(wanted, name)]),
        }));
    }
    objects
}

fn account(wanted: &Installation, name: &str) -> Object {
    Object::of(&ServiceAccount {
        metadata: meta::in_namespace(wanted, name, name),
        // A pod of ours says itself that it wants the token; another that borrows the account gets none.
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

fn role(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: name.into() }
}

fn subject(wanted: &Installation, name: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: name.into(),
        namespace: Some(wanted.namespace.clone()),
        api_group: None,
    }
}

fn rules(rights: &[Right]) -> Vec<PolicyRule> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let rule = |(groups, resources, verbs): &Right| PolicyRule {
        api_groups: Some(owned(groups)),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    };
    rights.iter().map(rule).collect()
}
