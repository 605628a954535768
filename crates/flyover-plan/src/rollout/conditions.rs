//! The four conditions of a resource, each with a sentence that names the first node it is about and what to do there.

use std::collections::BTreeSet;

use flyover_api::resource::{ConditionType, Conditions, NodeCounts, OnFailure, Truth};

use super::goal::Goal;
use super::look::{Look, Said, Stage};
use super::queue::Queue;
use super::{Place, Survey, View};
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
type Words = (&'static str, String);

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

    fn degraded(&self) -> Option<Words> {
        let status = &self.survey.status;
        if let Some(halt) = &status.halted {
            let what = match self.view.resource.rollout.on_failure {
                OnFailure::Rollback => "it was given back what it had",
                OnFailure::Stay => "it was left as it is",
            };
            return Some((
                "Halted",
                format!(
                    "{}: {}; {what}. Mend the node or the spec, and change the spec to try again",
                    halt.node, halt.message
                ),
            ));
        }
        if let Some((node, others)) = self.share.contested.iter().next() {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let more = self.share.contested.len() - 1;
            let more = if more == 0 { String::new() } else { format!(", and so on {more} more nodes") };
            let what = format!(
                "{} wants {node} with the same priority{more}; the node keeps what it has. Change spec.priority or spec.nodeSelector of one",
                others.join(" and ")
            );
            return Some(("Conflict", what));
        }
        if let Some(failed) = self.failed.first() {
            let status =
                self.find(|look, _| look.name() == *failed).and_then(|look| look.node.status.as_ref());
            let why = status.map_or("", |status| status.message.as_str());
            let what = if self.view.resource.deleting {
                format!(
                    "{failed} could not be taken back: {why}. Mend it, or name it in flyover.dev/abandon-nodes"
                )
            } else {
                format!("{failed}: {why}")
            };
            return Some(("Failed", what));
        }
        if let Some(blocked) = status.blocked.first() {
            let what = format!(
                "{} could not be emptied: {}. It is tried again; move the pod by hand to have it sooner",
                blocked.node, blocked.by
            );
            return Some(("Blocked", what));
        }
        self.lost_touch()
    }

    /// A node that was to do something, and is down.
    fn lost_touch(&self) -> Option<Words> {
        let open = |look: &Look<'_>| look.ours && look.node.exists && !look.abandoned && !look.said.is_end();
        let dead = self.find(|look, goal| !look.node.ready && (open(look) || goal == Goal::TakeBack))?;
        let escape = if self.view.resource.deleting {
            "name it in flyover.dev/abandon-nodes if it will not come back"
        } else {
            "the change waits for it; delete the Node if it will not come back"
        };
        Some(("NodeNotReady", format!("{} is not ready, and has not finished: {escape}", dead.name())))
    }

    fn drifted(&self) -> Option<Words> {
        let drifted = |look: &Look<'_>| look.node.place == Place::Own && look.said == Said::Drifted;
        let first = self.find(|look, _| drifted(look))?;
        let count = self.survey.nodes.iter().filter(|(look, _)| drifted(look)).count();
        let what =
            first.node.status.as_ref().and_then(|status| status.drift.first().cloned()).unwrap_or_default();
        let more = if count == 1 { String::new() } else { format!("; {} more nodes drifted", count - 1) };
        Some(("Drifted", format!("{}: {what}{more}", first.name())))
    }

    fn find(&self, which: impl Fn(&Look<'_>, Goal) -> bool) -> Option<&Look<'_>> {
        self.survey.nodes.iter().find(|(look, goal)| which(look, *goal)).map(|(look, _)| look)
    }
}
