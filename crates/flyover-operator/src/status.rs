//! placeholder until summary
use flyover_api::resource::{ConditionType, Conditions, LanePhase, NodeCounts, ResourceStatus};
use flyover_plan::placement::Share;
use flyover_plan::rollout::{Place, View};

pub(crate) fn status(view: &View, share: &Share, _before: &ResourceStatus) -> ResourceStatus {
    let hash = Some(&view.resource.wanted.hash);
    let mut nodes = NodeCounts::default();
    let mut first_failing = None;
    for node in view.nodes.iter().filter(|n| n.place == Place::Own) {
        nodes.desired += 1;
        if node.assignment.as_ref().and_then(|a| a.wanted.as_ref()).map(|w| &w.hash) != hash {
            continue;
        }
        nodes.updated += 1;
        let Some(said) = node.status.as_ref().filter(|s| s.hash.as_ref() == hash) else { continue };
        if said.phase == LanePhase::Ready {
            nodes.ready += 1;
        }
        if said.phase.is_bad() {
            nodes.failed += 1;
            first_failing = first_failing.or(Some(node.name.clone()));
        }
    }
    let good = nodes.ready == nodes.desired;
    let conditions = Conditions::default().with(ConditionType::Ready, good, "X", "");
    let conditions = if share.contested.is_empty() {
        conditions
    } else {
        let names: std::collections::BTreeSet<_> = share.contested.values().flatten().cloned().collect();
        let names: Vec<_> = names.into_iter().collect();
        conditions.with(ConditionType::Degraded, true, "Conflict", names.join(", "))
    };
    ResourceStatus {
        nodes,
        summary: format!("{}/{}", nodes.ready, nodes.desired),
        first_failing,
        conditions: conditions.since(&[], "", None),
        ..ResourceStatus::default()
    }
}
