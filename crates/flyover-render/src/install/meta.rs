//! Names and labels that all objects share, and the namespace they live in.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{Installation, Object};

/// The label, and its value, by which what is installed is known and removed. Anybody may be part of something that is
/// called flyover; this one is nobody else's.
pub const INSTALLED: (&str, &str) = ("flyover.dev/installed", "true");
/// What people and their tools know it by.
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "flyover");
/// The label that tells the operator from the agent.
pub const NAME: &str = "app.kubernetes.io/name";

pub(super) fn labels(wanted: &Installation, name: &str) -> BTreeMap<String, String> {
    let pairs = [
        INSTALLED,
        PART_OF,
        (NAME, name),
        ("app.kubernetes.io/managed-by", wanted.managed_by.as_str()),
        ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// By which a workload knows its pods: nothing that an upgrade changes.
pub(super) fn selector(name: &str) -> LabelSelector {
    let pairs = [PART_OF, (NAME, name)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    LabelSelector { match_labels: Some(pairs.into()), match_expressions: None }
}

/// Of an object that belongs to the cluster.
pub(super) fn of_cluster(wanted: &Installation, name: &str, part: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), labels: Some(labels(wanted, part)), ..ObjectMeta::default() }
}

/// Of an object in our namespace.
pub(super) fn in_namespace(wanted: &Installation, name: &str, part: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(wanted.namespace.clone()), ..of_cluster(wanted, name, part) }
}

pub(super) fn namespace(wanted: &Installation) -> Object {
    let mut metadata = of_cluster(wanted, &wanted.namespace, "flyover");
    // The agents work on the host itself, which the stricter levels forbid.
    let security = ["enforce", "audit", "warn"]
        .map(|mode| (format!("pod-security.kubernetes.io/{mode}"), "privileged".to_owned()));
    metadata.labels.get_or_insert_default().extend(security);
    Object::of(&Namespace { metadata, ..Namespace::default() })
}
