//! Whether what was installed runs, and if not, which pod keeps it, and why.

use std::time::Duration;

use flyover_render::install::{AGENT, OPERATOR, selector};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::super::progress::Progress;
use super::super::told;
use crate::cli::fault::{Exit, Fault};

/// So many pods that are not ready are named.
pub(in crate::cli::cluster) const SHOWN: usize = 5;

/// Waits until operator and agents are ready.
pub(super) async fn wait(client: &Client, namespace: &str, limit: Duration) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let daemons: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let mut progress = Progress::within(limit);
    loop {
        let failed = |error| told::error("failed to look whether it is ready", error);
        let operator = of_deployment(&deployments.get(OPERATOR).await.map_err(failed)?);
        let agents = of_daemons(&daemons.get(AGENT).await.map_err(failed)?);
        if operator.is_ready() && agents.is_ready() {
            return Ok(());
        }
        progress.say(&format!("waiting: operator {operator}, agents {agents}"));
        if progress.is_over() {
            drop(progress);
            return Err(late(client, namespace, &operator, &agents).await?.into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How many of how many are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cluster) struct Count {
    pub(in crate::cli::cluster) ready: i32,
    pub(in crate::cli::cluster) wanted: i32,
    /// What is counted is what was asked for last.
    seen: bool,
}

impl Count {
    #[cfg(test)]
    pub(in crate::cli::cluster) fn of(ready: i32, wanted: i32) -> Self {
        Self { ready, wanted, seen: true }
    }

    /// All are there, and are the newest.
    pub(in crate::cli::cluster) fn is_ready(self) -> bool {
        self.seen && self.ready >= self.wanted
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ready, self.wanted)
    }
}

/// The operator's replicas.
pub(in crate::cli::cluster) fn of_deployment(of: &Deployment) -> Count {
    let wanted = of.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = of.status.clone().unwrap_or_default();
    let newest = status.updated_replicas.unwrap_or(0).min(status.available_replicas.unwrap_or(0));
    Count { ready: newest, wanted, seen: status.observed_generation >= of.metadata.generation }
}

/// The agents.
pub(in crate::cli::cluster) fn of_daemons(of: &DaemonSet) -> Count {
    let status = of.status.clone().unwrap_or_default();
    let newest = status.updated_number_scheduled.unwrap_or(0).min(status.number_available.unwrap_or(0));
    // A set whose controller has not looked yet has nothing to say.
    let seen = status.observed_generation.is_some() && status.observed_generation >= of.metadata.generation;
    Count { ready: newest, wanted: status.desired_number_scheduled, seen }
}

async fn late(client: &Client, namespace: &str, operator: &Count, agents: &Count) -> anyhow::Result<Fault> {
    let mut kept = kept(Api::namespaced(client.clone(), namespace)).await?;
    kept.truncate(SHOWN);
    if kept.is_empty() {
        kept.push("the pods were not made yet, or say nothing".into());
    }
    let what = format!("not ready in time: operator {operator}, agents {agents}; {}", kept.join("; "));
    Ok(Fault::new(Exit::Failed, what)
        .hint(format!("see `kubectl -n {namespace} describe pods`; it goes on meanwhile")))
}

/// Our pods that are not ready, and why: `pod flyover-agent-x7k2p on n1: ...`.
pub(in crate::cli::cluster) async fn kept(pods: Api<Pod>) -> anyhow::Result<Vec<String>> {
    let ours = ListParams::default().labels(&selector());
    let pods = pods.list(&ours).await.map_err(|error| told::error("failed to list the pods", error))?;
    let told = |pod: &Pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        let place = node.map_or_else(String::new, |node| format!(" on {node}"));
        Some(format!("pod {}{place}: {}", pod.name_any(), trouble(pod)?))
    };
    let mut kept: Vec<String> = pods.iter().filter_map(told).collect();
    kept.sort();
    Ok(kept)
}

/// Why a pod does not run, in the words of scheduler, kubelet or runtime.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    if let Some(kept) = conditions.clone().find(|c| c.type_ == "PodScheduled" && c.status == "False") {
        return Some(format!("not scheduled: {}", kept.message.clone().unwrap_or_default()));
    }
    for container in status.container_statuses.iter().flatten().filter(|container| !container.ready) {
        let state = container.state.clone().unwrap_or_default();
        let ended = container.last_state.clone().unwrap_or_default().terminated;
        let code = ended.map_or_else(String::new, |ended| format!(", last ended with {}", ended.exit_code));
        if let Some(waiting) = state.waiting {
            let message = waiting.message.unwrap_or_default();
            return Some(
                format!("{}{code} {message}", waiting.reason.unwrap_or_default()).trim_end().to_owned(),
            );
        }
    }
    let ready = conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True");
    (!ready).then(|| "runs, and is not ready yet".to_owned())
}
