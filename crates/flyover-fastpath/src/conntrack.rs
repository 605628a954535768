//! What conntrack does in the node's namespace, and the one setting a bypass may need.
//!
//! Window tracking sees only samples of a bypassed flow. Unless told to forgive what it has not seen, it calls the
//! next sample invalid, and kube-proxy drops what is invalid.

use std::fs;
use std::io;
use std::path::Path;

use flyover_host::cmd::Cmd;

/// The setting's file.
pub(crate) const BE_LIBERAL: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Where the types of conntrack are if it is a module: our programs call functions of it.
const MODULE_TYPES: &str = "/sys/kernel/btf/nf_conntrack";

/// Loads conntrack where it is a module: rules may bring it later, and programs that were loaded before could never
/// ask it. A module alone tracks nothing.
pub(crate) fn load_module() {
    if is_loaded() {
        return;
    }
    if let Err(error) = Cmd::new("modprobe").args(["nf_conntrack"]).run() {
        tracing::debug!(%error, "conntrack is not there to be asked");
    }
}

/// Whether the kernel has conntrack's functions as a module's.
pub(crate) fn has_module_types() -> bool {
    Path::new(MODULE_TYPES).exists()
}

/// Whether conntrack is in the kernel.
pub(crate) fn is_loaded() -> bool {
    Path::new(COUNT).exists()
}

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
