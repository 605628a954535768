//! Modules, services and files.

use std::collections::BTreeMap;

use flyover_core::{FileMode, HostPath, ModuleName, UnitName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kernel module to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleSpec {
    /// Its name: `vfio-pci`.
    #[schemars(with = "String")]
    pub name: ModuleName,
    /// Its options: `enable_sriov: "1"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A service that must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its unit; aliases are followed: `chronyd` is `chrony.service` on Debian. One that is not installed is left out.
    #[schemars(with = "String")]
    pub name: UnitName,
    /// What it is to be.
    pub state: ServiceWish,
}

/// What a service is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceWish {
    /// Stopped, and not started at boot.
    Disabled,
    /// Stopped, and nothing can start it.
    Masked,
}

/// A file that is Flyover's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSpec {
    /// Where. A file that is there already is put back when the profile goes.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// What it holds.
    pub content: String,
    /// Its permissions; 0644 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub mode: Option<FileMode>,
}
