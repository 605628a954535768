//! Who gets which node, kept until a label or a placement changes.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::resource::{Lane, Placement};
use flyover_plan::placement::{Candidate, Share, Verdict, keep, share, winners};

use super::{Key, Shelf};
use crate::wire::{Node, Resource, State};

/// Who gets which node.
#[derive(Debug)]
pub(crate) struct Shares {
    verdicts: BTreeMap<(Lane, String), Verdict>,
    of: BTreeMap<Key, Share>,
    /// Who selects a node, whether it gets it or not.
    by_node: BTreeMap<String, BTreeSet<Key>>,
}

impl Shares {
    /// `states` say which nodes those have of which nobody can read what they want.
    pub(super) fn of(
        nodes: &Shelf<Node>,
        states: &Shelf<State>,
        resources: [(Lane, &Shelf<Resource>); 3],
    ) -> Self {
        let wanting: Vec<(Lane, &str, Option<&Placement>)> = resources
            .into_iter()
            .flat_map(|(lane, shelf)| {
                let wanting = shelf.iter().filter(|(_, resource)| !resource.deleting);
                wanting.map(move |(name, resource)| (lane, name.as_str(), resource.placement.as_ref()))
            })
            .collect();
        let candidates: Vec<Candidate<'_>> = wanting
            .iter()
            .filter_map(|(lane, name, placement)| {
                Some(Candidate { lane: *lane, name, placement: (*placement)? })
            })
            .collect();
        let labels = nodes.iter().map(|(name, node)| (name.as_str(), &node.labels));
        let mut verdicts = winners(&candidates, labels);
        for (lane, name, _) in wanting.iter().filter(|(_, _, placement)| placement.is_none()) {
            let has = |state: &State| {
                let wanted = state.lanes.get(lane).and_then(|assignment| assignment.wanted.as_ref());
                wanted.is_some_and(|wanted| wanted.from == *name)
            };
            let had: Vec<&str> =
                states.iter().filter(|(_, state)| has(state)).map(|(node, _)| node.as_str()).collect();
            keep(&mut verdicts, (*lane, name), &had);
        }
        let of: BTreeMap<Key, Share> = wanting
            .iter()
            .map(|(lane, name, _)| {
                (Key { lane: *lane, name: (*name).to_owned() }, share(&verdicts, *lane, name))
            })
            .collect();
        let mut by_node: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for (key, share) in &of {
            let all = share.own.iter().chain(share.lost.keys()).chain(share.contested.keys());
            for node in all {
                by_node.entry(node.clone()).or_default().insert(key.clone());
            }
        }
        Self { verdicts, of, by_node }
    }

    /// What a resource got.
    pub(crate) fn share(&self, key: &Key) -> Share {
        self.of.get(key).cloned().unwrap_or_default()
    }

    /// What is decided of a lane of a node.
    pub(crate) fn verdict(&self, lane: Lane, node: &str) -> Option<&Verdict> {
        self.verdicts.get(&(lane, node.to_owned()))
    }

    /// Who selects a node.
    pub(crate) fn of_node(&self, node: &str) -> BTreeSet<Key> {
        self.by_node.get(node).cloned().unwrap_or_default()
    }

    /// Every node that anybody selects.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &String> {
        self.by_node.keys()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::Held;
    use crate::wire::{NodeWire, ResourceWire, StateWire};

    fn shelf<T: PartialEq>(objects: impl IntoIterator<Item = (&'static str, T)>) -> Shelf<T> {
        let mut shelf = Shelf::default();
        for (name, value) in objects {
            shelf.put(name.to_owned(), Held { version: "1".to_owned(), value });
        }
        shelf
    }

    fn path(name: &str, spec: Value) -> Resource {
        let wire: ResourceWire =
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
        wire.kept(Lane::FastPath)
    }

    #[test]
    fn of_who_cannot_be_read_no_node_is_taken_and_no_other_is_given_to_it() {
        let node = || serde_json::from_value::<NodeWire>(json!({"metadata": {}})).unwrap().into();
        let nodes = shelf([("n1", node()), ("n2", node())]);
        let wanted = json!({"from": "broken", "generation": 1, "hash": "h", "spec": {}});
        let state =
            json!({"metadata": {}, "spec": {"lanes": {"fastPath": {"wanted": wanted, "allow": "link"}}}});
        let states = shelf([("n1", serde_json::from_value::<StateWire>(state).unwrap().into())]);
        let broken = json!({"rollout": {"drain": {"deadlineSeconds": 5_000_000_000_u64}}});
        let paths = shelf([("broken", path("broken", broken)), ("other", path("other", json!({})))]);
        let none = (shelf([]), shelf([]));
        let lanes = [(Lane::Profile, &none.0), (Lane::FastPath, &paths), (Lane::Switch, &none.1)];
        let shares = Shares::of(&nodes, &states, lanes);
        let own = |name: &str| {
            let share = shares.share(&Key { lane: Lane::FastPath, name: name.into() });
            (share.own.into_iter().collect::<Vec<_>>(), share.contested.len())
        };
        assert_eq!(own("broken"), (vec!["n1".to_owned()], 0));
        assert_eq!(own("other"), (vec!["n2".to_owned()], 0));
    }
}
