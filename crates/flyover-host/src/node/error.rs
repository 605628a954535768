//! Why a node was not prepared.

use flyover_core::Refusal;

use crate::executor::ApplyError;
use crate::root::HostError;
use crate::store::StoreError;

/// Why a node was not prepared, or not looked at.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The profile contradicts itself, or does not fit the node. Nothing was changed.
    #[error("the profile was refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// The host could not be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan was not carried out.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The journal holds a profile that this program cannot read.
    #[error("generation {number} holds a profile that this flyover cannot read")]
    Profile {
        /// Which generation.
        number: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The profile means something else since the reboot.
    #[error(
        "the profile means something else on this node since the reboot, so nothing more was done\n  hint: `flyover node plan -f FILE` shows it; apply it again if it is right"
    )]
    Changed,
    /// Nothing waits to be continued.
    #[error("nothing was begun on this node that could go on\n  hint: name a profile with -f")]
    NothingBegun,
    /// There is no such generation.
    #[error("there is no generation {0}\n  hint: `flyover node history` lists them")]
    NoGeneration(u64),
}
