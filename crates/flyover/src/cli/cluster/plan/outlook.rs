//! Which nodes resources would get, and what is known of what they would do there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flyover_api::resource::{Lane, NodeState};
use flyover_plan::placement::{Candidate, Holder, Verdict, winners};
use kube::ResourceExt;
use serde::Serialize;

use super::super::seen::Seen;
use super::{Proposed, boot};

/// What would be of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outlook {
    #[serde(skip)]
    pub(super) lane: Lane,
    pub(super) resource: String,
    /// How it would come to its nodes.
    rollout: String,
    pub(super) nodes: Vec<OnNode>,
}

/// What would be on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnNode {
    pub(super) node: String,
    /// A sentence.
    pub(super) what: String,
    /// Its beginning, where something changes that the node's agent can be asked of.
    #[serde(skip)]
    pub(super) gets: Option<String>,
    /// Steps that are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<String>,
    /// Why it would reboot, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reboot: Option<String>,
    /// What somebody should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// The node's agent would refuse it.
    pub(super) refuses: bool,
}

impl OnNode {
    pub(super) fn plain(node: &str, what: String) -> Self {
        let (steps, notes) = (Vec::new(), Vec::new());
        Self { node: node.into(), what, gets: None, steps, reboot: None, notes, refuses: false }
    }
}

/// What would be of each.
pub(super) fn outlook(proposed: &[Proposed], seen: &Seen) -> Vec<Outlook> {
    let is_proposed = |lane, name: &str| proposed.iter().any(|new| new.lane == lane && new.name == name);
    let stay = seen.resources.iter().filter(|old| !old.deleting && !is_proposed(old.lane, &old.name));
    let stay = stay.map(|old| Candidate { lane: old.lane, name: &old.name, placement: &old.placement });
    let new =
        proposed.iter().map(|new| Candidate { lane: new.lane, name: &new.name, placement: &new.placement });
    let candidates: Vec<Candidate<'_>> = stay.chain(new).collect();
    let names: Vec<String> = seen.nodes.iter().map(ResourceExt::name_any).collect();
    let nodes = names.iter().map(String::as_str).zip(seen.nodes.iter().map(ResourceExt::labels));
    let verdicts = winners(&candidates, nodes);
    proposed.iter().map(|new| of(new, &verdicts, seen)).collect()
}

fn of(new: &Proposed, verdicts: &BTreeMap<(Lane, String), Verdict>, seen: &Seen) -> Outlook {
    let ours = verdicts.iter().filter(|((lane, _), _)| *lane == new.lane);
    let mut nodes: Vec<OnNode> =
        ours.filter_map(|((_, node), verdict)| on_node(new, node, verdict, seen)).collect();
    let left = seen.states.iter().filter(|state| has(state, new)).map(ResourceExt::name_any);
    let left: Vec<String> = left.filter(|name| !nodes.iter().any(|told| told.node == *name)).collect();
    nodes.extend(left.into_iter().map(|node| leaves(new, node, verdicts)));
    let rollout = &new.placement.rollout;
    let most = match &rollout.max_unavailable {
        flyover_api::resource::MaxUnavailable::Count(count) => count.to_string(),
        flyover_api::resource::MaxUnavailable::Share(share) => share.clone(),
    };
    let paused = if rollout.pause { "; paused, so no node gets it yet" } else { "" };
    Outlook {
        lane: new.lane,
        resource: new.lane.title(&new.name),
        rollout: format!("{} first, then at most {most} down at a time{paused}", rollout.canary),
        nodes,
    }
}

/// Whether the node has the resource now.
fn has(state: &NodeState, new: &Proposed) -> bool {
    let assigned = state.spec.lanes.get(&new.lane).and_then(|assigned| assigned.wanted.as_ref());
    assigned.is_some_and(|wanted| wanted.from == new.name)
}

/// What becomes of a node that has it and that it would select no longer.
fn leaves(new: &Proposed, node: String, verdicts: &BTreeMap<(Lane, String), Verdict>) -> OnNode {
    let what = match verdicts.get(&(new.lane, node.clone())).map(|verdict| &verdict.holder) {
        Some(Holder::Winner(winner)) => format!("no longer selected: goes over to {winner}"),
        Some(Holder::Conflict(_)) => "no longer selected, and others contend for it: stays as it is".into(),
        None => "no longer selected: what it has is taken back, waiting before pods are disturbed".into(),
    };
    OnNode::plain(&node, what)
}

fn on_node(new: &Proposed, node: &str, verdict: &Verdict, seen: &Seen) -> Option<OnNode> {
    let plain = |what: String| OnNode::plain(node, what);
    let state = seen.states.iter().find(|state| state.name_any() == node);
    match &verdict.holder {
        Holder::Winner(winner) if *winner == new.name => Some(won(new, node, state)),
        Holder::Winner(winner) if verdict.losers.contains(&new.name) => {
            let how = if state.is_some_and(|state| has(state, new)) { "goes over to" } else { "stays with" };
            Some(plain(format!("{how} {winner}, which has a higher priority")))
        }
        Holder::Conflict(tied) if tied.contains(&new.name) => {
            let others: Vec<&str> =
                tied.iter().map(String::as_str).filter(|name| *name != new.name).collect();
            Some(plain(format!(
                "refused: {} has the same priority; the node stays as it is",
                others.join(", ")
            )))
        }
        Holder::Conflict(_) if verdict.losers.contains(&new.name) => {
            Some(plain("stays as it is: others with a higher priority contend for it".into()))
        }
        _ => None,
    }
}

