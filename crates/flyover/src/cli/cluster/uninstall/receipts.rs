//! What nodes said they put back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flyover_api::resource::{Lane, LanePhase, NodeState};
use kube::ResourceExt;

/// By node and lane, what was put back, line by line.
pub(super) type Receipts = BTreeMap<(String, Lane), Vec<String>>;

/// Takes up what clean lanes say.
pub(super) fn add(receipts: &mut Receipts, states: &[NodeState]) {
    for state in states {
        let lanes = state.status.iter().flat_map(|status| &status.lanes);
        for (lane, status) in lanes.filter(|(_, status)| status.phase == LanePhase::Clean) {
            receipts.insert((state.name_any(), *lane), status.receipt.clone());
        }
    }
}

/// As people read it.
pub(super) fn table(receipts: &Receipts) -> String {
    let mut text = String::new();
    for ((node, lane), lines) in receipts {
        let _infallible = writeln!(text, "node {node}, {lane}: clean");
        for line in lines {
            let _infallible = writeln!(text, "  {line}");
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_clean_is_a_receipt() {
        let mut state =
            NodeState::new("n1", serde_json::from_value(serde_json::json!({"lanes": {}})).unwrap());
        let lane = |phase: &str| serde_json::json!({"phase": phase, "needs": "none", "reason": "", "message": "", "receipt": ["hugepages: 0 again"]});
        let lanes = serde_json::json!({"lanes": {"profile": lane("Clean"), "switch": lane("Removing")}});
        state.status = Some(serde_json::from_value(lanes).unwrap());
        let mut receipts = Receipts::new();
        add(&mut receipts, &[state]);
        assert_eq!(table(&receipts), "node n1, profile: clean\n  hugepages: 0 again");
    }
}
