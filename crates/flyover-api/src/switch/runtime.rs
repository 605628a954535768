//! Where a switch is and who keeps its daemons.

use flyover_core::{HostPath, UnitName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a switch is and who keeps its daemons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuntimeSpec {
    /// Its run directory; `/run/openvswitch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub directory: Option<HostPath>,
    /// The socket of its database; `db.sock` in the run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub database: Option<HostPath>,
    /// The unit that restarts `ovs-vswitchd`. Left out, it is found; where there is none, the switch is kept by others
    /// and never restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub service: Option<UnitName>,
    /// Flyover starts and stops the daemons itself, in `directory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessesSpec>,
}

/// Daemons that Flyover starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProcessesSpec {
    /// The file of the database; `conf.db` in the run directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub file: Option<HostPath>,
    /// The program `ovs-vswitchd`; the distribution's one with DPDK.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vswitchd: Option<HostPath>,
    /// The network namespace they run in, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
}
