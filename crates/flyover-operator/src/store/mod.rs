//! What the API server told: nodes, their states and the resources, and which resources a change of them concerns.
//!
//! Invariant: it is written by watches and by the operator's own writes; nothing in it is made up.

mod hearing;
mod shares;
mod shelf;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flyover_api::resource::Lane;

use crate::drain::Pods;
use crate::wire::{Node, Resource, State};

use hearing::Hearing;

pub(crate) use shares::Shares;
pub(crate) use shelf::{Changed, Held, Shelf, Told};

/// A resource, by what it decides and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lane: Lane,
    pub(crate) name: String,
}

impl Key {
    /// Whom an annotation names.
    fn of_tag(tag: &str) -> Option<Self> {
        let (kind, name) = tag.split_once('/')?;
        Some(Self { lane: Lane::of_kind(kind)?, name: name.to_owned() })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lane.title(&self.name))
    }
}

/// A change that a watch told.
#[derive(Debug)]
pub(crate) enum Change {
    /// Of a node.
    Node(Told<Node>),
    /// Of what a node is to have, or of what became of it.
    State(Told<State>),
    /// Of a resource.
    Resource(Lane, Box<Told<Resource>>),
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) nodes: Shelf<Node>,
    pub(crate) states: Shelf<State>,
    resources: [Shelf<Resource>; 3],
    /// When agents were last heard.
    pub(crate) hearing: Hearing,
    shares: Option<Shares>,
    /// Pods that have to leave, of the nodes that are being emptied.
    pub(crate) pods: BTreeMap<String, Pods>,
}

impl Store {
    /// The resources of a lane.
    pub(crate) fn resources(&self, lane: Lane) -> &Shelf<Resource> {
        &self.resources[place(lane)]
    }

    /// A resource.
    pub(crate) fn resource(&self, key: &Key) -> Option<&Held<Resource>> {
        self.resources(key.lane).get(&key.name)
    }

