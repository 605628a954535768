//! What can go wrong between us and kubelet.

use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum KubeletError {
    /// No socket below this directory could be connected to.
    #[error(
        "`{directory}` is too long for the directory of a socket: {longest} bytes at most\n  \
         hint: mount kubelet's directory at a shorter path"
    )]
    LongDirectory {
        /// The directory.
        directory: PathBuf,
        /// What is possible.
        longest: usize,
    },
    /// Kubelet does not say who holds what.
    #[error("failed to ask kubelet at `{socket}` which pods hold devices")]
    PodResources {
        /// Where it was asked.
        socket: PathBuf,
        /// Why it did not answer.
        source: Box<tonic::Status>,
    },
}
