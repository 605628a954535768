//! Services, and how kubelet divides the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{CpuSet, HostPath, UnitName};

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Its own name, where it was asked for by an alias (`chronyd` is one of `chrony`).
    pub unit: UnitName,
    /// Whether it starts at boot.
    pub enablement: Enablement,
    /// Whether it runs.
    pub active: bool,
    /// The file that defines it.
    pub fragment: Option<HostPath>,
}

/// What `systemctl is-enabled` says of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Enablement {
    /// It starts at boot.
    Enabled,
    /// It does not.
    Disabled,
    /// Nothing can start it.
    Masked,
    /// It has no `[Install]` section; others start it.
    Static,
    /// There is no such unit.
    NotFound,
    /// Anything else, in systemd's word for it: `alias`, `indirect`, `generated`, `enabled-runtime`, …
    Other(String),
}

impl From<String> for Enablement {
    fn from(word: String) -> Self {
        match word.as_str() {
            "enabled" => Self::Enabled,
            "disabled" => Self::Disabled,
            "masked" => Self::Masked,
            "static" => Self::Static,
            "not-found" | "" => Self::NotFound,
            _ => Self::Other(word),
        }
    }
}

impl From<Enablement> for String {
    fn from(enablement: Enablement) -> Self {
        enablement.to_string()
    }
}

impl FromStr for Enablement {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(word.to_owned().into())
    }
}

impl fmt::Display for Enablement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Masked => "masked",
            Self::Static => "static",
            Self::NotFound => "not-found",
            Self::Other(word) => word,
        })
    }
}

/// How kubelet divides the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletFacts {
    /// The configuration that was read.
    pub config: HostPath,
    /// `cpuManagerPolicy`.
    pub cpu_manager: Option<String>,
    /// `topologyManagerPolicy`.
    pub topology_manager: Option<String>,
    /// `memoryManagerPolicy`.
    pub memory_manager: Option<String>,
    /// `reservedSystemCPUs`.
    pub reserved_cpus: Option<CpuSet>,
}
