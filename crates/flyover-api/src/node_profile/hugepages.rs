//! Hugepages: how many, of which size, and where they are mounted.

use flyover_core::{FileMode, HostPath, HugepageSize, NumaNode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hugepages and where they are mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HugepagesSpec {
    /// The size that is meant where none is named, and the only one `/proc/meminfo` counts. Needs a reboot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub default_size: Option<HugepageSize>,
    /// How many of which size, and where.
    pub pages: Vec<HugepagePoolSpec>,
    /// Where they are mounted. `/dev/hugepages` is mounted by systemd already, with the default size.
    pub mounts: Vec<HugepageMountSpec>,
}

/// Hugepages of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HugepagePoolSpec {
    /// `2M`, `1G`, or another size this processor has.
    #[schemars(with = "String")]
    pub size: HugepageSize,
    /// How many: on `node` if it is named, else on the whole host, spread evenly over its NUMA nodes.
    pub count: u64,
    /// The NUMA node they are to be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>")]
    pub node: Option<NumaNode>,
    /// When they are taken: `boot` never fails for want of contiguous memory but needs a reboot to change.
    #[serde(default)]
    pub when: When,
}

/// When hugepages are taken from the kernel's free memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// From the running kernel, now and after each boot.
    #[default]
    Runtime,
    /// By the kernel's command line.
    Boot,
}

/// Where hugepages are mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HugepageMountSpec {
    /// The directory.
    #[schemars(with = "String")]
    pub path: HostPath,
    /// Which pages.
    #[schemars(with = "String")]
    pub page_size: HugepageSize,
    /// Permissions of the mount's root directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub mode: Option<FileMode>,
    /// Number of the group that owns the root directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The most that can be taken through this mount: a number with `M` or `G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}
