//! The kernel that runs, and what it forbids.

use std::io;

use flyover_core::facts::{BootFacts, CpuVendor, OsFacts};
use flyover_core::{HostPath, KernelArgs};

use super::dir::Dir;
use super::loader;
use crate::root::{HostError, HostRoot};

/// EFI's variable of that name, by the GUID of all global variables. Four bytes of attributes stand before it.
const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Reads the running kernel. Without a command line there is no host at all.
pub(super) fn read(host: &HostRoot, os: &OsFacts, vendor: CpuVendor) -> Result<BootFacts, HostError> {
    let kernel = Dir::at(host, "/proc/sys/kernel");
    let cmdline = HostPath::fixed("/proc/cmdline");
    let Some(args) = host.text(&cmdline) else {
        let source = io::Error::other("there is none, so `/proc` is not mounted here");
        return Err(HostError::File { verb: "read", path: cmdline, source });
    };
    let efi = Dir::at(host, "/sys/firmware/efi/efivars");
    let cgroup = Dir::at(host, "/sys/fs/cgroup");
    Ok(BootFacts {
        release: kernel.text("osrelease").unwrap_or_default(),
        // The file is there since Linux 6.1.
        arch: kernel.text("arch").unwrap_or_else(|| arch_of(vendor).to_owned()),
        boot_id: kernel.text("random/boot_id").unwrap_or_default(),
        args: KernelArgs::parse(&args),
        loader: loader::read(host, os),
        secure_boot: efi.text(SECURE_BOOT).and_then(|value| Some(*value.as_bytes().get(4)? == 1)),
        lockdown: Dir::at(host, "/sys/kernel/security").text("lockdown").and_then(|text| chosen(&text)),
        cgroup: if cgroup.has("cgroup.controllers") { 2 } else { 1 },
    })
}

fn arch_of(vendor: CpuVendor) -> &'static str {
    match vendor {
        CpuVendor::Intel | CpuVendor::Amd => "x86_64",
        CpuVendor::Arm => "aarch64",
        CpuVendor::Other => "unknown",
    }
}

/// The word in brackets: `[none] integrity confidentiality`.
fn chosen(text: &str) -> Option<String> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockdown_in_force_is_the_one_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality").as_deref(), Some("integrity"));
        assert_eq!(chosen("none"), None);
    }
}
