//! Takes out of a captured host what tells whose it is.
//!
//! What decides facts is kept: of files only the lines that are read, of kernel arguments those the house knows, of
//! routes the ways that matter. Addresses become those of documentation, the same one wherever the same one stood.
//! Invariant: what is not known to be harmless is left out.

mod addresses;
mod arguments;
mod files;
mod ways;

use super::HostTree;
use crate::facts::Reach;

/// Redacts a tree whose host has those ways.
pub(super) fn redact(tree: &mut HostTree, reach: &Reach) {
    let aliases = ways::Aliases::of(reach);
    addresses::replace_macs(tree);
    files::reduce(tree, &aliases);
    files::scrub(tree);
    // After the scrubbing, which takes the addresses in tables of IPv6 for names.
    ways::replace(tree, reach, &aliases);
}
