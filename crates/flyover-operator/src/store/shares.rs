//! Who gets which node, kept until a label or a placement changes.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::resource::Lane;
use flyover_plan::placement::{Candidate, Share, Verdict, share, winners};

use super::{Key, Shelf};
use crate::wire::{Node, Resource};

/// Who gets which node.
#[derive(Debug)]
pub(crate) struct Shares {
    verdicts: BTreeMap<(Lane, String), Verdict>,
    of: BTreeMap<Key, Share>,
    /// Who selects a node, whether it gets it or not.
    by_node: BTreeMap<String, BTreeSet<Key>>,
}

impl Shares {
    pub(super) fn of(nodes: &Shelf<Node>, resources: [(Lane, &Shelf<Resource>); 3]) -> Self {
        let candidates: Vec<Candidate<'_>> = resources
            .into_iter()
            .flat_map(|(lane, shelf)| {
                let wanting = shelf.iter().filter(|(_, resource)| !resource.deleting);
                wanting.map(move |(name, resource)| Candidate { lane, name, placement: &resource.placement })
            })
            .collect();
        let labels = nodes.iter().map(|(name, node)| (name.as_str(), &node.labels));
        let verdicts = winners(&candidates, labels);
        let of: BTreeMap<Key, Share> = candidates
            .iter()
            .map(|c| (Key { lane: c.lane, name: c.name.to_owned() }, share(&verdicts, c.lane, c.name)))
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
