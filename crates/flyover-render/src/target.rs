//! What a profile can be rendered for.

use std::fmt;
use std::str::FromStr;

/// A system, or a file of one, that a profile can be rendered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// `MachineConfig` of OpenShift.
    MachineConfig,
    /// Ignition 3.4: Fedora CoreOS and its kin.
    Ignition,
    /// `PerformanceProfile` of OpenShift's node tuning operator.
    PerformanceProfile,
    /// A file for `/etc/default/grub.d`.
    Grub,
    /// A command of grubby.
    Grubby,
    /// Entries after the Boot Loader Specification.
    Bls,
    /// A patch of Talos' machine configuration.
    Talos,
    /// Settings of Bottlerocket.
    Bottlerocket,
    /// Ignition 3.3, as Flatcar takes it.
    Flatcar,
    /// `KubeletConfiguration`.
    Kubelet,
    /// A profile of tuned upon `cpu-partitioning`.
    Tuned,
    /// A shell script, for the curious.
    Shell,
}

/// Why a string names no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTarget(String);

impl Target {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::MachineConfig,
        Self::Ignition,
        Self::PerformanceProfile,
        Self::Grub,
        Self::Grubby,
        Self::Bls,
        Self::Talos,
        Self::Bottlerocket,
        Self::Flatcar,
        Self::Kubelet,
        Self::Tuned,
        Self::Shell,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MachineConfig => "machineconfig",
            Self::Ignition => "ignition",
            Self::PerformanceProfile => "performanceprofile",
            Self::Grub => "grub",
            Self::Grubby => "grubby",
            Self::Bls => "bls",
            Self::Talos => "talos",
            Self::Bottlerocket => "bottlerocket",
            Self::Flatcar => "flatcar",
            Self::Kubelet => "kubelet",
            Self::Tuned => "tuned",
            Self::Shell => "shell",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(s: &str) -> Result<Self, BadTarget> {
        Self::ALL.into_iter().find(|target| target.as_str() == s).ok_or_else(|| BadTarget(s.to_owned()))
    }
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Target::ALL.map(Target::as_str).join(", ");
        write!(f, "`{}` is nothing a profile can be rendered for (expected one of {known})", self.0)
    }
}

impl std::error::Error for BadTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_survives_printing_and_parsing() {
        for target in Target::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert!("butane".parse::<Target>().unwrap_err().to_string().contains("ignition, performanceprofile"));
    }
}
