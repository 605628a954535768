//! What conntrack does in the node's namespace, and the one setting a bypass may need.
//!
//! Window tracking sees only samples of a bypassed flow. Unless told to forgive what it has not seen, it calls the
//! next sample invalid, and kube-proxy drops what is invalid.

use std::fs;
use std::io;
use std::path::Path;

const BE_LIBERAL: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Whether conntrack has entries here. Files below `/proc/sys/net` are those of the reading thread's namespace.
pub(crate) fn has_entries() -> bool {
    fs::read_to_string(COUNT).is_ok_and(|n| n.trim() != "0")
}

/// The setting's value; none where conntrack is not loaded.
pub(crate) fn be_liberal() -> Option<String> {
    fs::read_to_string(BE_LIBERAL).ok().map(|v| v.trim().to_owned())
}

/// Sets it.
pub(crate) fn set_be_liberal(value: &str) -> io::Result<()> {
    if Path::new(BE_LIBERAL).exists() { fs::write(BE_LIBERAL, value) } else { Ok(()) }
}
