//! The distribution, the running kernel, and the boot loader.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{HostPath, KernelArgs};

/// The distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsFacts {
    /// `ID` of os-release: `debian`, `rhel`, `fedora`, …
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// `ID_LIKE` of os-release.
    #[serde(default)]
    pub like: Vec<String>,
    /// Who changes the image, where that is not the administrator by hand.
    pub managed: Option<ManagedOs>,
    /// Whether systemd runs the host.
    pub systemd: bool,
    /// Whether driverctl is installed.
    pub driverctl: bool,
}

/// Systems whose image is changed by declaration only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagedOs {
    /// Red Hat CoreOS, changed by OpenShift's machine-config operator.
    Rhcos,
    /// Another system of ostree's: Fedora CoreOS, IoT, Silverblue.
    Ostree,
    /// Talos.
    Talos,
    /// Bottlerocket.
    Bottlerocket,
    /// Flatcar.
    Flatcar,
}

/// The kernel that runs, and what will boot next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFacts {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`.
    pub arch: String,
    /// A random name of this boot, a new one each time.
    pub boot_id: String,
    /// The command line of the running kernel.
    pub args: KernelArgs,
    /// What writes the command line of the next boot; none was recognised otherwise.
    pub loader: Option<Loader>,
    /// Whether the firmware checks what it boots; unknown without EFI variables.
    pub secure_boot: Option<bool>,
    /// What the kernel forbids root to do: `none`, `integrity`, `confidentiality`.
    pub lockdown: Option<String>,
    /// Version of the control-group hierarchy: 1 or 2.
    pub cgroup: u8,
}

impl BootFacts {
    /// Whether the running kernel is of that version or a later one. One that does not say is taken for old.
    #[must_use]
    pub fn is_at_least(&self, version: (u32, u32)) -> bool {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= version
    }
}

/// What writes the kernel's command line, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Loader {
    /// GRUB with a generated configuration.
    Grub {
        /// Where `GRUB_CMDLINE_LINUX` stands.
        defaults: HostPath,
        /// Directory of files that are read after it, where the distribution reads one.
        drop_ins: Option<HostPath>,
        /// The generated configuration.
        config: HostPath,
        /// What generates it.
        generator: GrubGenerator,
    },
    /// Entries after the Boot Loader Specification, read by GRUB or systemd-boot.
    Bls {
        /// Directory of the entries.
        entries: HostPath,
        /// Whether grubby is there to edit them.
        grubby: bool,
        /// Where the arguments of kernels that are yet to be installed stand (`/etc/kernel/cmdline` or
        /// `/etc/default/grub`).
        defaults: Option<HostPath>,
    },
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grub { defaults, config, .. } => write!(f, "GRUB, {config} from {defaults}"),
            Self::Bls { entries, grubby, .. } => {
                write!(f, "entries in {entries}{}", if *grubby { ", by grubby" } else { "" })
            }
        }
    }
}

/// The command that writes GRUB's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrubGenerator {
    /// Debian's `update-grub`.
    UpdateGrub,
    /// `grub2-mkconfig -o FILE`.
    Grub2Mkconfig,
    /// `grub-mkconfig -o FILE`.
    GrubMkconfig,
}
