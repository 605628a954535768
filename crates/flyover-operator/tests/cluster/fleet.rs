//! Nodes that are not there: a task sees what each is to have, and writes what an agent would write of it.
//!
//! As an agent does, it says `Applying` before it begins, on the version that it read; it waits where it may not do what is needed;
//! it leaves alone what failed; and it says that all was taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flyover_api::resource::{Assignment, LanePhase, LaneStatus, NodeState};
use flyover_core::Disturbance;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What the simulated nodes are like.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// What a spec would disturb; nothing beyond a link unless said.
    pub(crate) needs: BTreeMap<String, Disturbance>,
    /// Nodes on which nothing that holds this in its spec can be done.
    pub(crate) fails: BTreeMap<String, String>,
    /// Nodes whose agent says nothing.
    pub(crate) dead: BTreeSet<String>,
    /// In which order specs became ready: node and hash.
    pub(crate) ready: Vec<(String, String)>,
    /// Nodes whose agents disturbed workloads on a node where pods were allowed.
    pub(crate) wrong: Vec<String>,
}

/// Simulated nodes.
pub(crate) struct Fleet {
    pub(crate) ways: Arc<Mutex<Ways>>,
    task: JoinHandle<()>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fleet {
    /// As many nodes as there are names, ready and labelled, and an agent for each.
    pub(crate) async fn start(client: &Client, names: &[&str]) -> Self {
        for name in names {
            node(client, name).await;
        }
        let ways = Arc::new(Mutex::new(Ways::default()));
        let task = tokio::spawn(agents(client.clone(), Arc::clone(&ways)));
        Self { ways, task }
    }
}

/// A node that works.
pub(crate) async fn node(client: &Client, name: &str) {
    let api: Api<Node> = Api::all(client.clone());
    let node =
        json!({"metadata": {"name": name, "labels": {"fleet": "yes", "kubernetes.io/hostname": name}}});
    let node: Node = serde_json::from_value(node).unwrap();
    api.create(&PostParams::default(), &node).await.unwrap();
    ready(client, name, true).await;
}

/// Whether the node works, as its kubelet would say it.
pub(crate) async fn ready(client: &Client, name: &str, ready: bool) {
    let api: Api<Node> = Api::all(client.clone());
    let status = if ready { "True" } else { "False" };
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": status, "reason": "Test"}]}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

async fn agents(client: Client, ways: Arc<Mutex<Ways>>) {
    let api: Api<NodeState> = Api::all(client.clone());
    let mut events = std::pin::pin!(watcher(api.clone(), Config::default()));
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(state) | Event::InitApply(state)) = event else { continue };
        // Whoever writes between the look and the answer makes the answer void, as it is for an agent.
        drop(answer(&client, &api, &state, &ways).await);
    }
}

async fn answer(
    client: &Client,
    api: &Api<NodeState>,
    state: &NodeState,
    ways: &Mutex<Ways>,
) -> Result<(), kube::Error> {
    let name = state.name_any();
    if ways.lock().unwrap().dead.contains(&name) {
        return Ok(());
    }
    let before = state.status.clone().unwrap_or_default().lanes;
    let mut lanes = before.clone();
    for (lane, assignment) in &state.spec.lanes {
        if let Some(next) = next(&name, assignment, before.get(lane), ways) {
            lanes.insert(*lane, next);
        }
    }
    if lanes == before {
        return Ok(());
    }
    for (lane, status) in &lanes {
        if status.phase == LanePhase::Applying && before.get(lane) != Some(status) {
            let allowed = state.spec.lanes.get(lane).map(|a| a.allow);
            if allowed >= Some(Disturbance::Workloads) {
                look_at_work(client, &name, ways).await?;
            }
        }
    }
    let mut lanes = json!(lanes);
    for lane in lanes.as_object_mut().into_iter().flat_map(|lanes| lanes.values_mut()) {
        // A merge keeps what is not named.
        lane.as_object_mut().unwrap().entry("hash").or_insert(Value::Null);
    }
    let body = json!({
        "metadata": {"resourceVersion": state.resource_version()},
        "status": {"lanes": lanes, "version": "test", "reported": "2026-01-01T00:00:00Z"},
    });
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&body)).await?;
    Ok(())
}

/// Workloads may be disturbed only where none can come.
async fn look_at_work(client: &Client, name: &str, ways: &Mutex<Ways>) -> Result<(), kube::Error> {
    let node = Api::<Node>::all(client.clone()).get_opt(name).await?;
    let closed = node.and_then(|node| node.spec).and_then(|spec| spec.unschedulable).unwrap_or_default();
    if !closed {
        ways.lock().unwrap().wrong.push(name.to_owned());
    }
    Ok(())
}

/// What an agent says next of a lane, if anything.
fn next(
    node: &str,
    assignment: &Assignment,
    said: Option<&LaneStatus>,
    ways: &Mutex<Ways>,
) -> Option<LaneStatus> {
    let mut ways = ways.lock().unwrap();
    let Some(wanted) = &assignment.wanted else {
        return match said.map(|said| said.phase) {
            Some(LanePhase::Clean) => None,
            Some(LanePhase::Removing) | None => Some(status(None, LanePhase::Clean, Disturbance::None, "")),
            _ => Some(status(None, LanePhase::Removing, Disturbance::None, "")),
        };
    };
    let hash = Some(wanted.hash.clone());
    let text = serde_json::to_string(&wanted.spec).unwrap();
    let needs = ways.needs.iter().find(|(part, _)| text.contains(*part)).map(|(_, needs)| *needs);
    let needs = needs.unwrap_or(Disturbance::Link);
    let phase = said.filter(|said| said.hash == hash).map(|said| said.phase);
    let fails = ways.fails.get(node).is_some_and(|part| text.contains(part.as_str()));
    let next = match phase {
        Some(LanePhase::Ready | LanePhase::Failed) => return None,
        Some(LanePhase::Applying) if fails => LanePhase::Failed,
        Some(LanePhase::Applying) => LanePhase::Ready,
        _ if needs > assignment.allow => LanePhase::Waiting,
        _ => LanePhase::Applying,
    };
    if next == LanePhase::Ready {
        ways.ready.push((node.to_owned(), wanted.hash.clone()));
    }
    let left = if next == LanePhase::Waiting { needs } else { Disturbance::None };
    let status = status(hash, next, left, if next == LanePhase::Failed { "no such device" } else { "" });
    (said != Some(&status)).then_some(status)
}

fn status(hash: Option<String>, phase: LanePhase, needs: Disturbance, message: &str) -> LaneStatus {
    LaneStatus {
        hash,
        phase,
        needs,
        reason: format!("{phase:?}"),
        message: message.into(),
        plan: None,
        journal: Vec::new(),
        drift: Vec::new(),
        receipt: Vec::new(),
    }
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> F,
) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(limit, waited).await.is_ok(), "{what}: not within {limit:?}");
}
