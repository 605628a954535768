//! Pods of a node that is being emptied: who has to leave, who was asked, and what the server said to that.
//!
//! Invariant: pods are asked for only while their node is emptied, and forgotten after.

use std::collections::BTreeMap;
use std::time::Duration;

use flyover_plan::rollout::PodView;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

/// How often is looked at who is still there.
pub(crate) const LOOKED_AT: Duration = Duration::from_secs(1);
/// How often a pod is asked again that may not leave yet.
pub(crate) const ASKED_AGAIN: Duration = Duration::from_secs(5);
/// Marks the mirror of a pod that the kubelet has from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod's namespace and name.
type Name = (String, String);

/// Pods of one node.
#[derive(Debug)]
pub(crate) struct Pods {
    pods: Vec<PodView>,
    /// Which pod of its name each of them is.
    ids: BTreeMap<Name, String>,
    looked: Instant,
    asked: BTreeMap<Name, Instant>,
    refused: BTreeMap<Name, String>,
}

impl Pods {
    /// What was found, after what was known before.
    pub(crate) fn found(pods: Vec<Pod>, before: Option<Self>) -> Self {
        let (pods, ids): (Vec<PodView>, BTreeMap<Name, String>) =
            pods.iter().filter_map(|pod| Some((leaver(pod)?, id(pod)))).unzip();
        let (mut asked, mut refused, old) = before.map(|b| (b.asked, b.refused, b.ids)).unwrap_or_default();
        let same = |name: &Name| ids.contains_key(name) && ids.get(name) == old.get(name);
        asked.retain(|name, _| same(name));
        refused.retain(|name, _| same(name));
        Self { pods, ids, looked: Instant::now(), asked, refused }
    }

    /// Who has to leave.
    pub(crate) fn seen(&self) -> Vec<PodView> {
        let mut pods = self.pods.clone();
        for pod in &mut pods {
            pod.refused = self.refused.get(&(pod.namespace.clone(), pod.name.clone())).cloned();
        }
        pods
    }

    /// When it is worth while to look again.
    pub(crate) fn look_at(&self) -> Instant {
        self.looked + LOOKED_AT
    }

    /// Which pod is to be asked now, by its uid: another one of its name may be on another node by then.
    pub(crate) fn to_ask(&self, namespace: &str, name: &str) -> Option<&str> {
        let name = (namespace.to_owned(), name.to_owned());
        let now = self.asked.get(&name).is_none_or(|asked| asked.elapsed() >= ASKED_AGAIN);
        self.ids.get(&name).filter(|_| now).map(String::as_str)
    }

    /// It was asked, and refused by whoever the server names, if so.
    pub(crate) fn asked(&mut self, namespace: &str, name: &str, refused: Option<String>) {
        let name = (namespace.to_owned(), name.to_owned());
        self.asked.insert(name.clone(), Instant::now());
        match refused {
            Some(why) => drop(self.refused.insert(name, why)),
            None => drop(self.refused.remove(&name)),
        }
    }
}

/// A pod's name, and which pod of that name it is.
fn id(pod: &Pod) -> (Name, String) {
    let meta = pod.metadata.clone();
    let name = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
    (name, meta.uid.unwrap_or_default())
}

/// A pod as one that has to leave, if it has to.
fn leaver(pod: &Pod) -> Option<PodView> {
    let meta = &pod.metadata;
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let ended = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let stays = owner.is_some_and(|owner| owner.kind == "DaemonSet")
        || meta.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR))
        || matches!(ended, Some("Succeeded" | "Failed"));
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    (!stays).then(|| PodView {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        controlled: owner.is_some(),
        empty_dir: volumes.into_iter().flatten().any(|volume| volume.empty_dir.is_some()),
        leaving: meta.deletion_timestamp.is_some(),
        refused: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, meta: &serde_json::Value, phase: &str) -> Pod {
        let mut meta = meta.clone();
        meta["name"] = name.into();
        meta["uid"] = format!("{name}-uid").into();
        meta["namespace"] = "ns".into();
        let spec = json!({"containers": [], "volumes": [{"name": "tmp", "emptyDir": {}}]});
        serde_json::from_value(json!({"metadata": meta, "spec": spec, "status": {"phase": phase}})).unwrap()
    }

    fn owned(kind: &str) -> serde_json::Value {
        json!({"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]})
    }

    #[test]
    fn daemons_mirrors_and_ended_pods_need_not_leave() {
        let pods = vec![
            pod("daemon", &owned("DaemonSet"), "Running"),
            pod("mirror", &json!({"annotations": {MIRROR: "x"}}), "Running"),
            pod("done", &owned("Job"), "Succeeded"),
            pod("web", &owned("ReplicaSet"), "Running"),
            pod("bare", &json!({}), "Pending"),
        ];
        let told: Vec<_> =
            Pods::found(pods, None).seen().into_iter().map(|p| (p.name, p.controlled, p.empty_dir)).collect();
        assert_eq!(told, [("web".to_owned(), true, true), ("bare".to_owned(), false, true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_may_not_leave_is_asked_again_after_a_while_and_who_forbade_it_is_kept() {
        let web = || vec![pod("web", &owned("ReplicaSet"), "Running")];
        let mut pods = Pods::found(web(), None);
        assert_eq!(pods.to_ask("ns", "web"), Some("web-uid"));
        pods.asked("ns", "web", Some("budget".into()));
        let mut pods = Pods::found(web(), Some(pods));
        assert_eq!(pods.to_ask("ns", "web"), None);
        assert_eq!(pods.seen()[0].refused.as_deref(), Some("budget"));
        tokio::time::advance(ASKED_AGAIN).await;
        assert_eq!(pods.to_ask("ns", "web"), Some("web-uid"));
        pods.asked("ns", "web", None);
        assert_eq!(pods.seen()[0].refused, None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_pod_of_the_same_name_was_not_asked_yet() {
        let mut pods = Pods::found(vec![pod("web", &owned("StatefulSet"), "Running")], None);
        pods.asked("ns", "web", Some("budget".into()));
        let mut next = pod("web", &owned("StatefulSet"), "Running");
        next.metadata.uid = Some("another".into());
        let pods = Pods::found(vec![next], Some(pods));
        assert_eq!((pods.to_ask("ns", "web"), pods.seen()[0].refused.as_deref()), (Some("another"), None));
    }
}
