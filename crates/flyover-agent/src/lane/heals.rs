//! How often a lane was healed lately: two that want different things of a node are not to fight for ever.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is older is forgotten.
const WINDOW: Duration = Duration::from_secs(600);

/// When a lane was healed.
#[derive(Debug, Default)]
pub(super) struct Heals(VecDeque<Instant>);

impl Heals {
    /// How often in the last ten minutes.
    pub(super) fn lately(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Once more.
    pub(super) fn once_more(&mut self, now: Instant) {
        self.0.push_back(now);
    }

    /// Another wish is another matter.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heal_counts_for_ten_minutes() {
        let (start, mut heals) = (Instant::now(), Heals::default());
        heals.once_more(start);
        heals.once_more(start + Duration::from_secs(300));
        let counts = [0, 599, 600, 899, 900].map(|second| heals.lately(start + Duration::from_secs(second)));
        assert_eq!(counts, [2, 2, 1, 1, 0]);
    }
}
