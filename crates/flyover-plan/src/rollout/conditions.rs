//! The four conditions of a resource, each with a sentence that names the first node it is about and what to do there.

use std::collections::BTreeSet;

use flyover_api::resource::{ConditionType, Conditions, NodeCounts, Truth};

use super::goal::Goal;
use super::look::{Look, Said, Stage};
use super::queue::Queue;
use super::{Survey, View};
use crate::placement::Share;

/// All that is known.
pub(super) struct Scene<'a> {
    pub(super) view: &'a View,
    pub(super) share: &'a Share,
    pub(super) survey: &'a Survey<'a>,
    pub(super) queue: &'a Queue<'a>,
    pub(super) nodes: NodeCounts,
    pub(super) failed: &'a BTreeSet<&'a str>,
}

/// A reason for programs, and a message for people.
pub(super) type Words = (&'static str, String);

/// What is said.
pub(super) fn conditions(scene: &Scene<'_>) -> Conditions {
    let (ready, (reason, message)) = scene.ready();
    let said = Conditions::default().with(ConditionType::Ready, ready, reason, message);
    let (moves, (reason, message)) = scene.progressing();
    let said = said.with(ConditionType::Progressing, moves, reason, message);
    let wrong = scene.degraded();
    let (reason, message) =
        wrong.clone().unwrap_or_else(|| ("AsExpected", "nothing needs anybody's attention".to_owned()));
    let said = said.with(ConditionType::Degraded, wrong.is_some(), reason, message);
    let drift = scene.drifted();
    let (reason, message) =
        drift.clone().unwrap_or_else(|| ("AsAskedFor", "nobody changed anything on the nodes".to_owned()));
    said.with(ConditionType::Drifted, drift.is_some(), reason, message)
}

impl Scene<'_> {
    fn ready(&self) -> (Truth, Words) {
        let NodeCounts { desired, ready, .. } = self.nodes;
        let outranked = self.share.lost.iter().next();
        let lost = |how: &str| {
            let first = outranked.map(|(node, winner)| format!("{how}{node} is {winner}'s by its priority"));
            let more = self.share.lost.len().saturating_sub(1);
            let more =
                if more == 0 { String::new() } else { format!(", and {more} more are not this one's") };
            first.map_or_else(String::new, |first| format!("{first}{more}"))
        };
        let truth = |so: bool| Truth::from(so);
        if self.view.resource.deleting {
            return (truth(false), ("Deleting", "it is being taken back".to_owned()));
        }
        if desired == 0 && !self.share.contested.is_empty() {
            return (truth(false), ("Conflict", "every node that it selects is contested".to_owned()));
        }
        if desired == 0 && outranked.is_some() {
            return (truth(false), ("Outranked", format!("{}; raise spec.priority to have them", lost(""))));
        }
        if desired == 0 {
            let what = "no node has the labels of spec.nodeSelector".to_owned();
            return (truth(false), ("NoNodes", what));
        }
        let all = ready == desired && self.share.contested.is_empty();
        let reason = if all { "AllReady" } else { "NotAllReady" };
        (truth(all), (reason, format!("{ready} of {desired} nodes are as asked for{}", lost("; "))))
    }

    fn progressing(&self) -> (bool, Words) {
        let NodeCounts { desired, updated, .. } = self.nodes;
        let status = &self.survey.status;
        let busy =
            self.find(|look, _| look.ours && (look.said == Said::Working || look.stage == Stage::Raised));
        if let Some(busy) = busy {
            return (
                true,
                (
                    "Working",
                    format!(
                        "{} is being changed; {updated} of {desired} nodes have the newest spec",
                        busy.name()
                    ),
                ),
            );
        }
        if let Some(emptied) = status.claims.first() {
            let pods = self.find(|look, _| look.name() == emptied).and_then(|look| look.node.pods.as_ref());
            let left = pods.map_or_else(String::new, |pods| format!(": {} pods have to leave", pods.len()));
            return (true, ("Emptying", format!("{emptied} is being emptied{left}")));
        }
        let waits = self.find(|look, goal| self.queue.may_claim(look, goal));
        if let Some(waits) = waits {
            return self.waiting(waits);
        }
        if self.find(|_, goal| matches!(goal, Goal::TakeBack | Goal::GoBack)).is_some() {
            return (true, ("TakingBack", "nodes are being given back what they had".to_owned()));
        }
        if status.halted.is_some() {
            return (
                false,
                (
                    "Halted",
                    "the change failed and goes to no further node; change the spec to go on".to_owned(),
                ),
            );
        }
        let unchanged = self.find(|look, goal| goal == Goal::Change && look.tended);
        if unchanged.is_some() && self.view.resource.rollout.pause {
            let what = format!(
                "{updated} of {desired} nodes have the newest spec; set spec.rollout.pause to false to go on"
            );
            return (false, ("Paused", what));
        }
        if let Some((node, other)) =
            unchanged.and_then(|look| Some((look.name(), look.node.waits_for.as_ref()?)))
        {
            return (true, ("WaitsForLane", format!("{node} has it as soon as {other} is ready there")));
        }
        self.unfinished(unchanged)
    }

    /// Nothing is being done, and a node could be claimed.
    fn waiting(&self, waits: &Look<'_>) -> (bool, Words) {
        let down: Vec<_> = self.queue.down().into_iter().filter(|name| *name != waits.name()).collect();
        let max = self.queue.max_unavailable();
        let Some(first) = down.first().filter(|_| down.len() >= max) else {
            return (true, ("Emptying", format!("{} is emptied next", waits.name())));
        };
        let what = format!(
            "{} waits: {first} is down or cordoned already, and spec.rollout.maxUnavailable lets {max}; uncordon or mend it, or raise that",
            waits.name()
        );
        (false, ("NoRoom", what))
    }

    fn unfinished(&self, unchanged: Option<&Look<'_>>) -> (bool, Words) {
        let NodeCounts { desired, updated, ready, .. } = self.nodes;
        let status = &self.survey.status;
        let unready = |name: &&String| {
            self.find(|look, _| look.name() == **name)
                .is_some_and(|look| !(look.target && look.said == Said::Ready))
        };
        if unchanged.is_some() && !self.survey.open {
            let canary = status.canaries.iter().find(unready).or(status.canaries.first());
            let what = canary.map_or_else(
                || "no node is ready to be the canary".to_owned(),
                |canary| format!("{canary} has the change first; the others get it when it is ready there"),
            );
            return (true, ("Canary", what));
        }
        if unchanged.is_some() || updated > ready {
            return (
                true,
                (
                    "Changing",
                    format!("{updated} of {desired} nodes have the newest spec, {ready} are ready with it"),
                ),
            );
        }
        (false, ("Done", "nothing is left to be done".to_owned()))
    }

    pub(super) fn find(&self, which: impl Fn(&Look<'_>, Goal) -> bool) -> Option<&Look<'_>> {
        self.survey.nodes.iter().find(|(look, goal)| which(look, *goal)).map(|(look, _)| look)
    }
}
