//! Which resource a node is to have: of those that select it the one with the highest priority, by lane.
//!
//! Two with the same priority are both refused there: which of them came first says nothing of what people want. The node keeps
//! what it has, and each is told of the other.
//!
//! Invariant: the answer depends on the set of resources and nodes, never on the order in which they are told or came to be.
//! A resource that is being deleted wants no node; the caller leaves it out.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::resource::{Lane, Placement};

/// A resource that wants nodes.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The lane that it decides.
    pub lane: Lane,
    /// Its name.
    pub name: &'a str,
    /// Which nodes it wants, and how much.
    pub placement: &'a Placement,
}

/// What is decided of a lane of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who has it.
    pub holder: Holder,
    /// Who wanted it too, with a lower priority.
    pub losers: BTreeSet<String>,
}

/// Who has a lane of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This one.
    Winner(String),
    /// Nobody: these want it with the same priority.
    Conflict(BTreeSet<String>),
}

/// What one resource got of what it wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Nodes that are its own.
    pub own: BTreeSet<String>,
    /// Nodes that another one has, and which.
    pub lost: BTreeMap<String, String>,
    /// Nodes that nobody gets, and who wants them with the same priority, itself left out.
    pub contested: BTreeMap<String, BTreeSet<String>>,
}

/// Decides every lane of every node that anybody wants.
#[must_use]
pub fn winners<'a>(
    resources: &[Candidate<'_>],
    nodes: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>)>,
) -> BTreeMap<(Lane, String), Verdict> {
    let mut verdicts = BTreeMap::new();
    for (node, labels) in nodes {
        let mut wanted: BTreeMap<Lane, Vec<&Candidate<'_>>> = BTreeMap::new();
        for resource in resources.iter().filter(|resource| selects(resource.placement, labels)) {
            wanted.entry(resource.lane).or_default().push(resource);
        }
        verdicts.extend(wanted.into_iter().map(|(lane, by)| ((lane, node.to_owned()), decide(&by))));
    }
    verdicts
}

/// What one resource got, by the verdicts of all.
#[must_use]
pub fn share(verdicts: &BTreeMap<(Lane, String), Verdict>, lane: Lane, name: &str) -> Share {
    let mut share = Share::default();
    for ((_, node), verdict) in verdicts.iter().filter(|((of, _), _)| *of == lane) {
        match &verdict.holder {
            Holder::Winner(winner) if winner == name => {
                share.own.insert(node.clone());
            }
            Holder::Conflict(tied) if tied.contains(name) => {
                let others = tied.iter().filter(|other| *other != name).cloned().collect();
                share.contested.insert(node.clone(), others);
            }
            Holder::Winner(winner) if verdict.losers.contains(name) => {
                share.lost.insert(node.clone(), winner.clone());
            }
            Holder::Conflict(tied) if verdict.losers.contains(name) => {
                let tied: Vec<&str> = tied.iter().map(String::as_str).collect();
                share.lost.insert(node.clone(), tied.join(" or "));
            }
            _ => {}
        }
    }
    share
}

/// Whether a node with these labels is selected.
fn selects(placement: &Placement, labels: &BTreeMap<String, String>) -> bool {
    placement.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn decide(by: &[&Candidate<'_>]) -> Verdict {
    let highest = by.iter().map(|resource| resource.placement.priority).max();
    let (first, losers): (Vec<_>, Vec<_>) =
        by.iter().partition(|resource| Some(resource.placement.priority) == highest);
    let names = |of: &[&Candidate<'_>]| of.iter().map(|resource| resource.name.to_owned()).collect();
    let first: BTreeSet<String> = names(&first);
    let holder = match first.first() {
        Some(winner) if first.len() == 1 => Holder::Winner(winner.clone()),
        _ => Holder::Conflict(first),
    };
    Verdict { holder, losers: names(&losers) }
}
