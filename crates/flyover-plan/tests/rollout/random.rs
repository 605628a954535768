//! Long runs of up to eight nodes, with more of everything that can go wrong than can be looked at in full.

use proptest::prelude::*;

use crate::cluster::{Faults, Rules};
use crate::moves::{Move, State, acts};
use crate::rules;

/// Moves without a fault until rest. Eight nodes one after the other take some 150 where every one is of use.
const MOST_MOVES: usize = 20_000;

/// Runs.
const CASES: u32 = 1000;

fn any_rules() -> impl Strategy<Value = Rules> {
    let faults = (0_u8..6, 0_u8..3, 0_u8..3, 0_u8..2, 0_u8..3, 0_u8..2, 0_u8..2, 0_u8..2).prop_map(
        |(nodes, drift, specs, deletes, places, pauses, nonsense, agents)| Faults {
            nodes,
            drift,
            specs,
            deletes,
            places,
            pauses,
            nonsense,
            agents,
        },
    );
    let needs = prop::collection::vec(2_u8..5, 1..9);
    (needs, 0_u32..4, 1_u32..4, any::<[bool; 5]>(), faults).prop_map(
        |(needs, canary, max, [stay, fails, pods, takeover, absent], faults)| Rules {
            nodes: needs.len(),
            canary,
            max,
            stay,
            needs,
            fails,
            pods,
            forever: false,
            takeover,
            overlap: true,
            absent,
            faults,
        },
    )
}

/// Whether an operator or a deadline is only in the way: these would make a random run endless.
fn is_noise(what: &str) -> bool {
    ["an operator", "time passes"].iter().any(|noise| what.starts_with(noise))
}

/// What happened, said when it went wrong.
#[derive(Default)]
struct Trail(Vec<String>);

impl Trail {
    fn follow(&mut self, mut moves: Vec<Move>, turn: u16) -> State {
        let next = moves.swap_remove(usize::from(turn) % moves.len());
        self.0.push(next.what);
        next.to
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.join("\n"));
        }
    }
}

/// A run with faults, as the numbers say, and then one without until rest.
fn run(rules: &Rules, turns: &[u16], rest: &[u16]) {
    let mut state = State::new(rules);
    let mut trail = Trail::default();
    for turn in turns {
        rules::always(&state.cluster, rules);
        let moves = state.moves(rules, &acts(&state.cluster, rules));
        if moves.is_empty() {
            break;
        }
        state = trail.follow(moves, *turn);
    }
    for turn in rest.iter().cycle().take(MOST_MOVES) {
        rules::always(&state.cluster, rules);
        let list = acts(&state.cluster, rules);
        let still = list.is_empty() && state.stale.is_none() && state.cluster.rests(rules);
        if state.cluster.released || still {
            return;
        }
        let mut moves = state.moves(rules, &list);
        moves.retain(|next| !next.fault);
        // Time passes when nothing else does.
        if moves.iter().any(|next| !is_noise(&next.what) && next.to != state) {
            moves.retain(|next| !is_noise(&next.what) && next.to != state);
        }
        assert!(!moves.is_empty(), "it is stuck: {state:?}");
        state = trail.follow(moves, *turn);
    }
    panic!("no rest after {MOST_MOVES} moves: {state:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn any_cluster_is_safe_and_comes_to_rest(
        rules in any_rules(),
        turns in prop::collection::vec(any::<u16>(), 0..250),
        rest in prop::collection::vec(any::<u16>(), 64),
    ) {
        run(&rules, &turns, &rest);
    }
}
