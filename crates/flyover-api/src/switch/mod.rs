//! `Switch`: an Open vSwitch whose datapath is in user space, on DPDK.
//!
//! Every doc comment of a field is also its text in the schema and in `flyover switch explain`.

mod dpdk;
mod ports;
mod runtime;
mod yaml;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use dpdk::{DpdkInit, DpdkSpec, PmdSpec, RxqAssign};
pub use ports::{BondMode, BondSpec, BridgeSpec, ExpectedPorts, Lacp, UplinkSpec};
pub use runtime::{ProcessesSpec, RuntimeSpec};

/// An Open vSwitch on DPDK.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SwitchSpec {
    /// Where the switch is and who keeps its daemons. Left out, it is the system's own.
    pub runtime: RuntimeSpec,
    /// DPDK's memory and what it may touch.
    pub dpdk: DpdkSpec,
    /// The threads that poll.
    pub pmd: PmdSpec,
    /// Bridges, all in user space.
    pub bridges: Vec<BridgeSpec>,
    /// Ports that pods and VMs will bring. Memory is sized for them.
    pub expected_ports: Vec<ExpectedPorts>,
    /// More keys of `Open_vSwitch.other_config`, as they are. What is set here wins over what is computed.
    pub options: BTreeMap<String, String>,
}
