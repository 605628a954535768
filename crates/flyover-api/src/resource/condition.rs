//! Conditions: what is so of an object, since when, and why, in the form all of Kubernetes has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is so, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it is so.
    pub status: Truth,
    /// One word for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// A sentence for people, with what to do where something can be done.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When it last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Of which generation of the spec this is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What a condition is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// All is as it was asked for.
    Ready,
    /// Something is being done.
    Progressing,
    /// Something is wrong that somebody should look at.
    Degraded,
    /// Somebody else changed what was asked for.
    Drifted,
}

/// Whether it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// Yes.
    True,
    /// No.
    False,
    /// Nobody can tell.
    Unknown,
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// What is said anew, each once; the time of change is kept where nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// Says it.
    #[must_use]
    pub fn with(
        mut self,
        kind: ConditionType,
        status: impl Into<Truth>,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        self.0.retain(|said| said.kind != kind);
        self.0.push(Condition {
            kind,
            status: status.into(),
            reason: reason.to_owned(),
            message: message.into(),
            last_transition_time: String::new(),
            observed_generation: None,
        });
        self
    }

    /// As they are to be written at `now`, after `before`.
    #[must_use]
    pub fn since(self, before: &[Condition], now: &str, generation: Option<i64>) -> Vec<Condition> {
        let mut said = self.0;
        said.sort_by_key(|condition| condition.kind);
        for condition in &mut said {
            let old = before.iter().find(|old| old.kind == condition.kind && old.status == condition.status);
            condition.last_transition_time =
                old.map_or_else(|| now.to_owned(), |old| old.last_transition_time.clone());
            condition.observed_generation = generation;
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_stays_keeps_its_time_though_its_words_change() {
        let first = Conditions::default().with(ConditionType::Ready, false, "Waiting", "for node1");
        let first = first.since(&[], "t1", Some(1));
        let second = Conditions::default()
            .with(ConditionType::Degraded, true, "Failed", "node2")
            .with(ConditionType::Ready, false, "Failed", "on node2")
            .since(&first, "t2", Some(2));
        let told: Vec<_> = second
            .iter()
            .map(|c| (c.kind, c.reason.as_str(), c.last_transition_time.as_str(), c.observed_generation))
            .collect();
        assert_eq!(
            told,
            [
                (ConditionType::Ready, "Failed", "t1", Some(2)),
                (ConditionType::Degraded, "Failed", "t2", Some(2))
            ]
        );
    }
}