fn won(new: &Proposed, node: &str, state: Option<&NodeState>) -> OnNode {
    let assigned = state.and_then(|state| state.spec.lanes.get(&new.lane));
    let now = assigned.and_then(|assigned| assigned.wanted.as_ref());
    let status = state.and_then(|state| state.status.as_ref()?.lanes.get(&new.lane));
    let same = now.is_some_and(|now| now.spec == new.spec);
    let plan = status.filter(|_| same).and_then(|status| status.plan.clone());
    let gets = match now {
        Some(_) if same => None,
        Some(now) if now.from == new.name => Some("gets the change".to_owned()),
        Some(now) => Some(format!("changes from {}", now.from)),
        None => Some("gets it".to_owned()),
    };
    let what = match (&gets, status) {
        (Some(gets), _) => format!("{gets}; its agent plans it, and waits before it disturbs pods"),
        (None, Some(status)) => {
            let message =
                if status.message.is_empty() { String::new() } else { format!(": {}", status.message) };
            format!("has this spec already, {:?}{message}", status.phase)
        }
        (None, None) => "has this spec already, and its agent has not said anything of it".into(),
    };
    OnNode {
        gets,
        steps: plan.as_ref().map(|plan| plan.steps.clone()).unwrap_or_default(),
        reboot: plan.map_or_else(|| boot::needed(new), |plan| plan.reboot),
        ..OnNode::plain(node, what)
    }
}

/// As people read it.
pub(super) fn table(outlooks: &[Outlook]) -> String {
    let mut text = String::new();
    for outlook in outlooks {
        let _infallible = writeln!(text, "{}: {}", outlook.resource, outlook.rollout);
        for node in &outlook.nodes {
            let _infallible = writeln!(text, "  {}: {}", node.node, node.what);
            for step in &node.steps {
                let _infallible = writeln!(text, "    {step}");
            }
            if let Some(why) = &node.reboot {
                let _infallible = writeln!(text, "    reboots: {why}");
            }
            for note in &node.notes {
                let _infallible = writeln!(text, "    note: {note}");
            }
        }
        if outlook.nodes.is_empty() {
            let _infallible = writeln!(
                text,
                "  selects no node: see spec.nodeSelector and `kubectl get nodes --show-labels`"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;

    use super::super::super::seen::Resource;
    use super::*;

    fn proposed(priority: i32) -> Proposed {
        let placement = json!({"nodeSelector": {"role": "fast"}, "priority": priority});
        let placement = serde_json::from_value(placement).unwrap();
        let spec = json!({"leaseMs": 1000}).as_object().unwrap().clone();
        Proposed { lane: Lane::FastPath, name: "new".into(), placement, spec }
    }

    /// What is there already, for the same nodes.
    fn rival() -> Resource {
        let placement = serde_json::from_value(json!({"nodeSelector": {"role": "fast"}})).unwrap();
        Resource {
            lane: Lane::FastPath,
            name: "old".into(),
            deleting: false,
            generation: 1,
            placement,
            status: flyover_api::resource::ResourceStatus::default(),
        }
    }

    fn cluster() -> Seen {
        let node = |name: &str, role: &str| -> Node {
            serde_json::from_value(json!({"metadata": {"name": name, "labels": {"role": role}}})).unwrap()
        };
        let state = NodeState::new(
            "n1",
            serde_json::from_value(json!({"lanes": {"fastPath": {"allow": "link",
            "wanted": {"from": "new", "generation": 1, "hash": "h", "spec": {"leaseMs": 1000}}}}}))
            .unwrap(),
        );
        Seen {
            nodes: vec![node("n1", "fast"), node("n2", "fast"), node("n3", "slow")],
            states: vec![state],
            ..Seen::default()
        }
    }

    #[test]
    fn a_node_that_has_the_spec_is_told_from_one_that_gets_it() {
        assert_eq!(
            table(&outlook(&[proposed(0)], &cluster())),
            "FastPath/new: 1 first, then at most 1 down at a time\n  \
             n1: has this spec already, and its agent has not said anything of it\n  \
             n2: gets it; its agent plans it, and waits before it disturbs pods\n"
        );
    }

    #[test]
    fn who_has_a_node_by_priority_is_said_of_both_its_nodes() {
        let seen = Seen { resources: vec![rival()], ..cluster() };
        let told = |priority| -> Vec<String> {
            outlook(&[proposed(priority)], &seen)[0].nodes.iter().map(|on| on.what.clone()).collect()
        };
        assert_eq!(
            told(-1),
            ["goes over to old, which has a higher priority", "stays with old, which has a higher priority"]
        );
        let tied = "refused: old has the same priority; the node stays as it is";
        assert_eq!(told(0), [tied; 2]);
        assert!(told(1)[1].starts_with("gets it;"), "{:?}", told(1));
    }

    #[test]
    fn a_node_that_is_no_longer_selected_is_named() {
        let mut narrow = [proposed(0)];
        narrow[0].placement.node_selector.insert("role".into(), "slow".into());
        let text = table(&outlook(&narrow, &cluster()));
        assert!(text.contains("n1: no longer selected: what it has is taken back"), "{text}");
        let seen = Seen { resources: vec![rival()], ..cluster() };
        let text = table(&outlook(&narrow, &seen));
        assert!(text.contains("n1: no longer selected: goes over to old"), "{text}");
    }
}
