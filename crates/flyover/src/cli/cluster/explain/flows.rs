//! A pod's conversations and which of them are bypassed at this moment: its node's agent is asked, by a command in its pod.

use std::net::IpAddr;
use std::time::Duration;

use flyover_fastpath::view::PodFlows;
use flyover_render::install::{AGENT, NAME, selector};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, ListParams};
use kube::{Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// More than any answer has.
const MOST: u64 = 1 << 20;

/// What the agent of the node says, or why it is not known.
pub(super) async fn ask(client: &Client, node: &str, pod: &Pod) -> Result<PodFlows, String> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        // Its address may be another's by now.
        return Err("the pod has ended".to_owned());
    }
    let addresses = addresses(pod);
    if addresses.is_empty() {
        return Err("the pod has no address yet".to_owned());
    }
    let agents = ListParams::default()
        .labels(&format!("{},{NAME}={AGENT}", selector()))
        .fields(&format!("spec.nodeName={node},status.phase=Running"));
    // Anybody may label a pod like an agent, but not in the agents' namespace.
    let sets = ListParams::default().labels(&selector());
    let sets = Api::<DaemonSet>::all(client.clone()).list(&sets).await.map_err(|error| said(&error))?;
    let namespace = sets.items.iter().find(|set| set.name_any() == AGENT).and_then(ResourceExt::namespace);
    let api = Api::<Pod>::namespaced(client.clone(), &namespace.ok_or("there are no agents")?);
    let agents = api.list(&agents).await.map_err(|error| said(&error))?;
    let agent = agents.items.first().ok_or("no agent runs on the pod's node")?;
    let name = agent.name_any();
    let answer = tokio::time::timeout(PATIENCE, run(&api, &name, &addresses)).await;
    let answer = answer.map_err(|_| format!("the node's agent did not answer within {PATIENCE:?}"))??;
    serde_json::from_str(&answer).map_err(|error| format!("the agent's answer cannot be read: {error}"))
}

fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.clone().unwrap_or_default();
    status.pod_ips.into_iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect()
}

async fn run(api: &Api<Pod>, agent: &str, addresses: &[IpAddr]) -> Result<String, String> {
    let mut command = vec![AGENT.to_owned(), "flows".to_owned()];
    command.extend(addresses.iter().map(|address| format!("--address={address}")));
    let streams = AttachParams::default().container("agent").stdin(false);
    let mut process = api.exec(agent, command, &streams).await.map_err(|error| said(&error))?;
    let (out, err, status) = (process.stdout(), process.stderr(), process.take_status());
    let (out, err) = tokio::join!(read(out), read(err));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let status = status.unwrap_or_default();
    if status.status.as_deref() == Some("Success") {
        return Ok(out);
    }
    // Its own last word; where it did not come to speak, what kept it from that.
    let own = err.lines().last().map(str::to_owned);
    Err(own.or(status.message).unwrap_or_else(|| "the node's agent said nothing".to_owned()))
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What came before the connection broke says more than that it broke.
        let _read = stream.take(MOST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
