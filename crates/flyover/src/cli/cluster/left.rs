//! What of Flyover there is in a cluster, found by its marks and not by what this version would install.

use flyover_api::resource::GROUP;
use flyover_render::install::{INSTALLED, selector};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Secret, Service};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};

use super::seen::list;
use super::told;

const DEFINITION: &str = "CustomResourceDefinition";

/// Group, version, kind, plural of what was ever installed, in the order in which it is removed. Leases are not here: they have
/// no label, and go with the namespace.
const KINDS: [(&str, &str, &str, &str); 13] = [
    // First whoever would make anew what is removed after it.
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("apiextensions.k8s.io", "v1", DEFINITION, "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    ),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Namespace", "namespaces"),
];

/// An object that is there.
#[derive(Clone)]
pub(super) struct Found {
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: String,
    /// How it is asked for, and removed.
    pub(super) api: Api<DynamicObject>,
    namespace: Option<String>,
}

impl Found {
    /// `DaemonSet flyover-system/flyover-agent`.
    pub(super) fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// All objects with our label, and all definitions of our group.
pub(super) async fn objects(client: &Client) -> anyhow::Result<Vec<Found>> {
    let labelled = selector();
    let mut found = Vec::new();
    for (group, version, kind, plural) in KINDS {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version,
            kind: kind.into(),
            plural: plural.into(),
        };
        let definitions = kind == DEFINITION;
        let which = if definitions { ListParams::default() } else { ListParams::default().labels(&labelled) };
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let listed = match all.list(&which).await {
            Err(error) if told::is_absent(&error) => continue,
            listed => listed.map_err(|error| told::error(&format!("failed to list {plural}"), error))?,
        };
        let ours =
            |object: &&DynamicObject| !definitions || object.name_any().ends_with(&format!(".{GROUP}"));
        found.extend(listed.iter().filter(ours).map(|object| Found {
            kind,
            name: object.name_any(),
            namespace: object.namespace(),
            api: match object.namespace() {
                Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
                None => all.clone(),
            },
        }));
    }
    Ok(found)
}

/// What stands in nodes: labels and annotations of ours, and resources that can still be asked for.
pub(super) fn of_node(node: &Node) -> Vec<String> {
    let name = node.name_any();
    let labels =
        node.labels().keys().filter(|key| is_ours(key)).map(|key| format!("label {key} of node {name}"));
    let notes = node
        .annotations()
        .keys()
        .filter(|key| is_ours(key))
        .map(|key| format!("annotation {key} of node {name}"));
    let capacity = node.status.iter().flat_map(|status| status.capacity.iter().flatten());
    // Kubelet keeps the name of a resource that is gone, with nothing in it.
    let resources = capacity.filter(|(key, much)| is_ours(key) && much.0 != "0");
    let resources = resources.map(|(key, _)| format!("resource {key} of node {name}"));
    labels.chain(notes).chain(resources).collect()
}

/// Whether a key of a label, an annotation or a resource is ours: our group marks them too.
pub(super) fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| prefix == GROUP || prefix.ends_with(&format!(".{GROUP}")))
}

/// All that is left, as people read it.
pub(super) async fn all(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut left: Vec<String> = objects(client).await?.iter().map(Found::title).collect();
    let nodes: Vec<Node> = list(client, "the nodes", &ListParams::default()).await?;
    left.extend(nodes.iter().flat_map(of_node));
    Ok(left)
}

/// What others put into a namespace, so that it is not ours alone.
pub(super) async fn foreign(client: &Client, namespace: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    found.extend(others::<Deployment>(client, namespace, "Deployment").await?);
    found.extend(others::<StatefulSet>(client, namespace, "StatefulSet").await?);
    found.extend(others::<DaemonSet>(client, namespace, "DaemonSet").await?);
    found.extend(others::<CronJob>(client, namespace, "CronJob").await?);
    found.extend(others::<Job>(client, namespace, "Job").await?);
    found.extend(others::<Pod>(client, namespace, "Pod").await?);
    found.extend(others::<Service>(client, namespace, "Service").await?);
    found.extend(others::<Secret>(client, namespace, "Secret").await?);
    found.extend(others::<ConfigMap>(client, namespace, "ConfigMap").await?);
    found.extend(others::<PersistentVolumeClaim>(client, namespace, "PersistentVolumeClaim").await?);
    Ok(found)
}

async fn others<K>(client: &Client, namespace: &str, kind: &str) -> anyhow::Result<Vec<String>>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let not_ours = ListParams::default().labels(&format!("{}!={}", INSTALLED.0, INSTALLED.1));
    let listed = Api::<K>::namespaced(client.clone(), namespace).list(&not_ours).await;
    let listed =
        listed.map_err(|error| told::error(&format!("failed to look into namespace {namespace}"), error))?;
    // Kubernetes puts this one into every namespace.
    let names = listed.iter().map(ResourceExt::name_any).filter(|name| name != "kube-root-ca.crt");
    Ok(names.map(|name| format!("{kind} {name}")).collect())
}

#[cfg(test)]
mod tests {
    use flyover_render::install::{Installation, objects as objects_of};

    use super::*;

    #[test]
    fn every_kind_that_is_installed_is_among_those_that_are_removed() {
        for object in objects_of(&Installation::default()) {
            let kind = (object.group, object.version, object.kind, object.plural);
            assert!(KINDS.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn marks_of_ours_are_found_on_a_node_and_an_empty_resource_is_none() {
        let node = serde_json::json!({
            "metadata": {"name": "n1", "labels": {"a": "b", "flyover.dev/x": "y"},
                         "annotations": {"flyover.dev/cordoned-for": "Switch/a", "notflyover.dev/x": "y"}},
            "status": {"capacity": {"cpu": "2", "flyover.dev/switch-br0": "4k", "flyover.dev/switch-br1": "0"}},
        });
        let node: Node = serde_json::from_value(node).unwrap();
        assert_eq!(
            of_node(&node),
            [
                "label flyover.dev/x of node n1",
                "annotation flyover.dev/cordoned-for of node n1",
                "resource flyover.dev/switch-br0 of node n1",
            ]
        );
    }
}
