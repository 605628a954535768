//! What one resource's roll-out looks at, put together from what is known.

use std::collections::BTreeSet;

use flyover_api::resource::{Assignment, Lane, LanePhase};
use flyover_plan::placement::Holder;
use flyover_plan::rollout::{NodeView, Place, ResourceView, View};

use super::{Key, Store};
use crate::wire::Resource;

impl Store {
    /// The view of a resource, if it is there.
    pub(crate) fn view(&mut self, key: &Key, now: i64) -> Option<View> {
        let resource = self.resource(key)?.value.clone();
        let names = self.concerned(key, &resource);
        let nodes = names.into_iter().map(|name| self.node(key, name)).collect();
        Some(View { now, resource: resource_view(key, resource), nodes })
    }

    /// Nodes that it selects, that have something of it, and that its status names.
    fn concerned(&mut self, key: &Key, resource: &Resource) -> BTreeSet<String> {
        let share = self.shares().share(key);
        let mut names: BTreeSet<String> = share.own;
        names.extend(share.contested.into_keys());
        names.extend(share.lost.into_keys());
        let rollout = &resource.status.rollout;
        names.extend(rollout.claims.iter().cloned());
        names.extend(rollout.blocked.iter().map(|blocked| blocked.node.clone()));
        names.extend(rollout.halted.iter().map(|halt| halt.node.clone()));
        let has = self.states.iter().filter(|(_, state)| {
            state.lanes.get(&key.lane).is_some_and(|assignment| is_from(assignment, &key.name))
        });
        names.extend(has.map(|(name, _)| name.clone()));
        let tag = key.to_string();
        let ours = self.nodes.iter().filter(|(_, node)| node.cordoned_for.as_ref() == Some(&tag));
        names.extend(ours.map(|(name, _)| name.clone()));
        names
    }

    fn node(&mut self, key: &Key, name: String) -> NodeView {
        let place = self.place(key, &name);
        let waits_for = self.waits_for(key, &name);
        let node = self.nodes.value(&name);
        let state = self.states.value(&name);
        let assignment = state.and_then(|state| state.lanes.get(&key.lane)).cloned();
        let agent = self.hearing.agent(&name, state.is_some_and(|state| state.spoke));
        let cordoned_for = node.and_then(|node| node.cordoned_for.clone());
        NodeView {
            place,
            exists: node.is_some(),
            ready: node.is_some_and(|node| node.ready),
            unschedulable: node.is_some_and(|node| node.unschedulable),
            status: state.and_then(|state| state.told.get(&key.lane)).cloned(),
            agent,
            assignment_orphaned: self.is_left(key.lane, assignment.as_ref()),
            cordon_orphaned: cordoned_for.as_deref().is_some_and(|tag| !self.is_there(tag)),
            claimed_elsewhere: self.is_claimed_by_others(key, &name),
            waits_for,
            pods: self.pods.get(&name).map(|pods| pods.seen()),
            assignment,
            cordoned_for,
            name,
        }
    }

    /// A switch stands on its node's profile, where there is one: on its hugepages and its drivers.
    fn waits_for(&mut self, key: &Key, node: &str) -> Option<String> {
        let below = if key.lane == Lane::Switch { Lane::Profile } else { return None };
        let Holder::Winner(winner) = &self.shares().verdict(below, node)?.holder else { return None };
        let profile = Key { lane: below, name: winner.clone() };
        let hash = self.resource(&profile).map(|held| held.value.wanted.hash.clone());
        let told = self.states.value(node).and_then(|state| state.told.get(&below));
        let stands = |phase| matches!(phase, LanePhase::Ready | LanePhase::Drifted);
        let ready = told.is_some_and(|told| told.hash == hash && stands(told.phase));
        (!ready).then(|| profile.to_string())
    }

    fn place(&mut self, key: &Key, node: &str) -> Place {
        match self.shares().verdict(key.lane, node).map(|verdict| &verdict.holder) {
            None => Place::Free,
            Some(Holder::Winner(winner)) if *winner == key.name => Place::Own,
            Some(Holder::Winner(_)) => Place::Other,
            Some(Holder::Conflict(_)) => Place::Contested,
        }
    }

    /// Another resource, of whichever lane, has it in its claims.
    fn is_claimed_by_others(&self, key: &Key, node: &str) -> bool {
        let mut others = self.keys().into_iter().filter(|other| other != key);
        others.any(|other| {
            let claims = self.resource(&other).map(|held| &held.value.status.rollout.claims);
            claims.is_some_and(|claims| claims.iter().any(|claimed| claimed == node))
        })
    }

    /// The resource that an assignment comes from does not exist any more.
    fn is_left(&self, lane: Lane, assignment: Option<&Assignment>) -> bool {
        let from = assignment.and_then(|a| a.wanted.as_ref().or(a.previous.as_ref()));
        from.is_some_and(|wanted| self.resources(lane).get(&wanted.from).is_none())
    }

    /// The resource that an annotation names exists. A word that names none is nobody's.
    fn is_there(&self, tag: &str) -> bool {
        Key::of_tag(tag).is_some_and(|key| self.resource(&key).is_some())
    }
}

fn is_from(assignment: &Assignment, name: &str) -> bool {
    [&assignment.wanted, &assignment.previous].into_iter().flatten().any(|wanted| wanted.from == name)
}

fn resource_view(key: &Key, resource: Resource) -> ResourceView {
    ResourceView {
        name: key.name.clone(),
        lane: key.lane,
        rollout: resource.placement.unwrap_or_default().rollout,
        wanted: resource.wanted,
        senseless: resource.senseless.is_some(),
        deleting: resource.deleting,
        abandoned: resource.abandoned,
        status: resource.status.rollout,
    }
}
