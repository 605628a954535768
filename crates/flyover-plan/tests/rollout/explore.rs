//! Every run of a small cluster: all states that can be reached are looked at, and from each of them rest can be reached again by
//! what happens without any fault. In a finite graph that is the same as: every run in which nothing that can happen for ever is
//! put off for ever comes to rest.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use crate::cluster::{Cluster, Faults, Rules};
use crate::moves::{Do, State, acts};
use crate::rules;

struct Explorer {
    rules: Rules,
    lists: HashMap<Cluster, Vec<Do>>,
    known: HashMap<State, u32>,
    states: Vec<State>,
    /// How each state was reached first.
    from: Vec<(u32, String)>,
    /// What can happen without a fault.
    edges: Vec<(u32, u32)>,
    rests: Vec<u32>,
}

impl Explorer {
    fn new(rules: Rules) -> Self {
        let first = State::new(&rules);
        Self {
            rules,
            lists: HashMap::new(),
            known: HashMap::from([(first.clone(), 0)]),
            states: vec![first],
            from: vec![(0, "the start".into())],
            edges: vec![],
            rests: vec![],
        }
    }

    fn run(mut self) -> (usize, usize) {
        let mut at = 0;
        while at < self.states.len() {
            let result = catch_unwind(AssertUnwindSafe(|| self.look(at)));
            if let Err(broken) = result {
                eprintln!("{}", self.trace(at));
                resume_unwind(broken);
            }
            at += 1;
        }
        let farthest = self.farthest();
        (self.states.len(), farthest)
    }

    fn look(&mut self, at: usize) {
        let state = self.states[at].clone();
        let from = u32::try_from(at).expect("there are fewer");
        rules::always(&state.cluster, &self.rules);
        let rules = &self.rules;
        let list = self.lists.entry(state.cluster.clone()).or_insert_with(|| acts(&state.cluster, rules));
        let still = list.is_empty() && state.stale.is_none() || rules.forever;
        if state.cluster.released || still && state.cluster.rests(rules) {
            self.rests.push(from);
        }
        for next in state.moves(rules, list) {
            let new = u32::try_from(self.states.len()).expect("there are fewer");
            let to = *self.known.entry(next.to).or_insert_with_key(|state| {
                self.states.push(state.clone());
                self.from.push((from, next.what));
                new
            });
            if !next.fault {
                self.edges.push((to, from));
            }
        }
    }

    /// The most that has to happen until rest, on the shortest way there.
    fn farthest(&mut self) -> usize {
        self.edges.sort_unstable();
        let mut far = vec![usize::MAX; self.states.len()];
        let mut open = self.rests.clone();
        open.iter().for_each(|at| far[*at as usize] = 0);
        let mut next = 0;
        while next < open.len() {
            let at = open[next];
            next += 1;
            let start = self.edges.partition_point(|(to, _)| *to < at);
            for (_, before) in self.edges[start..].iter().take_while(|(to, _)| *to == at) {
                if far[*before as usize] == usize::MAX {
                    far[*before as usize] = far[at as usize] + 1;
                    open.push(*before);
                }
            }
        }
        if let Some(lost) = far.iter().position(|far| *far == usize::MAX) {
            panic!("no way leads to rest from here:\n{}", self.trace(lost));
        }
        far.into_iter().max().unwrap_or(0)
    }

    fn trace(&self, at: usize) -> String {
        let mut lines = vec![format!("{:?}", self.states[at])];
        let mut at = at;
        while at != 0 {
            lines.push(self.from[at].1.clone());
            at = self.from[at].0 as usize;
        }
        lines.reverse();
        lines.join("\n")
    }
}

fn base(nodes: usize) -> Rules {
    Rules {
        nodes,
        canary: 1,
        max: 1,
        stay: false,
        needs: vec![3; nodes],
        fails: false,
        pods: false,
        forever: false,
        takeover: false,
        overlap: false,
        absent: false,
        faults: Faults::default(),
    }
}

fn explore(what: &str, rules: Rules) {
    let start = Instant::now();
    let (states, farthest) = Explorer::new(rules).run();
    eprintln!("{what}: {states} states, at most {farthest} moves to rest, {:?}", start.elapsed());
}

#[test]
fn two_nodes_through_faults_and_a_failing_change() {
    let faults = Faults { nodes: 2, ..Faults::default() };
    explore("faults", Rules { fails: true, faults, ..base(2) });
}

