//! BPF programs that hang on a device by tcx (Linux 6.6).
//!
//! They are in no list of traffic control and no notification tells of them; the kernel must be asked device by
//! device.

use std::io;

use crate::sys;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Into the device's namespace.
    Ingress,
    /// Out of it.
    Egress,
}

impl Side {
    /// `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`.
    fn attach_type(self) -> u32 {
        match self {
            Self::Ingress => 46,
            Self::Egress => 47,
        }
    }

    /// The name `bpftool` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// The numbers of the programs there, in the order in which they run; none where the kernel has no tcx. The device
/// is one of the calling thread's namespace.
pub fn programs(ifindex: u32, side: Side) -> io::Result<Vec<u32>> {
    match sys::bpf_prog_query(ifindex, side.attach_type()) {
        // Before 6.6 there is no such attach point, and without BPF no such call.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::ENOENT)) => {
            Ok(Vec::new())
        }
        other => other,
    }
}
