//! What of the kernel the BPF back end needs, asked in this order before anything is made.
//!
//! Invariant: to ask changes nothing.

use std::path::Path;

use libbpf_rs::ProgramType;

use super::NodeError;
use crate::instance::Instance;

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
