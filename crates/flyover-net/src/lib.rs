//! The hands of the house on the network: namespaces, links, routes, rule sets and their notifications.
//!
//! Invariant: everything here acts in the network namespace of the calling thread or, through a
//! [`netlink::Netlink`], in the one that handle was opened in; a function that needs another one enters it
//! through [`netns`], which always comes back.

pub mod address;
pub mod analysis;
pub mod conntrack;
pub mod hooks;
pub mod inhabitants;
pub mod link;
pub mod neigh;
pub mod netlink;
pub mod netns;
mod nl;
pub mod nsid;
pub mod offload;
pub mod pod;
pub mod qdisc;
pub mod route;
pub mod ruleset;
mod sys;
pub mod sysctl;
pub mod tcx;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod xfrm;

pub use nl::{Malformed, NlError};
