//! What carries the packets of a pod's interfaces: the pod and its node's state, read and put together.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use flyover_api::resource::NodeState;
use flyover_fastpath::view::PodFlows;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use serde_json::Value;

use super::super::connect::Connect;
use super::super::format::Formatted;
use super::super::told;
use super::flows;
use super::paths::{FAST_PATH, Network, Path, Plugin, paths};
use crate::cli::fault::{Exit, Fault};

/// Conversations that a person reads.
const MOST: usize = 20;

/// `kubectl flyover explain pod`.
#[derive(Debug, Args)]
pub(crate) struct OfPod {
    /// The pod: NAMESPACE/NAME, or NAME in the namespace of -n or of the context.
    pod: String,
    #[command(flatten)]
    connect: Connect,
    /// The pod's namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    formatted: Formatted,
}

impl OfPod {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let connected = self.connect.client().await?;
        let client = connected.client;
        let fallback = self.namespace.unwrap_or(connected.namespace);
        let (namespace, name) = self.pod.split_once('/').unwrap_or((&fallback, &self.pod));
        let found = Api::<Pod>::namespaced(client.clone(), namespace).get_opt(name).await;
        let found =
            found.map_err(|error| told::error(&format!("failed to read pod {namespace}/{name}"), error))?;
        let Some(pod) = found else {
            return Err(Fault::new(Exit::Failed, format!("there is no pod {namespace}/{name}"))
                .hint(format!("`kubectl get pods -n {namespace}` lists those there are"))
                .into());
        };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let state = match &node {
            Some(node) => Api::<NodeState>::all(client.clone()).get_opt(node).await,
            None => Ok(None),
        };
        let state = state.map_err(|error| told::error("failed to read the node's state", error))?;
        let networks = networks(&client, &pod, namespace).await?;
        let mut paths = paths(&pod, state.as_ref(), &networks);
        for path in paths.iter_mut().filter(|path| path.carried_by == FAST_PATH) {
            match flows::ask(&client, node.as_deref().unwrap_or_default(), &pod).await {
                Ok(flows) => path.flows = Some(flows),
                Err(why) => path.flows_unknown = Some(why),
            }
        }
        self.formatted.show(&paths, |_| table(&format!("{namespace}/{name}"), node.as_deref(), &paths))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(pod: &str, node: Option<&str>, paths: &[Path]) -> String {
    let mut text = format!("pod {pod} on {}\n", node.unwrap_or("no node yet"));
    for path in paths {
        let _infallible = writeln!(text, "\n{} ({}): {}", path.interface, path.network, path.carried_by);
        let _infallible = writeln!(text, "  {}", path.why);
        if let Some(change) = &path.change {
            let _infallible = writeln!(text, "  to change: {change}");
        }
        if let Some(why) = &path.flows_unknown {
            let _infallible = writeln!(text, "  its flows of this moment are not known: {why}");
        }
        if let Some(flows) = &path.flows {
            conversations(&mut text, flows);
        }
    }
    text
}

fn conversations(text: &mut String, flows: &PodFlows) {
    let (fast, slow) = (flows.accelerated, flows.slow);
    let _infallible =
        writeln!(text, "  of its flows, {fast} are bypassed at this moment, and {slow} are not");
    for flow in flows.some.iter().take(MOST) {
        let verdict = if flow.accelerated { "bypassed" } else { "not bypassed" };
        let _infallible = writeln!(text, "    {}: {verdict}", flow.subject);
        for why in &flow.because {
            let _infallible = writeln!(text, "      {why}");
        }
    }
    let more = (fast + slow).saturating_sub(flows.some.len().min(MOST));
    if more > 0 {
        let _infallible = writeln!(text, "    and {more} more");
    }
}

/// The networks that the pod asks for beside its first, with the type of their plugin.
async fn networks(client: &Client, pod: &Pod, home: &str) -> anyhow::Result<Vec<Network>> {
    let asked =
        pod.metadata.annotations.iter().flatten().find(|(key, _)| *key == "k8s.v1.cni.cncf.io/networks");
    let mut networks = Vec::new();
    for (namespace, name) in asked.map(|(_, text)| names(text, home)).unwrap_or_default() {
        let resource = ApiResource {
            group: "k8s.cni.cncf.io".into(),
            version: "v1".into(),
            api_version: "k8s.cni.cncf.io/v1".into(),
            kind: "NetworkAttachmentDefinition".into(),
            plural: "network-attachment-definitions".into(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
        let found = match api.get_opt(&name).await {
            Err(error) if told::is_absent(&error) => None,
            found => found
                .map_err(|error| told::error(&format!("failed to read network {namespace}/{name}"), error))?,
        };
        let plugins = found.map(|network| plugins(&network.data["spec"]["config"]));
        networks.push(Network { name: format!("{namespace}/{name}"), plugins });
    }
    Ok(networks)
}

/// The annotation is a list of names, or JSON.
fn names(text: &str, home: &str) -> Vec<(String, String)> {
    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
        let text = |item: &Value, key: &str| item[key].as_str().map(str::to_owned);
        let one = |item: &Value| {
            Some((text(item, "namespace").unwrap_or_else(|| home.into()), text(item, "name")?))
        };
        return items.iter().filter_map(one).collect();
    }
    let items = text.split(',').map(|item| item.trim().split('@').next().unwrap_or_default());
    let pair = |item: &str| {
        item.split_once('/').map_or((home.into(), item.to_owned()), |(n, i)| (n.into(), i.into()))
    };
    items.filter(|item| !item.is_empty()).map(pair).collect()
}

/// The plugins in a network's configuration.
fn plugins(config: &Value) -> Vec<Plugin> {
    let config: Value = config.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let list = config["plugins"].as_array().cloned().unwrap_or_else(|| vec![config.clone()]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let plugin = |plugin: &Value| {
        Some(Plugin { kind: text(&plugin["type"])?, bridge: text(&plugin["host"]["bridge"]["bridgeName"]) })
    };
    list.iter().filter_map(plugin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_named_in_both_forms() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(names("a/net1@eth5, net2", "home"), [pair("a", "net1"), pair("home", "net2")]);
        assert_eq!(
            names(r#"[{"name":"net1","namespace":"a"},{"name":"net2"}]"#, "home"),
            [pair("a", "net1"), pair("home", "net2")]
        );
    }
}
