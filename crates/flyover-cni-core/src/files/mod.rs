//! Directories and sockets below places that pods may write to.
//!
//! Invariant: from a directory that was opened, only single components are followed, and never a symbolic link: what a pod
//! puts in our way is an error, not a way out. A path is used only up to a directory of the node's configuration.

mod beneath;
mod mount;
mod remove;

pub use beneath::{Beneath, Inode};
pub use mount::{graft, ungraft};
pub use remove::{remove_tree, unlink_if};

/// The longest path of a socket, less the closing zero.
pub const LONGEST_SOCKET: usize = 107;
