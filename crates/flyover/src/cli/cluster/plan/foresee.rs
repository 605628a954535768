//! What the agents of the nodes answer when they are asked what a spec would take there.

use std::sync::Arc;

use flyover_api::resource::{Foresight, Lane};
use flyover_core::Disturbance;
use kube::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::agents::Agents;
use super::Proposed;
use super::outlook::{OnNode, Outlook};

/// So many are asked at the same time.
const AT_ONCE: usize = 8;

/// Has the first nodes' agents asked that would get something, and puts what they answer in its place.
pub(super) async fn ask(client: &Client, proposed: &[Proposed], outlooks: &mut [Outlook], most: usize) {
    let nobody = !outlooks.iter().flat_map(|outlook| &outlook.nodes).any(|node| node.gets.is_some());
    if most == 0 || nobody {
        return;
    }
    let agents = Agents::find(client, None).await.map(Arc::new);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for (at, (new, outlook)) in proposed.iter().zip(&mut *outlooks).enumerate() {
        let line = serde_json::to_string(&new.spec).expect("a spec has string keys only");
        let question =
            ["foresee".to_owned(), format!("--kind={}", new.lane.kind()), format!("--name={}", new.name)];
        for (on, node) in outlook.nodes.iter().enumerate().filter(|(_, node)| node.gets.is_some()).take(most)
        {
            let (agents, room) = (agents.clone(), Arc::clone(&room));
            let (name, question, line) = (node.node.clone(), question.to_vec(), line.clone());
            asked.spawn(async move {
                let _turn = room.acquire().await;
                let answer = match agents {
                    Ok(agents) => agents.ask(&name, question, Some(&line)).await,
                    Err(why) => Err(why),
                };
                (at, on, answer)
            });
        }
    }
    while let Some(answered) = asked.join_next().await {
        // A task that died leaves what is said without it.
        let Ok((at, on, answer)) = answered else { continue };
        let read =
            |answer: String| serde_json::from_str(&answer).map_err(|_| "its answer cannot be read".into());
        let first = below(&proposed[at], &outlooks[at].nodes[on].node, outlooks);
        told(&mut outlooks[at].nodes[on], answer.and_then(read), first.as_deref());
    }
}

/// The proposed resource that the node gets before, and that may make room for this one.
fn below(new: &Proposed, node: &str, outlooks: &[Outlook]) -> Option<String> {
    let comes = |one: &&Outlook| one.nodes.iter().any(|on| on.node == node && on.gets.is_some());
    let profile = outlooks.iter().filter(|one| one.lane == Lane::Profile && new.lane != Lane::Profile);
    profile.filter(comes).map(|one| one.resource.clone()).next()
}

fn told(node: &mut OnNode, answer: Result<Foresight, String>, below: Option<&str>) {
    let Some(gets) = &node.gets else { return };
    match answer {
        Ok(Foresight::Fits { plan: Some(plan), needs, notes }) => {
            let steps = if plan.count == 1 { "step" } else { "steps" };
            node.what = format!("{gets}: {} {steps}; {}", plan.count, noticed(needs));
            node.steps = plan.steps;
            let more = usize::try_from(plan.count).unwrap_or(usize::MAX).saturating_sub(node.steps.len());
            node.steps.extend((more > 0).then(|| format!("and {more} more")));
            (node.reboot, node.notes) = (plan.reboot, notes);
        }
        Ok(Foresight::Fits { plan: None, notes, .. }) => {
            node.what = format!("{gets}: all is so already");
            (node.reboot, node.notes) = (None, notes);
        }
        Ok(Foresight::Refused { why, impossible }) => {
            node.refuses = !impossible || below.is_none();
            node.what = match below {
                Some(below) if impossible => format!("{gets} after {below}: as the node is now, {why}"),
                _ => format!("{gets}, and would refuse it as it is now: {why}"),
            };
            node.reboot = None;
        }
        Err(why) => node.what = format!("{} ({why})", node.what),
    }
}

fn noticed(needs: Disturbance) -> &'static str {
    match needs {
        Disturbance::None => "nothing that runs notices",
        Disturbance::Service => "a service stops or starts",
        Disturbance::Link => "a link goes for a moment",
        Disturbance::Workloads => "the node's pods are evicted first",
        Disturbance::Reboot => "the node's pods are evicted first, and it reboots",
    }
}

#[cfg(test)]
mod tests {
    use flyover_api::resource::PlanSummary;

    use super::*;

    fn after_below(answer: Result<Foresight, String>, below: Option<&str>) -> OnNode {
        let mut node = OnNode::plain("n1", "gets it; its agent plans it".into());
        (node.gets, node.reboot) = (Some("gets it".into()), Some("unless it is so already".into()));
        told(&mut node, answer, below);
        node
    }

    fn after(answer: Result<Foresight, String>) -> OnNode {
        after_below(answer, None)
    }

    #[test]
    fn what_an_agent_foresees_takes_the_place_of_what_was_supposed() {
        let plan = |count, reboot: Option<&str>| PlanSummary {
            hash: "h".into(),
            steps: vec!["hugepages 2M: 0 -> 64".into()],
            count,
            reboot: reboot.map(str::to_owned),
        };
        let fits = |plan, needs| Ok(Foresight::Fits { plan, needs, notes: vec!["n".into()] });
        let node = after(fits(Some(plan(1, None)), Disturbance::None));
        assert_eq!((node.what.as_str(), node.reboot), ("gets it: 1 step; nothing that runs notices", None));
        let node = after(fits(Some(plan(22, Some("iommu"))), Disturbance::Reboot));
        assert!(
            node.what.ends_with("22 steps; the node's pods are evicted first, and it reboots"),
            "{node:?}"
        );
        assert_eq!((node.reboot.as_deref(), node.steps[1].as_str()), (Some("iommu"), "and 21 more"));
        assert_eq!(node.notes, ["n"]);
        let node = after(fits(None, Disturbance::None));
        assert_eq!((node.what.as_str(), node.reboot), ("gets it: all is so already", None));
    }

    #[test]
    fn a_refusal_is_told_and_who_cannot_be_asked_is_not_made_up() {
        let refused = |impossible| Ok(Foresight::Refused { why: "no hugepages of 1G".into(), impossible });
        let (told, later) = (
            "gets it, and would refuse it as it is now: no hugepages of 1G",
            "gets it after NodeProfile/p: as the node is now, no hugepages of 1G",
        );
        for (impossible, below, what, refuses) in [
            (true, None, told, true),
            (true, Some("NodeProfile/p"), later, false),
            (false, Some("NodeProfile/p"), told, true),
        ] {
            let node = after_below(refused(impossible), below);
            assert_eq!((node.what.as_str(), node.refuses), (what, refuses));
        }
        let node = after(Err("no agent runs on node n1".into()));
        assert_eq!(node.what, "gets it; its agent plans it (no agent runs on node n1)");
        assert!(node.reboot.is_some() && !node.refuses);
    }
}
