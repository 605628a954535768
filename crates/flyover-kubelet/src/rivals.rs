//! Other plugins of the same resource, as far as their sockets show them.
//!
//! Kubelet has one plugin for a resource: the one that registered last. When that one ends, kubelet does not go back to the
//! one before, which hears nothing of it: its devices are still read. So the one before looks for itself.

use std::collections::BTreeSet;

/// Who else there is.
#[derive(Clone, Debug)]
pub(crate) struct Rivals {
    stem: String,
    ours: String,
    /// There when we registered: kubelet has us instead of them.
    older: BTreeSet<String>,
    /// Came later: kubelet may have them instead of us.
    newer: BTreeSet<String>,
}

impl Rivals {
    /// Of the plugin whose socket is called `ours`, and begins as theirs do.
    pub(crate) fn of(stem: String, ours: String) -> Self {
        Self { stem, ours, older: BTreeSet::new(), newer: BTreeSet::new() }
    }

    /// We registered, and these are there.
    pub(crate) fn registered(&mut self, sockets: &BTreeSet<String>) {
        self.older.clone_from(sockets);
        self.newer.clear();
    }

    /// Whether one is gone that came after us.
    pub(crate) fn left(&mut self, sockets: &BTreeSet<String>) -> bool {
        let gone = self.newer.iter().any(|rival| !sockets.contains(rival));
        let theirs = |name: &&String| name.starts_with(&self.stem) && **name != self.ours;
        self.newer = sockets.difference(&self.older).filter(theirs).cloned().collect();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_the_end_of_a_rival_that_came_later_matters() {
        let mut rivals = Rivals::of("br0-".into(), "br0-us".into());
        rivals.registered(&sockets(&["br0-us", "br0-old"]));
        assert!(!rivals.left(&sockets(&["br0-us", "br0-old"])));
        assert!(!rivals.left(&sockets(&["br0-us"])));
        assert!(!rivals.left(&sockets(&["br0-us", "br0-new", "br1-new"])));
        assert!(!rivals.left(&sockets(&["br0-us", "br0-new"])));
        assert!(!rivals.left(&sockets(&["br0-new"])));
        assert!(rivals.left(&sockets(&["br0-us"])));
        assert!(!rivals.left(&sockets(&["br0-us"])));
        rivals.left(&sockets(&["br0-us", "br0-new"]));
        rivals.registered(&sockets(&["br0-us", "br0-new"]));
        assert!(!rivals.left(&sockets(&["br0-us"])));
    }
}
