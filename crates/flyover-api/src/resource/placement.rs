//! Which nodes a resource is for, and how it comes to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which nodes a resource is for, and how it comes to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Labels that a node must have; none says every node.
    pub node_selector: BTreeMap<String, String>,
    /// Of several resources of a kind for one node the one with the highest number has it. Two with the same number are both
    /// refused there, and the node stays as it is.
    #[schemars(range(min = -2_147_483_648_i64, max = 2_147_483_647_i64))]
    pub priority: i32,
    /// How a change comes to the nodes.
    pub rollout: RolloutSpec,
}

impl Placement {
    /// Takes it out of the spec of a resource, in which what is left is the lane's.
    pub fn take(spec: &mut Map<String, Value>) -> Result<Self, serde_json::Error> {
        let own = ["nodeSelector", "priority", "rollout"];
        let own: Map<_, _> =
            own.iter().filter_map(|key| Some(((*key).to_owned(), spec.remove(*key)?))).collect();
        serde_json::from_value(Value::Object(own))
    }
}

/// How a change comes to the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// How many nodes have a change before the others get it; they must become ready with it. 0 goes without.
    #[schemars(range(max = 1000))]
    pub canary: u32,
    /// How many of the resource's nodes may be down at the same time for its sake, as a number or as a share of them
    /// (`10%`, at least one). Nodes that are down for another reason count.
    pub max_unavailable: MaxUnavailable,
    /// Nodes that do not have the change yet do not get it.
    pub pause: bool,
    /// How nodes are emptied. Only those are where the plan touches pods, or reboots.
    pub drain: Drain,
    /// What happens on a node that a change fails on. The change goes to no further node in either case.
    pub on_failure: OnFailure,
}

impl Default for RolloutSpec {
    fn default() -> Self {
        Self {
            canary: 1,
            max_unavailable: MaxUnavailable::default(),
            pause: false,
            drain: Drain::default(),
            on_failure: OnFailure::default(),
        }
    }
}

/// How many nodes may be down: a number, or a share of all in per cent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(transform = int_or_string)]
pub enum MaxUnavailable {
    /// So many.
    Count(u32),
    /// `25%`.
    Share(String),
}

/// A number or a share, as Kubernetes has it elsewhere.
fn int_or_string(schema: &mut schemars::Schema) {
    *schema = schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "type(self) == int ? self >= 1 && self <= 4294967295 : self.matches('^([1-9][0-9]?|100)%$')",
            "message": "is a number from 1 to 4294967295, or a share from 1% to 100%"
        }],
    });
}

impl Default for MaxUnavailable {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl MaxUnavailable {
    /// How many of `nodes`; at least one, or nothing would ever change.
    #[must_use]
    pub fn of(&self, nodes: usize) -> usize {
        let count = match self {
            Self::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            Self::Share(share) => {
                share.trim_end_matches('%').parse::<usize>().map_or(1, |share| nodes * share / 100)
            }
        };
        count.max(1)
    }
}

/// How a node is emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// Seconds after which a node that some pod does not leave is given back, and tried again later.
    #[schemars(range(min = 1, max = 4_294_967_295_i64))]
    pub deadline_seconds: u32,
    /// Pods with an `emptyDir` are evicted too, and lose it.
    pub delete_empty_dir_data: bool,
    /// Pods that nobody would start elsewhere are evicted too.
    pub force: bool,
}

impl Default for Drain {
    fn default() -> Self {
        Self { deadline_seconds: 600, delete_empty_dir_data: true, force: false }
    }
}

/// What happens on a node that a change fails on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// It goes back to what it had.
    #[default]
    Rollback,
    /// It stays as the failure left it, for somebody to look at.
    Stay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_but_never_to_nothing() {
        for (share, nodes, may) in [("10%", 5, 1), ("50%", 5, 2), ("100%", 5, 5), ("25%", 0, 1)] {
            assert_eq!(MaxUnavailable::Share(share.into()).of(nodes), may, "{share} of {nodes}");
        }
        assert_eq!((MaxUnavailable::Count(3).of(1), MaxUnavailable::Count(0).of(9)), (3, 1));
    }
}
