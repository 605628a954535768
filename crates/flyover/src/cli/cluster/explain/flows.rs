//! A pod's conversations and which of them are bypassed at this moment: its node's agent is asked, by a command in its pod.

use std::net::IpAddr;

use flyover_fastpath::view::PodFlows;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;

use super::super::agents::Agents;

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
    let agents = Agents::find(client, Some(node)).await?;
    let mut command = vec!["flows".to_owned()];
    command.extend(addresses.iter().map(|address| format!("--address={address}")));
    let answer = agents.ask(node, command, None).await?;
    serde_json::from_str(&answer).map_err(|error| format!("the agent's answer cannot be read: {error}"))
}

fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.clone().unwrap_or_default();
    status.pod_ips.into_iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect()
}
