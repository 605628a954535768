//! Takes away what the plugin keeps of a node itself, once no attachment is left: its directories and the file of its locks.
//!
//! Invariant: a directory in which something is left stays.

use std::fs;
use std::path::Path;

use crate::node::Node;
use crate::state::LOCKS;

/// What of ours may stand above.
const OURS: &str = "flyover";

/// Leaves a node. What cannot be removed is in use, or is found by whoever looks for traces.
pub fn leave(node: &Node) {
    let _in_use = fs::remove_file(node.state_dir.join(LOCKS));
    for directory in [&node.state_dir, &node.lasting_dir, &node.socket_root] {
        let _in_use = fs::remove_dir(directory);
        let parent = directory.parent().filter(|parent| parent.file_name() == Some(OURS.as_ref()));
        let _in_use = parent.map(|parent: &Path| fs::remove_dir(parent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Store;

    #[test]
    fn what_is_empty_goes_and_what_is_in_use_stays() {
        let root = tempfile::tempdir().unwrap();
        let node = Node::load(root.path()).unwrap();
        let _made = Store::open(&node).unwrap();
        fs::write(node.state_dir.join(LOCKS), "").unwrap();
        fs::create_dir_all(node.socket_root.join("somebody")).unwrap();
        leave(&node);
        assert!(!node.state_dir.exists());
        assert!(node.socket_root.join("somebody").exists());
        fs::remove_dir(node.socket_root.join("somebody")).unwrap();
        leave(&node);
        assert!(!root.path().join("run/flyover").exists());
    }
}