#[test]
fn two_nodes_with_pods() {
    let faults = Faults { nodes: 1, ..Faults::default() };
    explore("pods", Rules { pods: true, fails: true, faults, ..base(2) });
    explore("pods and two operators", Rules { pods: true, overlap: true, faults, ..base(2) });
    explore("forever", Rules { pods: true, forever: true, fails: true, faults, ..base(2) });
}

#[test]
fn three_nodes_and_two_operators() {
    let faults = Faults { nodes: 1, ..Faults::default() };
    explore("three", Rules { fails: true, overlap: true, faults, ..base(3) });
}

#[test]
fn three_nodes_two_at_a_time() {
    let faults = Faults { nodes: 1, ..Faults::default() };
    explore("by two", Rules { max: 2, fails: true, faults, ..base(3) });
    explore("by two, with two operators", Rules { max: 2, fails: true, overlap: true, ..base(3) });
    explore("two canaries", Rules { max: 2, canary: 2, fails: true, stay: true, ..base(3) });
}

#[test]
fn three_nodes_of_which_one_is_not_disturbed_and_one_reboots() {
    let faults = Faults { nodes: 1, ..Faults::default() };
    explore("mixed", Rules { needs: vec![3, 2, 4], fails: true, faults, ..base(3) });
    explore("links", Rules { needs: vec![2, 2, 2], fails: true, overlap: true, faults, ..base(3) });
}

#[test]
fn a_spec_that_changes_meanwhile() {
    let faults = Faults { specs: 1, pauses: 1, ..Faults::default() };
    explore("a spec", Rules { fails: true, overlap: true, faults, ..base(2) });
    let faults = Faults { specs: 1, nodes: 1, ..Faults::default() };
    explore("a spec with a fault", Rules { fails: true, faults, ..base(2) });
    let faults = Faults { specs: 2, ..Faults::default() };
    explore("two specs", Rules { fails: true, overlap: true, faults, ..base(2) });
}

#[test]
fn a_node_without_an_agent() {
    let absent = |rules: Rules| Rules { absent: true, fails: true, ..rules };
    let faults = Faults { agents: 1, nodes: 1, ..Faults::default() };
    explore("no agent", absent(Rules { faults, ..base(2) }));
    let faults = Faults { agents: 1, ..Faults::default() };
    explore("no agent, two canaries", absent(Rules { canary: 2, max: 2, faults, ..base(3) }));
    let faults = Faults { agents: 1, specs: 1, ..Faults::default() };
    explore("no agent, two operators", absent(Rules { overlap: true, faults, ..base(2) }));
    let faults = Faults { agents: 1, deletes: 1, ..Faults::default() };
    explore("no agent, and a deletion", absent(Rules { overlap: true, faults, ..base(2) }));
}

#[test]
fn a_spec_that_makes_no_sense_for_a_while() {
    let faults = Faults { nonsense: 1, nodes: 1, ..Faults::default() };
    explore("nonsense with a fault", Rules { fails: true, faults, ..base(2) });
    let faults = Faults { nonsense: 1, deletes: 1, ..Faults::default() };
    explore("nonsense and a deletion", Rules { pods: true, fails: true, overlap: true, faults, ..base(2) });
}

#[test]
fn a_resource_that_is_deleted_meanwhile() {
    let faults = Faults { deletes: 1, ..Faults::default() };
    explore("delete", Rules { fails: true, overlap: true, faults, ..base(2) });
    let faults = Faults { deletes: 1, nodes: 1, ..Faults::default() };
    explore("delete with a fault", Rules { fails: true, faults, ..base(2) });
}

#[test]
fn nodes_that_change_hands() {
    let faults = Faults { places: 1, ..Faults::default() };
    explore("places", Rules { takeover: true, fails: true, overlap: true, faults, ..base(2) });
    let faults = Faults { places: 1, nodes: 1, ..Faults::default() };
    explore("places with a fault", Rules { takeover: true, fails: true, faults, ..base(2) });
    let faults = Faults { places: 1, ..Faults::default() };
    explore("places by two", Rules { max: 2, fails: true, faults, ..base(2) });
}

#[test]
fn somebody_changes_what_was_ready() {
    let faults = Faults { drift: 1, ..Faults::default() };
    explore("drift", Rules { fails: true, overlap: true, faults, ..base(2) });
}
