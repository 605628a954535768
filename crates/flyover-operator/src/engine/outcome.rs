//! Says what became of a resource: its status, and events of what is news in it.

use std::collections::BTreeSet;

use flyover_api::resource::{
    Assignment, ConditionType, Conditions, LanePhase, ResourceStatus, RolloutStatus, Truth,
};
use flyover_plan::rollout::{NodeView, Place, View};
use k8s_openapi::jiff::{Timestamp, Unit};

use super::Engine;
use super::turn::now;
use crate::events::Reason;
use crate::hands::NotDone;
use crate::status::status;
use crate::store::Key;
use crate::wire::Resource;

/// The reason of who wants nodes that another one wants as much.
const CONFLICT: &str = "Conflict";

impl Engine {
    /// Writes the status if it is another one than before.
    pub(super) async fn say(&mut self, key: &Key) -> Result<(), NotDone> {
        let Some(resource) = self.store.resource(key).map(|held| held.value.clone()) else { return Ok(()) };
        let Some(view) = self.store.view(key, now()) else { return Ok(()) };
        let share = self.store.shares().share(key);
        let mut next = match &resource.senseless {
            Some(why) => senseless(&resource, why),
            None => status(&view, &share, &resource.status),
        };
        self.metrics.nodes(key, &view);
        let generation = Some(resource.generation);
        next.observed_generation = generation;
        next.rollout = resource.status.rollout.clone();
        next.conditions = dated(std::mem::take(&mut next.conditions), &resource, generation);
        self.tell_ready(key, &view, &resource.uid);
        if next == resource.status || !self.may_say(key) {
            return Ok(());
        }
        self.tell_said(key, &resource, &next);
        let held = self.hands.say(key, &resource.uid, &next).await?;
        self.put_resource(key, held);
        Ok(())
    }

    /// News of what is written down for a roll-out.
    pub(super) fn tell_note(&self, key: &Key, before: &Resource, after: &RolloutStatus) {
        let was = &before.status.rollout;
        let tell = |reason, note| self.teller.of_resource(key, &before.uid, reason, note);
        if was.hash != after.hash {
            tell(Reason::RolloutStarted, format!("generation {} goes to the nodes", before.generation));
        }
        if let Some(halt) = after.halted.as_ref().filter(|_| was.halted.is_none() || was.hash != after.hash) {
            tell(Reason::Halted, format!("it goes to no further node: {} {}", halt.node, halt.message));
        }
        for blocked in after.blocked.iter().filter(|b| !was.blocked.iter().any(|old| old.node == b.node)) {
            self.tell_blocked(
                key,
                &blocked.node,
                &format!("{} cannot be emptied: {}", blocked.node, blocked.by),
            );
        }
    }

    /// News of an assignment: a node that goes back to what it had.
    pub(super) fn tell_assigned(&self, key: &Key, view: &View, node: &str, after: Option<&Assignment>) {
        let hash = |of: Option<&Assignment>| of.and_then(|a| a.wanted.as_ref()).map(|w| w.hash.clone());
        let before = view.nodes.iter().find(|other| other.name == node).and_then(|n| n.assignment.as_ref());
        let newest = Some(view.resource.wanted.hash.clone());
        let back = hash(before) == newest && hash(after) != newest && view.resource.status.halted.is_some();
        if !back || view.resource.deleting {
            return;
        }
        let note = format!("{node} goes back to what it had");
        if let Some(resource) = self.store.resource(key) {
            self.teller.of_resource(key, &resource.value.uid, Reason::RolledBack, note.clone());
        }
        if let Some(object) = self.store.nodes.value(node) {
            self.teller.of_node(node, &object.uid, Reason::RolledBack, format!("{note} of {key}"));
        }
    }

    /// A node cannot be emptied for now, and why.
    pub(super) fn tell_blocked(&self, key: &Key, node: &str, why: &str) {
        if let Some(resource) = self.store.resource(key) {
            self.teller.of_resource(key, &resource.value.uid, Reason::DrainBlocked, why.to_owned());
        }
        if let Some(object) = self.store.nodes.value(node) {
            self.teller.of_node(node, &object.uid, Reason::DrainBlocked, format!("for {key}: {why}"));
        }
    }

    /// Nodes that became ready since the last look. Who has just begun to look knows of no news.
    fn tell_ready(&mut self, key: &Key, view: &View, uid: &str) {
        let now: BTreeSet<String> =
            view.nodes.iter().filter(|node| is_ready(view, node)).map(|node| node.name.clone()).collect();
        let canaries = &view.resource.status.canaries;
        let all =
            |ready: &BTreeSet<String>| !canaries.is_empty() && canaries.iter().all(|c| ready.contains(c));
        if let Some(before) = self.ready.get(key) {
            if all(&now) && !all(before) {
                let note = format!("{} had it first and is ready with it", canaries.join(", "));
                self.teller.of_resource(key, uid, Reason::CanaryReady, note);
            }
            let fresh: Vec<String> = now.difference(before).cloned().collect();
            self.teller.gather_ready(key, uid, fresh);
        }
        self.ready.insert(key.clone(), now);
    }

    /// News of what is said.
    fn tell_said(&self, key: &Key, before: &Resource, after: &ResourceStatus) {
        let conflict = |status: &ResourceStatus| {
            let degraded = |c: &&flyover_api::resource::Condition| {
                c.kind == ConditionType::Degraded && c.status == Truth::True && c.reason == CONFLICT
            };
            status.conditions.iter().find(degraded).map(|c| c.message.clone())
        };
        if let Some(message) = conflict(after)
            && conflict(&before.status).as_ref() != Some(&message)
        {
            self.teller.of_resource(key, &before.uid, Reason::Conflict, message);
        }
    }
}

fn is_ready(view: &View, node: &NodeView) -> bool {
    let hash = Some(&view.resource.wanted.hash);
    let has = node.assignment.as_ref().and_then(|a| a.wanted.as_ref()).map(|w| &w.hash) == hash;
    let is = node.status.as_ref().is_some_and(|s| s.phase == LanePhase::Ready && s.hash.as_ref() == hash);
    node.place == Place::Own && has && is
}

/// Conditions with the time since when they are so.
fn dated(
    conditions: Vec<flyover_api::resource::Condition>,
    resource: &Resource,
    generation: Option<i64>,
) -> Vec<flyover_api::resource::Condition> {
    let seconds = Timestamp::now().round(Unit::Second).unwrap_or_else(|_| Timestamp::now());
    let said = conditions.into_iter().fold(Conditions::default(), |said, condition| {
        said.with(condition.kind, condition.status, &condition.reason, condition.message)
    });
    said.since(&resource.status.conditions, &seconds.to_string(), generation)
}

/// Nothing can be made of the spec: the nodes keep what they have.
fn senseless(resource: &Resource, why: &str) -> ResourceStatus {
    let conditions = Conditions::default()
        .with(ConditionType::Ready, false, "Senseless", format!("the spec makes no sense: {why}"))
        .with(ConditionType::Degraded, true, "Senseless", format!("the spec makes no sense: {why}"));
    ResourceStatus { conditions: conditions.since(&[], "", None), ..resource.status.clone() }
}
