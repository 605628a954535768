//! Why a switch was not made what a spec says.

use flyover_core::Refusal;
use flyover_host::executor::ApplyError;
use flyover_host::root::HostError;
use flyover_host::store::StoreError;

/// Why a switch was not made what a spec says, or not looked at.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The spec contradicts itself, or does not fit the host or the switch. Nothing was changed.
    #[error("the switch was refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// The host or the switch could not be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan was not carried out.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Its daemon runs and does not answer.
    #[error("ovs-vswitchd runs and does not answer")]
    Silent,
    /// The journal holds a spec that this program cannot read.
    #[error("generation {number} holds a spec that this flyover cannot read")]
    Spec {
        /// Which generation.
        number: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Going back would end half done, for ports of others are in the switch.
    #[error(
        "ports are attached that would not outlast the rollback: {}; nothing was changed\n  hint: detach the pods first; a port that no pod has any more goes with `flyover switch gc` or `ovs-vsctl del-port`",
        .0.join(", ")
    )]
    Occupied(Vec<String>),
    /// There is no such generation.
    #[error("there is no generation {0} of this switch\n  hint: `flyover switch history` lists them")]
    NoGeneration(u64),
}
