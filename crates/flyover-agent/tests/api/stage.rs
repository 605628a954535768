//! A node that is a model host, its agent, and what an operator would write for it.

use std::fs;
use std::time::{Duration, Instant};

use flyover_agent::{Agent, AgentError};
use flyover_api::NodeProfileSpec;
use flyover_api::resource::{
    Assignment, Lane, LanePhase, NodeState, NodeStateSpec, NodeStateStatus, Wanted, crds,
};
use flyover_core::Disturbance;
use flyover_testkit::model::{Hardware, Model};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::Server;

const NODE: &str = "node1";
const LIMIT: Duration = Duration::from_secs(40);

/// A node and its cluster.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) model: Model,
    client: Client,
}

/// An agent that runs.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), AgentError>>,
}

/// Does a test in the network of a cluster that has our resources.
pub(crate) fn in_cluster(test: impl AsyncFnOnce(Stage)) {
    let server = Server::up();
    let namespace = server.namespace();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = client(&server).await;
            let stage = Stage { client, model: Model::new(Hardware::default()).unwrap(), server };
            stage.define().await;
            test(stage).await;
        });
    };
    namespace.run(work).unwrap();
}

async fn client(server: &Server) -> Client {
    let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

impl Stage {
    async fn define(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let how = PatchParams::apply("test").force();
        for crd in crds() {
            api.patch(&crd.name_any(), &how, &Patch::Apply(&crd)).await.unwrap();
        }
        let deadline = Instant::now() + LIMIT;
        while self.states().list(&ListParams::default()).await.is_err() {
            assert!(Instant::now() < deadline, "the definitions are not served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn states(&self) -> Api<NodeState> {
        Api::all(self.client.clone())
    }

    /// An agent that looks often.
    pub(crate) fn agent(&self) -> Running {
        let mut agent = Agent::new(NODE.to_owned(), self.model.host(), self.client.clone());
        agent.each = Duration::from_millis(300);
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(agent.run(async { drop(stopped.await) }));
        Running { stop, done }
    }

    /// Ends an agent.
    pub(crate) async fn end(&self, agent: Running) {
        drop(agent.stop);
        agent.done.await.unwrap().unwrap();
    }

    /// What the operator does.
    pub(crate) async fn want(&self, profile: Option<&str>, allow: Disturbance) {
        let wanted = profile.map(|text| {
            let spec = serde_json::to_value(NodeProfileSpec::from_yaml(text).unwrap()).unwrap();
            let spec = spec.as_object().unwrap().clone();
            Wanted { from: "p".to_owned(), generation: 1, hash: text.to_owned(), spec }
        });
        let assignment = Assignment { wanted, previous: None, allow };
        let mut state = NodeState::new(NODE, NodeStateSpec { lanes: [(Lane::Profile, assignment)].into() });
        state.metadata.managed_fields = None;
        let how = PatchParams::apply("flyover-operator").force();
        self.states().patch(NODE, &how, &Patch::Apply(&state)).await.unwrap();
    }

    /// Waits until the agent says so of the newest wish.
    pub(crate) async fn until(&self, phase: LanePhase) -> NodeStateStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            let state = self.states().get(NODE).await.unwrap();
            let wished = state.spec.lanes[&Lane::Profile].wanted.as_ref().map(|wanted| wanted.hash.clone());
            let status = state.status.clone().unwrap_or_default();
            if status.lanes.get(&Lane::Profile).is_some_and(|lane| lane.phase == phase && lane.hash == wished)
            {
                return status;
            }
            assert!(Instant::now() < deadline, "not {phase:?}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until something holds on the host.
    pub(crate) async fn until_so(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < deadline, "not {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the agent wrote down that reason.
    pub(crate) fn said(&self, reason: &str) -> bool {
        let known = self.model.root().join("var/lib/flyover/agent/known.json");
        fs::read_to_string(known).is_ok_and(|text| text.contains(reason))
    }

    /// What a file of the host holds.
    pub(crate) fn pool(&self, path: &str) -> String {
        fs::read_to_string(self.model.root().join(path)).unwrap().trim().to_owned()
    }

    /// The version of the node's object, which each write changes.
    pub(crate) async fn version(&self) -> Option<String> {
        self.states().get(NODE).await.unwrap().metadata.resource_version
    }

    /// The reasons of all events, in the order in which they came.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let mut events = events.list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone());
        events.into_iter().filter_map(|event| event.reason).collect()
    }
}
