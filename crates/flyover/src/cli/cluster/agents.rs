//! What a node's agent is asked by a command in its pod, which takes the right to `create` `pods/exec` there.

use std::collections::BTreeMap;
use std::time::Duration;

use flyover_render::install::{AGENT, NAME, selector};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess, ListParams};
use kube::{Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// More than any answer has.
const MOST: u64 = 1 << 20;

/// The agents that run.
pub(super) struct Agents {
    pods: Api<Pod>,
    /// The agent's pod, by its node.
    by_node: BTreeMap<String, String>,
}

impl Agents {
    /// Those of all nodes, or of one.
    pub(super) async fn find(client: &Client, node: Option<&str>) -> Result<Self, String> {
        // Anybody may label a pod like an agent, but not in the agents' namespace.
        let sets = ListParams::default().labels(&selector());
        let sets = Api::<DaemonSet>::all(client.clone()).list(&sets).await.map_err(|error| said(&error))?;
        let namespace =
            sets.items.iter().find(|set| set.name_any() == AGENT).and_then(ResourceExt::namespace);
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace.ok_or("there are no agents")?);
        let of_node = node.map_or_else(String::new, |node| format!(",spec.nodeName={node}"));
        let agents = ListParams::default()
            .labels(&format!("{},{NAME}={AGENT}", selector()))
            .fields(&format!("status.phase=Running{of_node}"));
        let agents = pods.list(&agents).await.map_err(|error| said(&error))?;
        let named = |pod: Pod| Some((pod.spec.as_ref()?.node_name.clone()?, pod.name_any()));
        Ok(Self { pods, by_node: agents.items.into_iter().filter_map(named).collect() })
    }

    /// Has the agent of a node run a question, with a line of input where it reads one, and gives its answer or why there is none.
    pub(super) async fn ask(
        &self,
        node: &str,
        question: Vec<String>,
        line: Option<&str>,
    ) -> Result<String, String> {
        let agent = self.by_node.get(node).ok_or_else(|| format!("no agent runs on node {node}"))?;
        let command = std::iter::once(AGENT.to_owned()).chain(question);
        let streams = AttachParams::default().container("agent").stdin(line.is_some());
        let run = async {
            let process = self.pods.exec(agent, command, &streams).await.map_err(|error| said(&error))?;
            answer(process, line).await
        };
        let answer = tokio::time::timeout(PATIENCE, run).await;
        answer.map_err(|_| format!("the node's agent did not answer within {PATIENCE:?}"))?
    }
}

async fn answer(mut process: AttachedProcess, line: Option<&str>) -> Result<String, String> {
    if let (Some(line), Some(mut input)) = (line, process.stdin()) {
        // Its end is not told to the other side by each version of the protocol: the line's is.
        let sent = async {
            input.write_all(format!("{line}\n").as_bytes()).await?;
            input.flush().await
        };
        sent.await.map_err(|error| format!("the question could not be sent: {error}"))?;
    }
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
