//! The packet filter rules of a network namespace, read from the kernel without `nft` or `iptables`.
//!
//! Flyover must stay out of flows that the node judges packet by packet. which those are, [`analysis`](crate::analysis) says; this
//! reads what it needs: nf_tables by netlink, legacy xtables by `getsockopt`.
//!
//! Invariant: reading changes nothing. A legacy table is asked for only if it is there already, since the mere
//! question would make it.

pub mod legacy;
mod model;
pub mod nft;
mod prefix;
mod xt;

pub use model::{Base, Chain, Condition, Family, Hook, Origin, Rule, Ruleset, Step, Table, Verdict, states};
pub use prefix::Prefix;

use crate::nl::NlError;

/// Why a rule set could not be read. Whoever cannot know the rules must not bypass them.
#[derive(Debug, thiserror::Error)]
pub enum RulesetError {
    /// The nf_tables part.
    #[error("failed to read the nf_tables rule set")]
    Nft(#[source] NlError),
    /// A legacy table.
    #[error("failed to read the legacy table {table}")]
    Legacy {
        /// Which.
        table: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Ruleset {
    /// Reads all rules of the calling thread's namespace.
    pub fn read() -> Result<Self, RulesetError> {
        let (generation, mut tables) = nft::read().map_err(RulesetError::Nft)?;
        tables.extend(legacy::read()?);
        Ok(Self { generation, tables })
    }
}

#[cfg(test)]
mod tests;
