//! Why a node was not prepared.

use flyover_core::Refusal;

use crate::executor::Stopped;
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
    /// A step failed.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The node was rebooted for this plan, and the kernel does not show it.
    #[error("the node was rebooted for this profile, and still {why}")]
    RebootedInVain {
        /// What is missing.
        why: String,
    },
    /// The journal holds a profile that this program cannot read.
    #[error("generation {number} holds a profile that this flyover cannot read")]
    Profile {
        /// Which generation.
        number: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Nothing waits to be continued.
    #[error("nothing was begun on this node that could go on")]
    NothingBegun,
    /// There is no such generation.
    #[error("there is no generation {0}")]
    NoGeneration(u64),
}

impl NodeError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::RebootedInVain { .. } => Some(
                "see that the boot loader starts the entry flyover edited, and what overrides it; it is not rebooted \
                 again for this profile; `flyover node rollback` undoes it",
            ),
            Self::NothingBegun => Some("name a profile with -f"),
            Self::NoGeneration(_) => Some("`flyover node history` lists them"),
            _ => None,
        }
    }
}
