//! How long a resource rests after a step that came to nothing.
//!
//! Invariants: no clock of its own. What somebody else wrote meanwhile is looked at again at once, but only once: a resource whose
//! steps come to nothing each time rests longer and longer, whatever the cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::store::Key;

/// The first rest.
const REST: Duration = Duration::from_millis(500);
/// The longest.
const REST_AT_MOST: Duration = Duration::from_secs(60);

/// Resources whose last steps came to nothing.
#[derive(Debug, Default)]
pub(super) struct Rests {
    failures: BTreeMap<Key, u32>,
    changed: BTreeSet<Key>,
}

impl Rests {
    /// A step failed: for how long its resource rests.
    pub(super) fn failed(&mut self, key: &Key) -> Duration {
        let failures = self.failures.entry(key.clone()).or_default();
        let rest = REST * 2_u32.saturating_pow((*failures).min(7));
        *failures += 1;
        rest.min(REST_AT_MOST)
    }

    /// What a step was decided on had changed: for how long its resource rests, if that was so the last time too.
    pub(super) fn changed(&mut self, key: &Key) -> Option<Duration> {
        let first = self.changed.insert(key.clone());
        (!first).then(|| self.failed(key))
    }

    /// A turn went well, or the resource is gone.
    pub(super) fn over(&mut self, key: &Key) {
        self.failures.remove(key);
        self.changed.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use flyover_api::resource::Lane;

    use super::*;

    #[test]
    fn what_was_changed_meanwhile_is_looked_at_again_at_once_but_not_twice_in_a_row() {
        let (mut rests, key) = (Rests::default(), Key { lane: Lane::Switch, name: "s".into() });
        let millis = |rest: Option<Duration>| rest.map(|rest| rest.as_millis());
        let told: Vec<_> = (0..4).map(|_| millis(rests.changed(&key))).collect();
        assert_eq!(told, [None, Some(500), Some(1000), Some(2000)]);
        rests.over(&key);
        assert_eq!(millis(rests.changed(&key)), None);
        assert_eq!(rests.failed(&key), REST);
        assert_eq!((0..20).map(|_| rests.failed(&key)).max(), Some(REST_AT_MOST));
    }
}
