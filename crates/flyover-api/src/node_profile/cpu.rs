//! Which processors are for what.

use flyover_core::CpuSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which processors are for the host and which for polling threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CpuSpec {
    /// Processors kept from the scheduler, the tick and RCU callbacks. `auto` takes `coresPerNode` whole physical
    /// cores of each NUMA node, after the first, which stays with the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub isolated: Option<Amount>,
    /// Processors for the host's own work. `auto` takes the first physical core of each NUMA node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reserved: Option<Amount>,
    /// How many physical cores of each NUMA node `auto` isolates for polling threads.
    #[serde(skip_serializing_if = "is_one")]
    #[schemars(extend("default" = 1))]
    pub cores_per_node: u32,
}

impl Default for CpuSpec {
    fn default() -> Self {
        Self { isolated: None, reserved: None, cores_per_node: 1 }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

/// A set of processors, or `auto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// By topology.
    Auto,
    /// These.
    Cpus(CpuSet),
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Cpus(cpus) => cpus.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Cpus).map_err(serde::de::Error::custom)
    }
}
