//! What every test begins with: an API server with our definitions, the operator's rights, and nothing left of the test before.

use std::time::Duration;

use flyover_api::resource::marks::NAMESPACE;
use flyover_api::resource::{FastPath, Lane, NodeState, crds};
use flyover_operator::Options;
use flyover_render::install::{self, Installation};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::JoinHandle;

use crate::fleet::until;
use crate::server::{ADMIN, OPERATOR, Server};

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// One test at a time: all of them use the whole cluster.
static STAGE: Mutex<()> = Mutex::const_new(());

/// The rules of the operator's role of a kind, as it is installed.
pub(crate) fn rules(kind: &str) -> Value {
    let installed = install::objects(&Installation::default());
    let role = installed.into_iter().find(|object| object.kind == kind && object.name == install::OPERATOR);
    role.unwrap().body["rules"].take()
}

/// A stage.
pub(crate) struct Stage {
    pub(crate) client: Client,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    /// Clears away what was left, and installs what is needed.
    pub(crate) async fn set() -> Self {
        let alone = STAGE.lock().await;
        let client = Server::get().client(ADMIN).await;
        let stage = Self { client, _alone: alone };
        stage.install().await;
        stage.clear().await;
        stage
    }

    async fn install(&self) {
        for crd in crds() {
            self.apply("apiextensions.k8s.io/v1", "CustomResourceDefinition", &json!(crd)).await;
        }
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        until("the definitions are established", LIMIT, || async {
            let crds = api.list(&ListParams::default()).await.unwrap();
            crds.items.len() == 4 && crds.items.iter().all(established)
        })
        .await;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.patch(NAMESPACE, &apply(), &Patch::Apply(&namespace)).await.unwrap();
        self.rights().await;
    }

