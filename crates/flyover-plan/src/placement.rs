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

impl Verdict {
    /// Everybody who wanted it.
    fn names(self) -> BTreeSet<String> {
        let mut names = self.losers;
        match self.holder {
            Holder::Winner(winner) => names.extend([winner]),
            Holder::Conflict(tied) => names.extend(tied),
        }
        names
    }
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

/// A resource of which nobody can tell which nodes it wants keeps those that it has, whoever else wants them, and gets no other.
pub fn keep(verdicts: &mut BTreeMap<(Lane, String), Verdict>, (lane, name): (Lane, &str), nodes: &[&str]) {
    for node in nodes {
        let at = (lane, (*node).to_owned());
        let mut losers = verdicts.remove(&at).map(Verdict::names).unwrap_or_default();
        losers.remove(name);
        verdicts.insert(at, Verdict { holder: Holder::Winner(name.to_owned()), losers });
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placement(selector: &[(&str, &str)], priority: i32) -> Placement {
        Placement { node_selector: labels(selector), priority, ..Placement::default() }
    }

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn names(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_highest_priority_has_the_node_and_the_others_are_told_who() {
        let (low, high) = (placement(&[], 0), placement(&[("dpdk", "yes")], 5));
        let by = |lane, name, placement| Candidate { lane, name, placement };
        let resources =
            [by(Lane::Switch, "all", &low), by(Lane::Switch, "some", &high), by(Lane::Profile, "all", &low)];
        let (plain, chosen) = (labels(&[]), labels(&[("dpdk", "yes")]));
        let verdicts = winners(&resources, [("n1", &plain), ("n2", &chosen)]);
        let won =
            |by: &str, losers: &[&str]| Verdict { holder: Holder::Winner(by.into()), losers: names(losers) };
        let expected = [
            ((Lane::Profile, "n1".into()), won("all", &[])),
            ((Lane::Profile, "n2".into()), won("all", &[])),
            ((Lane::Switch, "n1".into()), won("all", &[])),
            ((Lane::Switch, "n2".into()), won("some", &["all"])),
        ];
        assert_eq!(verdicts, BTreeMap::from(expected));
        let lost = BTreeMap::from([("n2".to_owned(), "some".to_owned())]);
        let expected = Share { own: names(&["n1"]), lost, contested: BTreeMap::new() };
        assert_eq!(share(&verdicts, Lane::Switch, "all"), expected);
    }

    #[test]
    fn a_tie_is_refused_for_all_of_it_and_each_is_told_of_the_others() {
        let (low, high) = (placement(&[], 0), placement(&[], 5));
        let by = |name, placement| Candidate { lane: Lane::FastPath, name, placement };
        let plain = labels(&[]);
        let verdicts = winners(&[by("b", &high), by("c", &low), by("a", &high)], [("n1", &plain)]);
        let holder = Holder::Conflict(names(&["a", "b"]));
        let expected = ((Lane::FastPath, "n1".to_owned()), Verdict { holder, losers: names(&["c"]) });
        assert_eq!(verdicts, BTreeMap::from([expected]));
        let contested = BTreeMap::from([("n1".to_owned(), names(&["b"]))]);
        assert_eq!(share(&verdicts, Lane::FastPath, "a"), Share { contested, ..Share::default() });
        let lost = BTreeMap::from([("n1".to_owned(), "a or b".to_owned())]);
        assert_eq!(share(&verdicts, Lane::FastPath, "c"), Share { lost, ..Share::default() });
    }

    #[test]
    fn who_says_nothing_sensible_keeps_the_nodes_it_has_and_gets_no_other() {
        let all = placement(&[], 0);
        let plain = labels(&[]);
        let others = [Candidate { lane: Lane::Switch, name: "other", placement: &all }];
        let mut verdicts = winners(&others, [("n1", &plain), ("n2", &plain)]);
        keep(&mut verdicts, (Lane::Switch, "broken"), &["n1"]);
        let own = names(&["n1"]);
        assert_eq!(share(&verdicts, Lane::Switch, "broken"), Share { own, ..Share::default() });
        let lost = BTreeMap::from([("n1".to_owned(), "broken".to_owned())]);
        let expected = Share { own: names(&["n2"]), lost, contested: BTreeMap::new() };
        assert_eq!(share(&verdicts, Lane::Switch, "other"), expected);
    }

    type Wish = (usize, usize, i32, bool);

    fn decided(wishes: &[Wish], nodes: &[usize]) -> BTreeMap<(Lane, String), Verdict> {
        let made: Vec<_> = wishes
            .iter()
            .map(|(lane, name, priority, picky)| {
                let selector: &[_] = if *picky { &[("odd", "1")] } else { &[] };
                (Lane::ALL[*lane], format!("r{name}"), placement(selector, *priority))
            })
            .collect();
        let resources: Vec<_> =
            made.iter().map(|(lane, name, placement)| Candidate { lane: *lane, name, placement }).collect();
        let nodes: Vec<_> = nodes
            .iter()
            .map(|node| (format!("n{node}"), labels(&[("odd", if node % 2 == 1 { "1" } else { "0" })])))
            .collect();
        winners(&resources, nodes.iter().map(|(name, labels)| (name.as_str(), labels)))
    }

    fn any_wishes() -> impl Strategy<Value = Vec<Wish>> {
        let wish = ((0..3_usize, 0..6_usize), (-1..2, any::<bool>()));
        prop::collection::btree_map(wish.0, wish.1, 0..9)
            .prop_map(|wishes| wishes.into_iter().map(|((l, n), (p, s))| (l, n, p, s)).collect())
    }

    proptest! {
        #[test]
        fn the_order_in_which_anything_is_told_changes_nothing(
            (wishes, shuffled) in any_wishes().prop_flat_map(|w| (Just(w.clone()), Just(w).prop_shuffle())),
            nodes in Just(vec![1, 2, 3, 4]).prop_shuffle(),
        ) {
            prop_assert_eq!(decided(&wishes, &[1, 2, 3, 4]), decided(&shuffled, &nodes));
        }

        #[test]
        fn who_has_a_node_has_the_highest_priority_of_all_that_select_it(wishes in any_wishes()) {
            for ((lane, node), verdict) in decided(&wishes, &[1, 2]) {
                let here = wishes.iter().filter(|(l, _, _, picky)| Lane::ALL[*l] == lane && (!picky || node == "n1"));
                let highest = here.clone().map(|wish| wish.2).max().unwrap();
                let name = |wish: &Wish| format!("r{}", wish.1);
                let first: BTreeSet<String> = here.clone().filter(|wish| wish.2 == highest).map(name).collect();
                let holder = match first.len() {
                    1 => Holder::Winner(first.first().cloned().unwrap()),
                    _ => Holder::Conflict(first),
                };
                let losers = here.filter(|wish| wish.2 < highest).map(name).collect();
                prop_assert_eq!(verdict, Verdict { holder, losers });
            }
        }
    }
}