    /// All resources there are.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        Lane::ALL.into_iter().flat_map(|lane| self.of_lane(lane)).collect()
    }

    fn of_lane(&self, lane: Lane) -> impl Iterator<Item = Key> {
        self.resources(lane).iter().map(move |(name, _)| Key { lane, name: name.clone() })
    }

    /// Whether everything was told once. Before, nothing may be decided.
    pub(crate) fn is_complete(&self) -> bool {
        self.nodes.is_complete() && self.states.is_complete() && self.resources.iter().all(Shelf::is_complete)
    }

    /// Takes a change in, and says which resources it concerns.
    pub(crate) fn take(&mut self, change: Change) -> BTreeSet<Key> {
        if !self.is_complete() {
            self.fill(change);
            return BTreeSet::new();
        }
        match change {
            Change::Node(told) => {
                let changed = self.nodes.take(told);
                changed.into_iter().flat_map(|changed| self.by_node(&changed)).collect()
            }
            Change::State(told) => {
                let mut concerned = match &told {
                    Told::There(name, held) => self.hear(name, &held.value),
                    _ => BTreeSet::new(),
                };
                for changed in self.states.take(told) {
                    if self.states.get(&changed.name).is_none() {
                        self.hearing.forget(&changed.name);
                    }
                    concerned.extend(self.by_state(&changed));
                }
                concerned
            }
            Change::Resource(lane, told) => {
                let changed = self.resources[place(lane)].take(*told);
                changed.into_iter().flat_map(|changed| self.by_resource(lane, &changed)).collect()
            }
        }
    }

    /// Takes a change in while not everything was told: whom it concerns would be decided anew for every node, and all are looked
    /// at anyway when everything is there.
    fn fill(&mut self, change: Change) {
        self.shares = None;
        match change {
            Change::Node(told) => drop(self.nodes.take(told)),
            Change::State(told) => {
                if let Told::There(name, held) = &told {
                    self.hearing.hear(name, &held.value);
                }
                drop(self.states.take(told));
            }
            Change::Resource(lane, told) => drop(self.resources[place(lane)].take(*told)),
        }
    }

    /// Takes in what a state says of its agent. It concerns somebody only if that one had been missed.
    fn hear(&mut self, name: &str, state: &State) -> BTreeSet<Key> {
        if self.hearing.hear(name, state) { self.shares().of_node(name) } else { BTreeSet::new() }
    }

    /// Puts what was read or written of a resource.
    pub(crate) fn put_resource(&mut self, key: &Key, held: Option<Held<Resource>>) -> BTreeSet<Key> {
        let shelf = &mut self.resources[place(key.lane)];
        let changed = match held {
            Some(held) => shelf.put(key.name.clone(), held),
            None => shelf.drop(key.name.clone()),
        };
        changed.map(|changed| self.by_resource(key.lane, &changed)).unwrap_or_default()
    }

    /// Puts what was read or written of a node.
    pub(crate) fn put_node(&mut self, name: String, held: Held<Node>) -> BTreeSet<Key> {
        let changed = self.nodes.put(name, held);
        changed.map(|changed| self.by_node(&changed)).unwrap_or_default()
    }

    /// Puts what was read or written of a node's state.
    pub(crate) fn put_state(&mut self, name: String, held: Held<State>) -> BTreeSet<Key> {
        let mut concerned = self.hear(&name, &held.value);
        if let Some(changed) = self.states.put(name, held) {
            concerned.extend(self.by_state(&changed));
        }
        concerned
    }

    /// Who gets what, as placements and labels say it now.
    pub(crate) fn shares(&mut self) -> &Shares {
        let (nodes, states, resources) = (&self.nodes, &self.states, &self.resources);
        let resources = || Lane::ALL.map(|lane| (lane, &resources[place(lane)]));
        self.shares.get_or_insert_with(|| Shares::of(nodes, states, resources()))
    }

    /// A node's labels decide who selects it; the rest of it concerns whoever has something of it. One that comes back gives its agent
    /// time to come too.
    fn by_node(&mut self, changed: &Changed<Node>) -> BTreeSet<Key> {
        let labels = |node: Option<&Node>| node.map(|node| node.labels.clone());
        if labels(changed.before.as_ref()) != labels(self.nodes.value(&changed.name)) {
            self.shares = None;
        }
        let ready = |node: Option<&Node>| node.is_some_and(|node| node.ready);
        if !ready(changed.before.as_ref()) && ready(self.nodes.value(&changed.name)) {
            self.hearing.begin_node(&changed.name);
        }
        let tags = [changed.before.as_ref(), self.nodes.value(&changed.name)];
        let tags: Vec<Key> =
            tags.into_iter().flatten().filter_map(|n| Key::of_tag(n.cordoned_for.as_deref()?)).collect();
        let mut concerned = self.shares().of_node(&changed.name);
        concerned.extend(tags);
        concerned.extend(self.named_in(self.states.value(&changed.name)));
        concerned
    }

    fn by_state(&mut self, changed: &Changed<State>) -> BTreeSet<Key> {
        let mut concerned = self.shares().of_node(&changed.name);
        concerned.extend(self.named_in(changed.before.as_ref()));
        concerned.extend(self.named_in(self.states.value(&changed.name)));
        concerned
    }

    /// A change of where one goes concerns all of its lane: others may win or lose nodes by it. One of the nodes that it has
    /// down concerns all lanes: others may have waited for them.
    fn by_resource(&mut self, lane: Lane, changed: &Changed<Resource>) -> BTreeSet<Key> {
        let place = |of: Option<&Resource>| of.map(|of| (of.deleting, of.placement.clone()));
        let claims =
            |of: Option<&Resource>| of.map(|of| of.status.rollout.claims.clone()).unwrap_or_default();
        let (before, now) = (changed.before.as_ref(), self.resources(lane).value(&changed.name));
        let claims_differ = claims(before) != claims(now);
        let mut concerned: BTreeSet<Key> = [Key { lane, name: changed.name.clone() }].into();
        if place(before) != place(now) {
            self.shares = None;
            concerned.extend(self.of_lane(lane));
            if lane == Lane::Profile {
                concerned.extend(self.of_lane(Lane::Switch));
            }
        }
        if claims_differ {
            concerned.extend(self.keys());
        }
        concerned
    }

    /// The resources that a state names, as far as they exist.
    fn named_in(&self, state: Option<&State>) -> Vec<Key> {
        let lanes = state.into_iter().flat_map(|state| &state.lanes);
        let named = lanes.flat_map(|(lane, assignment)| {
            let names = [&assignment.wanted, &assignment.previous].into_iter().flatten();
            names.map(|wanted| Key { lane: *lane, name: wanted.from.clone() })
        });
        named.filter(|key| self.resource(key).is_some()).collect()
    }
}

fn place(lane: Lane) -> usize {
    Lane::ALL.iter().position(|other| *other == lane).expect("all lanes are in there")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::wire::{NodeWire, ResourceWire, StateWire};

    fn node() -> Told<Node> {
        let wire: NodeWire = serde_json::from_value(json!({"metadata": {}})).unwrap();
        Told::There("n1".into(), Held { version: "1".into(), value: wire.into() })
    }

    fn said(version: u64) -> Change {
        let status = json!({"version": "0.1.0", "reported": format!("t{version}")});
        let wire: StateWire = serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap();
        Change::State(Told::There("n1".into(), Held { version: version.to_string(), value: wire.into() }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_of_life_concerns_nobody_unless_it_was_missed() {
        let mut store = Store::default();
        let wire: ResourceWire = serde_json::from_value(json!({"metadata": {"name": "all"}})).unwrap();
        let all = Held { version: "1".into(), value: wire.kept(Lane::FastPath) };
        store.take(Change::Node(node()));
        store.take(said(1));
        store.take(Change::Resource(Lane::FastPath, Box::new(Told::There("all".into(), all))));
        store.take(Change::Node(Told::All));
        store.take(Change::State(Told::All));
        for lane in Lane::ALL {
            store.take(Change::Resource(lane, Box::new(Told::All)));
        }
        assert_eq!(store.take(said(2)), BTreeSet::new());
        tokio::time::advance(Duration::from_secs(1000)).await;
        let key = Key { lane: Lane::FastPath, name: "all".into() };
        let silent = |store: &mut Store| store.view(&key, 0).unwrap().nodes[0].agent.silent;
        assert_eq!(silent(&mut store), 1000);
        assert_eq!(store.take(said(3)), BTreeSet::from([key.clone()]));
        assert_eq!(silent(&mut store), 0);
    }
}
