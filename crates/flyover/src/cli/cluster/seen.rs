//! What the API server knows of Flyover, read once.

use flyover_api::resource::{FastPath, Lane, NodeProfile, NodeState, Placement, ResourceStatus, Switch};
use flyover_render::install::selector;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;

use super::install::{Count, kept, of_daemons, of_deployment};
use super::told;

/// What the API server knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The operator's replicas; none if there is no operator.
    pub(super) operator: Option<Count>,
    /// The agents.
    pub(super) agents: Option<Count>,
    /// Pods of theirs that are not ready, and why.
    pub(super) kept: Vec<String>,
    /// What people wrote.
    pub(super) resources: Vec<Resource>,
    /// What nodes are to have, and have.
    pub(super) states: Vec<NodeState>,
    /// All nodes.
    pub(super) nodes: Vec<Node>,
}

/// What somebody wrote.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) lane: Lane,
    pub(super) name: String,
    pub(super) deleting: bool,
    /// How often its spec was changed.
    pub(super) generation: i64,
    pub(super) placement: Placement,
    pub(super) status: ResourceStatus,
}

impl Resource {
    /// `FastPath/all`.
    pub(super) fn title(&self) -> String {
        self.lane.title(&self.name)
    }
}

/// Whether nothing new is scheduled on a node, by whoever's wish.
pub(super) fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default()
}

/// Reads all of it.
pub(super) async fn look(client: &Client) -> anyhow::Result<Seen> {
    let ours = ListParams::default().labels(&selector());
    let deployments: Vec<Deployment> = list(client, "the operator", &ours).await?;
    let daemons: Vec<DaemonSet> = list(client, "the agents", &ours).await?;
    let mut nodes: Vec<Node> = list(client, "the nodes", &ListParams::default()).await?;
    let mut states: Vec<NodeState> = list(client, "the nodes' states", &ListParams::default()).await?;
    nodes.sort_by_key(ResourceExt::name_any);
    states.sort_by_key(ResourceExt::name_any);
    let (operator, agents) = (deployments.first().map(of_deployment), daemons.first().map(of_daemons));
    let all_ready = operator.iter().chain(&agents).all(|count| count.is_ready());
    let kept = if all_ready { Vec::new() } else { kept(Api::all(client.clone())).await? };
    Ok(Seen { operator, agents, kept, resources: resources(client).await?, states, nodes })
}

/// All that people wrote, by kind and name.
pub(super) async fn resources(client: &Client) -> anyhow::Result<Vec<Resource>> {
    let all = ListParams::default();
    let mut found = Vec::new();
    for each in list::<NodeProfile>(client, "the profiles", &all).await? {
        found.push(resource(Lane::Profile, &each, &each.spec.placement, each.status.as_ref()));
    }
    for each in list::<FastPath>(client, "the fast paths", &all).await? {
        found.push(resource(Lane::FastPath, &each, &each.spec.placement, each.status.as_ref()));
    }
    for each in list::<Switch>(client, "the switches", &all).await? {
        found.push(resource(Lane::Switch, &each, &each.spec.placement, each.status.as_ref()));
    }
    found.sort_by(|a, b| (a.lane, &a.name).cmp(&(b.lane, &b.name)));
    Ok(found)
}

fn resource(
    lane: Lane,
    object: &impl ResourceExt,
    placement: &Placement,
    status: Option<&ResourceStatus>,
) -> Resource {
    Resource {
        lane,
        name: object.name_any(),
        deleting: object.meta().deletion_timestamp.is_some(),
        generation: object.meta().generation.unwrap_or_default(),
        placement: placement.clone(),
        status: status.cloned().unwrap_or_default(),
    }
}

/// All objects of a kind.
pub(super) async fn list<K>(client: &Client, what: &str, params: &ListParams) -> anyhow::Result<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let found = Api::<K>::all(client.clone()).list(params).await;
    Ok(found.map_err(|error| told::error(&format!("failed to list {what}"), error))?.items)
}