    /// The rights that it is installed with, and no others.
    async fn rights(&self) {
        let subjects = json!([{"kind": "User", "name": OPERATOR, "apiGroup": "rbac.authorization.k8s.io"}]);
        let refer =
            |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": OPERATOR});
        let meta = json!({"name": OPERATOR});
        let (version, client) = ("rbac.authorization.k8s.io/v1", || self.client.clone());
        let body = json!({"apiVersion": version, "kind": "ClusterRole", "metadata": meta, "rules": rules("ClusterRole")});
        Api::<ClusterRole>::all(client()).patch(OPERATOR, &apply(), &Patch::Apply(&body)).await.unwrap();
        let body = json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": meta,
            "subjects": subjects, "roleRef": refer("ClusterRole")});
        Api::<ClusterRoleBinding>::all(client())
            .patch(OPERATOR, &apply(), &Patch::Apply(&body))
            .await
            .unwrap();
        let body = json!({"apiVersion": version, "kind": "Role", "metadata": meta, "rules": rules("Role")});
        Api::<Role>::namespaced(client(), NAMESPACE)
            .patch(OPERATOR, &apply(), &Patch::Apply(&body))
            .await
            .unwrap();
        let body = json!({"apiVersion": version, "kind": "RoleBinding", "metadata": meta,
            "subjects": subjects, "roleRef": refer("Role")});
        let api = Api::<RoleBinding>::namespaced(client(), NAMESPACE);
        api.patch(OPERATOR, &apply(), &Patch::Apply(&body)).await.unwrap();
    }

    async fn clear(&self) {
        for kind in ["NodeProfile", "FastPath", "Switch"] {
            let api = self.kind(kind);
            for one in api.list(&ListParams::default()).await.unwrap() {
                let none = json!({"metadata": {"finalizers": null}});
                api.patch(&one.name_any(), &PatchParams::default(), &Patch::Merge(&none)).await.unwrap();
                drop(api.delete(&one.name_any(), &DeleteParams::default()).await);
            }
        }
        let (all, now) = (ListParams::default(), DeleteParams::default().grace_period(0));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "default");
        pods.delete_collection(&now, &all).await.unwrap();
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), "default");
        budgets.delete_collection(&now, &all).await.unwrap();
        Api::<Node>::all(self.client.clone()).delete_collection(&now, &all).await.unwrap();
        let states: Api<NodeState> = Api::all(self.client.clone());
        states.delete_collection(&now, &all).await.unwrap();
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.client.clone(), "default");
        events.delete_collection(&now, &all).await.unwrap();
        let leases = self.leases();
        drop(leases.delete(flyover_operator::LEASE, &DeleteParams::default()).await);
    }

    /// The leases of our namespace.
    pub(crate) fn leases(&self) -> Api<k8s_openapi::api::coordination::v1::Lease> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Resources of one of our kinds, as they are written down.
    pub(crate) fn kind(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("flyover.dev", "v1alpha1", kind));
        Api::all_with(self.client.clone(), &resource)
    }

    /// Applies any object that has no namespace.
    pub(crate) async fn apply(&self, version: &str, kind: &str, body: &Value) -> DynamicObject {
        self.try_apply(version, kind, body)
            .await
            .unwrap_or_else(|error| panic!("{kind} {}: {error}", body["metadata"]["name"]))
    }

    /// As [`Self::apply`], and what the server says if it will not.
    pub(crate) async fn try_apply(
        &self,
        version: &str,
        kind: &str,
        body: &Value,
    ) -> kube::Result<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let name = body["metadata"]["name"].as_str().unwrap();
        let mut body = body.clone();
        body["apiVersion"] =
            if group.is_empty() { version.into() } else { format!("{group}/{version}").into() };
        body["kind"] = kind.into();
        api.patch(name, &apply(), &Patch::Apply(&body)).await
    }

    /// Writes one of our resources.
    pub(crate) async fn write(&self, kind: &str, name: &str, spec: Value) {
        self.apply("flyover.dev/v1alpha1", kind, &json!({"metadata": {"name": name}, "spec": spec})).await;
    }

    /// Its status, as it is written down.
    pub(crate) async fn status(&self, kind: &str, name: &str) -> Value {
        let read = self.kind(kind).get_opt(name).await.unwrap();
        read.map(|read| read.data["status"].clone()).unwrap_or_default()
    }

    /// Waits until it says that.
    pub(crate) async fn until_summary(&self, kind: &str, name: &str, said: &str) {
        let newest = || async {
            let Some(read) = self.kind(kind).get_opt(name).await.unwrap() else { return false };
            let status = &read.data["status"];
            status["summary"] == said && status["observedGeneration"].as_i64() == read.metadata.generation
        };
        until(&format!("{kind}/{name} is {said}"), LIMIT, newest).await;
    }

    /// Waits until an event with that reason says that.
    pub(crate) async fn until_event(&self, kind: &str, name: &str, reason: &str, part: &str) {
        let told = || async {
            let events = self.events(kind, name).await;
            events.iter().any(|(said, note)| said == reason && note.contains(part))
        };
        let what = format!("{kind}/{name} is told {reason}: {part}");
        until(&what, LIMIT, told).await;
    }

    /// The hash of what a node is to have.
    pub(crate) async fn wanted(&self, node: &str, lane: Lane) -> Option<String> {
        let state = self.state(node).await?;
        state.spec.lanes.get(&lane)?.wanted.as_ref().map(|wanted| wanted.hash.clone())
    }

    /// Reasons of all events about that object, with their notes.
    pub(crate) async fn events(&self, kind: &str, name: &str) -> Vec<(String, String)> {
        let api: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(self.client.clone(), "default");
        let all = api.list(&ListParams::default()).await.unwrap();
        let about = all.items.into_iter().filter(|event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|r| r.kind.as_deref() == Some(kind) && r.name.as_deref() == Some(name))
        });
        about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    /// The node of that name.
    pub(crate) async fn node(&self, name: &str) -> Node {
        Api::all(self.client.clone()).get(name).await.unwrap()
    }

    /// The state of the node of that name.
    pub(crate) async fn state(&self, name: &str) -> Option<NodeState> {
        Api::all(self.client.clone()).get_opt(name).await.unwrap()
    }

    /// The path of that name.
    pub(crate) async fn path(&self, name: &str) -> Option<FastPath> {
        Api::all(self.client.clone()).get_opt(name).await.unwrap()
    }
}

fn established(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    conditions.into_iter().any(|c| c.type_ == "Established" && c.status == "True")
}

fn apply() -> PatchParams {
    PatchParams::apply("test").force()
}

/// An operator that runs, with its own rights only.
pub(crate) struct Operator {
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<anyhow::Result<()>>,
}

impl Operator {
    /// Starts one.
    pub(crate) async fn start(identity: &str) -> Self {
        let config = Server::get().access(OPERATOR).await;
        let options = Options {
            kubeconfig: None,
            identity: identity.into(),
            namespace: NAMESPACE.into(),
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { flyover_operator::lead(config, &options, stopped).await });
        Self { stop, task }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
