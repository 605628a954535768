//! Other plugins of the same resource, as far as their sockets show them.
//!
//! Kubelet has one plugin for a resource: the one that registered last. When one ends, kubelet marks as ended whichever it has
//! by then, and never goes back to the one before. Both are done without a word: the devices are still read. So whoever
//! is left registers again soon, unless it has done so since, and once more when even a kubelet that gets no processor
//! must be done. That costs kubelet a connection that it forgets to close, as seldom as agents are replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// How long kubelet takes at most to be done with a plugin that ended,
pub(crate) const REST: Duration = Duration::from_secs(1);
/// and on a node that has no time for it.
const LONG_REST: Duration = Duration::from_secs(15);

/// Who else there is.
#[derive(Clone, Debug)]
pub(crate) struct Rivals {
    stem: String,
    ours: String,
    there: BTreeSet<String>,
    left: Option<Instant>,
}

impl Rivals {
    /// Of the plugin whose socket is called `ours`, and begins as theirs do.
    pub(crate) fn of(stem: String, ours: String) -> Self {
        Self { stem, ours, there: BTreeSet::new(), left: None }
    }

    /// These sockets are there now.
    pub(crate) fn see(&mut self, sockets: &BTreeSet<String>) {
        if !self.there.is_subset(sockets) {
            self.left = Some(Instant::now());
        }
        let theirs = |name: &&String| name.starts_with(&self.stem) && **name != self.ours;
        self.there = sockets.iter().filter(theirs).cloned().collect();
    }

    /// Kubelet hung up on us: for it, somebody has left.
    pub(crate) fn hung_up(&mut self) {
        self.left = Some(Instant::now());
    }

    /// Kubelet is another one, which knows of nobody.
    pub(crate) fn forget(&mut self) {
        self.left = None;
    }

    /// When to register again, for one whose last registration began then.
    pub(crate) fn again(&self, began: Instant) -> Option<Instant> {
        let left = self.left?;
        let rest = if began < left { REST } else { LONG_REST };
        Some(left + rest).filter(|again| *again > began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_registered_before_a_rival_left_registers_again_and_once_more() {
        let mut rivals = Rivals::of("br0-".into(), "br0-us".into());
        let start = Instant::now();
        for there in [&["br0-us", "br1-other"][..], &["br0-them"], &["br0-us", "br0-them", "br0-third"]] {
            rivals.see(&sockets(there));
            assert_eq!(rivals.again(start), None);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        rivals.see(&sockets(&["br0-us", "br0-third"]));
        let left = start + Duration::from_secs(5);
        assert_eq!(rivals.again(start), Some(left + REST));
        for soon in [left, left + REST] {
            assert_eq!(rivals.again(soon), Some(left + LONG_REST));
        }
        assert_eq!(rivals.again(left + LONG_REST), None);
        rivals.see(&sockets(&["br0-us", "br0-third"]));
        assert_eq!(rivals.again(start), Some(left + REST));
        rivals.forget();
        assert_eq!(rivals.again(start), None);
    }
}
