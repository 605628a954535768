//! What a node's agent answers when it is asked what a spec would take there.

use flyover_core::Disturbance;
use serde::{Deserialize, Serialize};

use super::PlanSummary;

/// What a spec would take on a node, as the node is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Foresight {
    /// It would be made so.
    Fits {
        /// What would be done; none where all is so already.
        plan: Option<PlanSummary>,
        /// The most that it would disturb.
        needs: Disturbance,
        /// What somebody should know besides.
        notes: Vec<String>,
    },
    /// It would be refused, and nothing touched.
    Refused {
        /// Why, as a sentence.
        why: String,
        /// Whether the node is at fault, and not the spec: another resource may mend that.
        impossible: bool,
    },
}
