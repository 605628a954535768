//! What one node is to have, and what its agent says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use flyover_api::resource::{ConditionType, Lane, LaneStatus, NodeState, Wanted};
use flyover_plan::placement::{Candidate, Holder, Verdict, winners};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::api::Api;
use serde::Serialize;

use super::super::connect::Connect;
use super::super::format::Formatted;
use super::super::seen::{self, Resource, is_cordoned};
use super::super::told;
use crate::cli::fault::{Exit, Fault};

/// `kubectl flyover explain node`.
#[derive(Debug, Args)]
pub(crate) struct OfNode {
    /// The node's name.
    node: String,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    formatted: Formatted,
}

/// A node, and what is not to be seen of it alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    name: String,
    /// Nothing new is scheduled on it.
    cordoned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<NodeState>,
    /// Who else wants a lane of it, and what of a wish is not here yet.
    remarks: BTreeMap<Lane, Vec<String>>,
}

impl OfNode {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client().await?.client;
        let node = Api::<Node>::all(client.clone()).get_opt(&self.node).await;
        let node = node.map_err(|error| told::error("failed to read the node", error))?;
        let state = Api::<NodeState>::all(client.clone()).get_opt(&self.node).await;
        let state = state.map_err(|error| told::error("failed to read the node's state", error))?;
        let remarks = remarks(node.as_ref(), state.as_ref(), &seen::resources(&client).await?);
        if state.is_none() && remarks.is_empty() {
            return Err(Fault::new(Exit::Failed, format!("nothing is asked of node `{}`", self.node))
                .hint("is it the name of a node (`kubectl get nodes`), and does a resource select it?")
                .into());
        }
        let cordoned = node.as_ref().is_some_and(is_cordoned);
        let explained = Explained { name: self.node, cordoned, state, remarks };
        self.formatted.show(&explained, |_| table(&explained))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// By lane: who else wants it, and what of a wish is not here yet, and why.
fn remarks(
    node: Option<&Node>,
    state: Option<&NodeState>,
    resources: &[Resource],
) -> BTreeMap<Lane, Vec<String>> {
    let there = resources.iter().filter(|resource| !resource.deleting);
    let candidates: Vec<Candidate<'_>> = there
        .map(|each| Candidate { lane: each.lane, name: &each.name, placement: &each.placement })
        .collect();
    let names: Vec<String> = node.iter().map(|node| node.name_any()).collect();
    let verdicts = winners(&candidates, names.iter().map(String::as_str).zip(node.map(ResourceExt::labels)));
    let wanted = |lane: &Lane| state.and_then(|state| state.spec.lanes.get(lane)?.wanted.as_ref());
    let of_lane = |((lane, _), verdict): ((Lane, String), Verdict)| {
        let mut remarks = Vec::new();
        match &verdict.holder {
            Holder::Conflict(tied) => remarks.push(format!(
                "{} want it with the same priority: it stays as it is until one has another (spec.priority)",
                list(lane, tied)
            )),
            Holder::Winner(winner) => {
                let resource = resources.iter().find(|each| each.lane == lane && each.name == *winner);
                remarks.extend(resource.and_then(|resource| not_here(resource, wanted(&lane))));
            }
        }
        if !verdict.losers.is_empty() {
            remarks.push(format!("wanted with a lower priority also by {}", list(lane, &verdict.losers)));
        }
        (lane, remarks)
    };
    verdicts.into_iter().map(of_lane).filter(|(_, remarks)| !remarks.is_empty()).collect()
}

fn list(lane: Lane, names: &BTreeSet<String>) -> String {
    names.iter().map(|name| lane.title(name)).collect::<Vec<_>>().join(" and ")
}

/// What the node has not of a resource that is to have it, and why.
fn not_here(resource: &Resource, wanted: Option<&Wanted>) -> Option<String> {
    let (title, status) = (resource.title(), &resource.status);
    if status.observed_generation < Some(resource.generation) {
        return Some(format!("the operator has not looked at the newest spec of {title} yet"));
    }
    let newest = &status.rollout.hash;
    if newest.is_empty()
        || wanted.is_some_and(|wanted| wanted.from == resource.name && wanted.hash == *newest)
    {
        return None;
    }
    let moves = status.conditions.iter().find(|condition| condition.kind == ConditionType::Progressing);
    let why = match (&status.rollout.halted, moves) {
        (Some(halt), _) => format!("it failed on {}: {}", halt.node, halt.message),
        (None, Some(moves)) => format!("{}: {}", moves.reason, moves.message),
        (None, None) => "nothing is said of why".to_owned(),
    };
    Some(format!("the newest spec of {title} is not here: {why}"))
}

fn table(explained: &Explained) -> String {
    let state = explained.state.clone().unwrap_or_default();
    let status = state.status.unwrap_or_default();
    let cordoned = if explained.cordoned { ", cordoned" } else { "" };
    let mut text = match status.version.as_str() {
        "" => format!("node {}{cordoned}: no agent has said anything\n", explained.name),
        version => format!(
            "node {}{cordoned}: kernel {}, agent {version}, said at {}\n",
            explained.name, status.facts.kernel, status.reported
        ),
    };
    for lane in Lane::ALL {
        let (assigned, said) = (state.spec.lanes.get(&lane), status.lanes.get(&lane));
        let remarks = explained.remarks.get(&lane);
        let asked = match assigned {
            None if said.is_none() && remarks.is_none() => continue,
            None => "nothing is asked for".to_owned(),
            Some(assignment) => assignment
                .wanted
                .as_ref()
                .map_or_else(|| "all is to be taken back".to_owned(), |wanted| lane.title(&wanted.from)),
        };
        let _infallible = writeln!(text, "\n{lane}: {asked}");
        for remark in remarks.into_iter().flatten() {
            let _infallible = writeln!(text, "  note: {remark}");
        }
        match said {
            Some(said) => lane_told(&mut text, said),
            None if assigned.is_some() => text.push_str("  the agent has said nothing of it\n"),
            None => {}
        }
    }
    text
}

fn lane_told(text: &mut String, said: &LaneStatus) {
    let _infallible = writeln!(text, "  {:?}: {}", said.phase, said.message);
    if let Some(plan) = &said.plan {
        let _infallible = writeln!(text, "  plan, {} steps:", plan.count);
        for step in &plan.steps {
            let _infallible = writeln!(text, "    {step}");
        }
        if let Some(why) = &plan.reboot {
            let _infallible = writeln!(text, "    reboots: {why}");
        }
    }
    for (title, lines) in
        [("other than asked for", &said.drift), ("journal", &said.journal), ("put back", &said.receipt)]
    {
        if !lines.is_empty() {
            let _infallible = writeln!(text, "  {title}:\n    {}", lines.join("\n    "));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resource(name: &str, placement: Value, status: Value) -> Resource {
        Resource {
            lane: Lane::FastPath,
            name: name.into(),
            deleting: false,
            generation: 2,
            placement: serde_json::from_value(placement).unwrap(),
            status: serde_json::from_value(status).unwrap(),
        }
    }

    fn told(resources: &[Resource]) -> String {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n1"}, "spec": {"unschedulable": true}}))
                .unwrap();
        let wanted = json!({"from": "old", "generation": 1, "hash": "h1", "spec": {}});
        let lanes = json!({"lanes": {"fastPath": {"allow": "link", "wanted": wanted}}});
        let state = NodeState::new("n1", serde_json::from_value(lanes).unwrap());
        let remarks = remarks(Some(&node), Some(&state), resources);
        let name = "n1".to_owned();
        table(&Explained { name, cordoned: is_cordoned(&node), state: Some(state), remarks })
    }

    #[test]
    fn why_a_newer_spec_is_not_here_is_said() {
        let halted = json!({"hash": "h2", "node": "n2", "message": "no such uplink"});
        for (rollout, generation, said) in [
            (json!({"hash": "h1"}), 2, ""),
            (json!({"hash": "h2", "halted": halted}), 2, "is not here: it failed on n2: no such uplink\n"),
            (json!({"hash": "h2"}), 2, "is not here: Paused: it is paused\n"),
            (
                json!({"hash": "h1"}),
                1,
                "the operator has not looked at the newest spec of FastPath/old yet\n",
            ),
        ] {
            let condition = json!({"type": "Progressing", "status": "False", "reason": "Paused",
                "message": "it is paused", "lastTransitionTime": "t"});
            let status =
                json!({"observedGeneration": generation, "rollout": rollout, "conditions": [condition]});
            let text = told(&[resource("old", json!({}), status)]);
            assert!(text.starts_with("node n1, cordoned: no agent has said anything\n"), "{text}");
            let notes: String = text.lines().filter(|line| line.contains("note:")).collect();
            assert!(format!("{notes}\n").ends_with(said) && notes.is_empty() == said.is_empty(), "{text}");
        }
    }

    #[test]
    fn who_else_wants_the_node_is_named() {
        let status = json!({"observedGeneration": 2});
        let rivals = |old: i32, new: i32| {
            told(
                &[("old", old), ("new", new)]
                    .map(|(name, priority)| resource(name, json!({"priority": priority}), status.clone())),
            )
        };
        let tied = "note: FastPath/new and FastPath/old want it with the same priority: it stays as it is";
        assert!(rivals(0, 0).contains(tied), "{}", rivals(0, 0));
        let lower = "note: wanted with a lower priority also by FastPath/new\n";
        assert!(rivals(1, 0).contains(lower), "{}", rivals(1, 0));
    }
}
