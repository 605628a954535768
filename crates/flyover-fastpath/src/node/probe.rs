//! What of the kernel the BPF back end needs, asked in this order before anything is made.
//!
//! Invariant: to ask changes nothing.

use std::path::Path;

use libbpf_rs::ProgramType;

use super::NodeError;
use crate::conntrack;
use crate::instance::Instance;
use crate::programs::Abilities;

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The first thing that is missing, if one is.
pub(super) fn lack(instance: &Instance) -> Option<NodeError> {
    if !Path::new(BTF).exists() {
        return Some(NodeError::NoBtf);
    }
    if !ProgramType::SchedCls.is_supported().unwrap_or(false) {
        return Some(NodeError::NoBpf);
    }
    instance.bpffs_is_there().err().map(NodeError::from)
}

/// Why programs are no use where [`conntrack_is_mute`].
pub(super) const MUTE: &str = "conntrack cannot be asked about flows";

/// Whether conntrack is there, and programs cannot ask it: then no flow that it tracks could be bypassed.
pub(super) fn conntrack_is_mute() -> bool {
    conntrack::is_loaded() && Abilities::of_kernel().is_ok_and(|can| !can.ask_conntrack)
}
