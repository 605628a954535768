//! When each node's agent was last heard, by the clock of this process: the times that agents tell are those of their nodes' clocks.
//!
//! Invariants: a sign of life is no change of a state; who begins to lead has heard nobody before that, so that a server that nobody
//! could reach, agents as little as the operator, makes no agent late; a node that comes back gives its agent time to come too.

use std::collections::BTreeMap;

use flyover_plan::rollout::Agent;
use tokio::time::Instant;

use crate::wire::State;

/// When agents were last heard.
#[derive(Debug)]
pub(crate) struct Hearing {
    since: Instant,
    heard: BTreeMap<String, Heard>,
}

#[derive(Debug)]
struct Heard {
    /// What the agent called the time, which tells one report from the next.
    reported: String,
    at: Instant,
}

impl Default for Hearing {
    fn default() -> Self {
        Self { since: Instant::now(), heard: BTreeMap::new() }
    }
}

impl Hearing {
    /// Everybody is given time from now on.
    pub(crate) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// A node is given time from now on.
    pub(super) fn begin_node(&mut self, node: &str) {
        if let Some(heard) = self.heard.get_mut(node) {
            heard.at = Instant::now();
        }
    }

    /// Takes in what a state says of its agent, and says whether that one had been missed.
    pub(super) fn hear(&mut self, node: &str, state: &State) -> bool {
        let fresh = || Heard { reported: state.reported.clone(), at: Instant::now() };
        let Some(heard) = self.heard.get(node) else {
            self.heard.insert(node.to_owned(), fresh());
            return false;
        };
        if heard.reported == state.reported {
            return false;
        }
        let missed = self.agent(node, state.spoke).is_missed();
        self.heard.insert(node.to_owned(), fresh());
        missed
    }

    /// There is no such state any more.
    pub(super) fn forget(&mut self, node: &str) {
        self.heard.remove(node);
    }

    /// What is known of a node's agent.
    pub(super) fn agent(&self, node: &str, spoke: bool) -> Agent {
        let at = self.heard.get(node).map(|heard| heard.at.max(self.since));
        Agent { spoke, silent: at.map_or(0, |at| at.elapsed().as_secs()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn state(reported: &str) -> State {
        let spoke = !reported.is_empty();
        State { lanes: BTreeMap::new(), told: BTreeMap::new(), spoke, reported: reported.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_heard_when_it_says_another_time_and_silent_for_as_long_as_it_does_not() {
        let mut hearing = Hearing::default();
        let minutes = |minutes: u64| tokio::time::advance(Duration::from_secs(60 * minutes));
        assert!(!hearing.hear("n1", &state("t1")));
        minutes(16).await;
        assert!(!hearing.hear("n1", &state("t1")), "the same is told again");
        assert_eq!(hearing.agent("n1", true), Agent { spoke: true, silent: 960 });
        assert!(hearing.hear("n1", &state("t2")), "it had been missed");
        assert_eq!(hearing.agent("n1", true).silent, 0);
        minutes(5).await;
        assert!(!hearing.hear("n1", &state("t3")));
        minutes(5).await;
        hearing.begin();
        assert_eq!(hearing.agent("n1", true).silent, 0, "who begins to lead waits anew");
        minutes(5).await;
        hearing.begin_node("n1");
        assert_eq!(hearing.agent("n1", true).silent, 0, "and so does a node that comes back");
        assert_eq!(hearing.agent("n2", false), Agent { spoke: false, silent: 0 });
    }
}
