//! What is said of a resource: on how many nodes it is, where to look first, and what to do.
//!
//! Invariant: `rollout` is what was written down, as it was read; only `step` changes it.

use std::collections::BTreeSet;

use flyover_api::resource::{NodeCounts, ResourceStatus};

use super::conditions::{Scene, conditions};
use super::look::{Look, Said};
use super::queue::Queue;
use super::{Place, Survey, View};
use crate::placement::Share;

/// What was said before, and when this is said.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The status before.
    pub before: &'a ResourceStatus,
    /// The time, as Kubernetes writes it.
    pub now: &'a str,
    /// Of which generation of the resource.
    pub generation: Option<i64>,
}

/// What is said of a resource. `share` is what it got of the nodes it selects.
#[must_use]
pub fn summary(view: &View, share: &Share, at: &Occasion<'_>) -> ResourceStatus {
    let looks = Look::all(view);
    let survey = Survey::of(view, &looks);
    let queue = Queue::of(view, &survey);
    let failed = failed(&survey);
    let own = || looks.iter().filter(|look| look.node.exists && look.node.place == Place::Own);
    // What an agent said that is heard no more is not known to be so.
    let ready = own().filter(|look| look.target && look.said == Said::Ready && !look.node.agent.is_silent());
    let nodes = NodeCounts {
        desired: count(own()),
        updated: count(own().filter(|look| look.target)),
        ready: count(ready),
        failed: count(failed.iter()),
    };
    let scene = Scene { view, share, survey: &survey, queue: &queue, nodes, failed: &failed };
    let blocked = survey.status.blocked.iter().map(|blocked| blocked.node.as_str());
    let drifted = own().filter(|look| look.said == Said::Drifted).map(Look::name);
    let contested = share.contested.keys().map(String::as_str);
    let missed = own().filter(|look| look.is_missed()).map(Look::name);
    let wrong = failed.iter().copied().chain(contested).chain(blocked).chain(drifted).chain(missed).min();
    ResourceStatus {
        observed_generation: at.generation,
        nodes,
        summary: format!("{}/{}", nodes.ready, nodes.desired),
        first_failing: wrong.map(str::to_owned),
        rollout: view.resource.status.clone(),
        conditions: conditions(&scene).since(&at.before.conditions, at.now, at.generation),
    }
}

/// Nodes that failed, also where they were given back what they had.
fn failed<'a>(survey: &'a Survey<'a>) -> BTreeSet<&'a str> {
    let halted = survey.status.halted.as_ref().map(|halt| halt.node.as_str());
    let bad = |look: &Look<'_>| look.tended && look.said == Said::Bad || halted == Some(look.name());
    let here = survey.nodes.iter().filter(|(look, _)| look.node.exists && bad(look));
    here.map(|(look, _)| look.name()).collect()
}

fn count<T>(of: impl Iterator<Item = T>) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}
