//! What is said of a cluster, from what is known of it: what is wrong first, and what to do about each.

use flyover_api::resource::{Condition, ConditionType, Lane, LanePhase, LaneStatus, NodeState, Truth};
use flyover_render::install::{AGENT, OPERATOR};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use serde::Serialize;

use super::super::install::{Count, SHOWN};
use super::super::seen::{Resource, Seen, is_cordoned};

/// What is said of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    /// Nothing is wrong.
    pub(super) healthy: bool,
    /// `2/2`: replicas of the operator that are ready.
    pub(super) operator: String,
    /// `5/5`: agents that are ready.
    pub(super) agents: String,
    /// What is wrong, the worst first.
    pub(super) wrong: Vec<Wrong>,
    /// What people wrote.
    pub(super) resources: Vec<OfResource>,
    /// The nodes; those with something wrong first.
    pub(super) nodes: Vec<OfNode>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Wrong {
    /// 0 is the worst.
    #[serde(skip)]
    rank: u8,
    /// Of what: `node n1, switch`.
    pub(super) of: String,
    /// One word.
    pub(super) reason: String,
    /// A sentence.
    pub(super) message: String,
    /// What to do next.
    pub(super) next: String,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfResource {
    pub(super) name: String,
    /// `3/5`: nodes that are as it says, of those that are its own.
    pub(super) nodes: String,
    pub(super) ready: Truth,
    pub(super) reason: String,
    pub(super) first_failing: Option<String>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfNode {
    pub(super) name: String,
    /// Nothing new is scheduled on it: a roll-out empties it, or an administrator wants it so.
    pub(super) cordoned: bool,
    /// By lane in the order of [`Lane::ALL`]: how far it is.
    pub(super) lanes: Vec<String>,
    pub(super) kernel: String,
    pub(super) version: String,
    /// When the agent said so.
    pub(super) reported: String,
    #[serde(skip)]
    pub(super) is_wrong: bool,
}

/// What is said of what was seen.
pub(super) fn view(seen: &Seen) -> View {
    let mut wrong = workloads(seen);
    wrong.extend(seen.resources.iter().flat_map(of_resource));
    wrong.extend(seen.states.iter().flat_map(of_state));
    wrong.extend(seen.nodes.iter().filter_map(|node| of_machine(node, &seen.states)));
    wrong.sort();
    let mut nodes: Vec<OfNode> = seen.states.iter().map(|state| node(state, seen)).collect();
    nodes.sort_by_key(|node| (!node.is_wrong, node.name.clone()));
    let count = |count: Option<Count>| count.map_or_else(|| "none".to_owned(), |count| count.to_string());
    View {
        healthy: wrong.is_empty(),
        operator: count(seen.operator),
        agents: count(seen.agents),
        wrong,
        resources: seen.resources.iter().map(resource).collect(),
        nodes,
    }
}

fn workloads(seen: &Seen) -> Vec<Wrong> {
    let told = |of: &str, name: &str, count: Option<Count>| {
        let message = match count {
            Some(count) if count.is_ready() => return None,
            Some(count) => {
                let kept = seen.kept.iter().filter(|pod| pod.contains(name)).take(SHOWN);
                kept.fold(format!("{count} are ready"), |told, pod| format!("{told}; {pod}"))
            }
            None => "there is none".to_owned(),
        };
        let next = match count {
            Some(_) => "kubectl get pods -A -l flyover.dev/installed",
            None => "kubectl flyover install",
        };
        Some(Wrong { rank: 0, of: of.into(), reason: "NotReady".into(), message, next: next.into() })
    };
    let nobody = seen.operator.filter(|count| count.wanted == 0).map(|_| Wrong {
        rank: 0,
        of: "operator".into(),
        reason: "Stopped".into(),
        message: "it is scaled to 0, so nobody carries out what is asked for".into(),
        next: "kubectl flyover install".into(),
    });
    let operator = told("operator", OPERATOR, seen.operator);
    let counted = [operator, told("agents", AGENT, seen.agents), nobody, missed(seen)];
    counted.into_iter().flatten().collect()
}

/// Nodes that are to have something, and no agent that would do it. How many agents are meant to run is the only word there is:
/// a selector or a taint keeps one from a node without a trace.
fn missed(seen: &Seen) -> Option<Wrong> {
    let agents = usize::try_from(seen.agents?.wanted).unwrap_or_default();
    let asked = |state: &&NodeState| state.spec.lanes.values().any(|lane| lane.wanted.is_some());
    // What is kept of a node that is gone waits for nobody.
    let there = |state: &&NodeState| seen.nodes.iter().any(|node| node.name_any() == state.name_any());
    let nodes = seen.states.iter().filter(asked).filter(there).count();
    (nodes > agents).then(|| Wrong {
        rank: 0,
        of: "agents".into(),
        reason: "NoAgent".into(),
        message: format!("{nodes} nodes are to have something, and agents are meant to run on {agents}"),
        next:
            "kubectl describe daemonset -A -l flyover.dev/installed (its nodeSelector), and the nodes' taints"
                .into(),
    })
}

fn of_resource(resource: &Resource) -> Vec<Wrong> {
    let (of, status) = (resource.title(), &resource.status);
    let mut wrong = Vec::new();
    if let Some(halted) = &status.rollout.halted {
        wrong.push(Wrong {
            rank: 1,
            of: of.clone(),
            reason: "Halted".into(),
            message: format!("goes to no further node, for it failed on {}: {}", halted.node, halted.message),
            next: format!("mend the spec (kubectl edit {of}), which begins it anew"),
        });
    }
    for blocked in &status.rollout.blocked {
        wrong.push(Wrong {
            rank: 3,
            of: of.clone(),
            reason: "Blocked".into(),
            message: format!("node {} could not be emptied: {}", blocked.node, blocked.by),
            next: "make room for the pod elsewhere, or delete it; it is tried again by itself".into(),
        });
    }
    let degraded =
        status.conditions.iter().find(|c| c.kind == ConditionType::Degraded && c.status == Truth::True);
    if let Some(degraded) = degraded.filter(|_| wrong.is_empty()) {
        wrong.push(Wrong {
            rank: 2,
            of: of.clone(),
            reason: degraded.reason.clone(),
            message: degraded.message.clone(),
            next: format!("kubectl describe {of}"),
        });
    }
    if let Some(stuck) = stuck(resource).filter(|_| wrong.is_empty()) {
        let next = format!("kubectl describe {of}");
        let (reason, message) = (stuck.reason.clone(), stuck.message.clone());
        wrong.push(Wrong { rank: 3, of, reason, message, next });
    }
    wrong
}

/// What keeps a resource from its nodes although nothing moves, and nobody meant it so.
fn stuck(resource: &Resource) -> Option<&Condition> {
    let of_kind = |kind| resource.status.conditions.iter().find(|condition| condition.kind == kind);
    let (ready, moves) = (of_kind(ConditionType::Ready)?, of_kind(ConditionType::Progressing)?);
    let rests = ready.status == Truth::False && moves.status == Truth::False && !resource.deleting;
    let meant = ready.reason == "Outranked" || moves.reason == "Paused";
    // Without a node there is nothing that could move.
    let told = if resource.status.nodes.desired == 0 { ready } else { moves };
    (rests && !meant).then_some(told)
}

fn of_state(state: &NodeState) -> Vec<Wrong> {
    let name = state.name_any();
    let lanes = state.status.iter().flat_map(|status| &status.lanes);
    let wrong = lanes.filter_map(|(lane, status)| {
        let rank = match status.phase {
            LanePhase::Failed => 1,
            LanePhase::Refused => 2,
            LanePhase::Drifted => 3,
            _ => return None,
        };
        Some(Wrong {
            rank,
            of: format!("node {name}, {lane}"),
            reason: if status.reason.is_empty() {
                format!("{:?}", status.phase)
            } else {
                status.reason.clone()
            },
            message: message(status),
            next: format!("kubectl flyover explain node {name}"),
        })
    });
    wrong.collect()
}

fn message(status: &LaneStatus) -> String {
    match status.drift.first() {
        Some(first) if status.message.is_empty() => first.clone(),
        _ => status.message.clone(),
    }
}

/// A machine that is away keeps what is to be done on it.
fn of_machine(node: &Node, states: &[NodeState]) -> Option<Wrong> {
    let name = node.name_any();
    states.iter().find(|state| state.name_any() == name)?;
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready")?;
    (ready.status != "True").then(|| Wrong {
        rank: 2,
        of: format!("node {name}"),
        reason: ready.reason.clone().unwrap_or_else(|| "NotReady".into()),
        message: ready.message.clone().unwrap_or_default(),
        next: format!("kubectl describe node {name}"),
    })
}

fn resource(resource: &Resource) -> OfResource {
    let ready = resource.status.conditions.iter().find(|condition| condition.kind == ConditionType::Ready);
    // What is said of an older spec is said of nothing that is asked for.
    let ready = ready.filter(|_| resource.status.observed_generation >= Some(resource.generation));
    let nodes = resource.status.nodes;
    OfResource {
        name: resource.title(),
        nodes: format!("{}/{}", nodes.ready, nodes.desired),
        ready: ready.map_or(Truth::Unknown, |ready| ready.status),
        reason: match ready {
            _ if resource.deleting => "Removing".into(),
            Some(ready) => ready.reason.clone(),
            None => "NotSeenYet".into(),
        },
        first_failing: resource.status.first_failing.clone(),
    }
}

fn node(state: &NodeState, seen: &Seen) -> OfNode {
    let status = state.status.clone().unwrap_or_default();
    let cordoned = seen.nodes.iter().filter(|node| is_cordoned(node));
    let phase = |lane: &Lane| match status.lanes.get(lane) {
        Some(of) => format!("{:?}{}", of.phase, older(state, *lane, &seen.resources)),
        None if state.spec.lanes.contains_key(lane) => "Unknown".to_owned(),
        None => "-".to_owned(),
    };
    OfNode {
        cordoned: cordoned.map(ResourceExt::name_any).any(|name| name == state.name_any()),
        name: state.name_any(),
        lanes: Lane::ALL.iter().map(phase).collect(),
        kernel: status.facts.kernel.clone(),
        version: status.version.clone(),
        reported: status.reported.clone(),
        is_wrong: !of_state(state).is_empty(),
    }
}

/// Where a node has not the newest spec of its resource: it was not its turn yet, or the newest one failed somewhere.
fn older(state: &NodeState, lane: Lane, resources: &[Resource]) -> &'static str {
    let Some(wanted) = state.spec.lanes.get(&lane).and_then(|of| of.wanted.as_ref()) else { return "" };
    let from = resources.iter().find(|resource| resource.lane == lane && resource.name == wanted.from);
    let newest = from.map(|resource| resource.status.rollout.hash.as_str()).filter(|hash| !hash.is_empty());
    if newest.is_some_and(|hash| hash != wanted.hash) { " (older spec)" } else { "" }
}

#[cfg(test)]
mod tests;
