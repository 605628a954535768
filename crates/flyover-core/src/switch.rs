//! States of a switch's parts, as actions set them and hands find them.
//!
//! Invariant: all that an action needs to reach its switch is in it, so that it can be undone after a crash by a
//! process that knows nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{CpuSet, HostPath, OvsName, UnitName};

/// Strings by key.
pub type Strings = BTreeMap<String, String>;

/// Where a switch is, and who keeps its daemons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchAt {
    /// Its run directory (`OVS_RUNDIR`): pid files and control sockets.
    pub rundir: HostPath,
    /// The socket of its database.
    pub database: HostPath,
    /// Who starts and stops it.
    pub keeper: Keeper,
}

/// Who starts and stops the daemons of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// A unit of systemd, which restarts `ovs-vswitchd`.
    Unit(UnitName),
    /// Flyover itself: a private switch, for tests, demos and hosts without systemd.
    Flyover(Processes),
    /// Somebody else, in a container most likely: Flyover never restarts it, and says when it must be.
    Others,
}

/// A switch whose daemons Flyover starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// The file of the database.
    pub file: HostPath,
    /// The program `ovs-vswitchd`, one that has DPDK.
    pub vswitchd: HostPath,
    /// The program `ovsdb-server`.
    pub ovsdb_server: HostPath,
    /// The schema that a new database is made from.
    pub schema: HostPath,
    /// The network namespace they run in, by name; none is the host's own.
    pub netns: Option<String>,
}

/// Whether the daemons of a private switch run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvsDaemons {
    /// Which switch.
    pub switch: SwitchAt,
    /// Whether both run.
    pub running: bool,
    /// Files and directories that were not there when they were found stopped, what is in a directory before it. They go
    /// with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<HostPath>,
}

/// Options that `ovs-vswitchd` reads only when it starts, or when DPDK does.
const READ_AT_START: [&str; 16] = [
    "dpdk-alloc-mem",
    "dpdk-extra",
    "dpdk-hugepage-dir",
    "dpdk-init",
    "dpdk-lcore-mask",
    "dpdk-probe-at-init",
    "dpdk-socket-limit",
    "dpdk-socket-mem",
    "hw-offload",
    "n-offload-threads",
    "per-port-memory",
    "shared-mempool-config",
    "userspace-tso-enable",
    "vhost-iommu-support",
    "vhost-postcopy-support",
    "vhost-sock-dir",
];

/// Whether an option of `Open_vSwitch.other_config` is read only when `ovs-vswitchd` starts, or when DPDK does.
#[must_use]
pub fn is_read_at_start(key: &str) -> bool {
    READ_AT_START.binary_search(&key).is_ok()
}

/// One key of `Open_vSwitch.other_config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvsOption {
    /// Which switch.
    pub switch: SwitchAt,
    /// `dpdk-socket-mem`, `pmd-cpu-mask`, …
    pub key: String,
    /// Its value; none is absence.
    pub value: Option<String>,
}

/// That the running `ovs-vswitchd` was started after the options it reads only at its start were set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvsRestart {
    /// Which switch.
    pub switch: SwitchAt,
    /// The options that must be in force, `dpdk-init` among them.
    pub options: Strings,
}

/// A bridge, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvsBridge {
    /// Which switch.
    pub switch: SwitchAt,
    /// Its name.
    pub name: OvsName,
    /// What it is like; none is absence. A bridge with ports is never taken away.
    pub bridge: Option<BridgeState>,
}

/// What a bridge is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeState {
    /// `netdev` or empty, which is the kernel's.
    pub datapath_type: String,
    /// Keys of `other_config` that are ours.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub other_config: Strings,
    /// Keys of `external_ids` that are ours.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub external_ids: Strings,
}

/// A port of a bridge, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OvsPort {
    /// Which switch.
    pub switch: SwitchAt,
    /// The bridge it is in.
    pub bridge: OvsName,
    /// Its name.
    pub name: OvsName,
    /// What it is like; none is absence.
    pub port: Option<PortState>,
}

/// What a port is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortState {
    /// Its interfaces by name; more than one are a bond.
    pub interfaces: BTreeMap<String, InterfaceState>,
    /// The VLAN of what has no tag.
    pub tag: Option<u16>,
    /// The VLANs it carries; none is all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub trunks: BTreeSet<u16>,
    /// `balance-tcp`, `balance-slb`, `active-backup`.
    pub bond_mode: Option<String>,
    /// `active`, `passive`, `off`.
    pub lacp: Option<String>,
    /// Keys of `other_config` that are ours.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub other_config: Strings,
    /// Keys of `external_ids` that are ours.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub external_ids: Strings,
}

/// What an interface is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceState {
    /// `dpdk`, `dpdkvhostuserclient`, …
    pub kind: String,
    /// Keys of `options` that are ours.
    pub options: Strings,
    /// The MTU that is asked for.
    pub mtu_request: Option<u32>,
    /// Keys of `other_config` that are ours.
    #[serde(default, skip_serializing_if = "Strings::is_empty")]
    pub other_config: Strings,
}

/// A switch as it is: what its database says, and what its daemon says, which is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchFacts {
    /// Which switch.
    pub at: SwitchAt,
    /// Its `ovs-vswitchd`, if it runs.
    pub daemon: Option<VswitchdFacts>,
    /// `Open_vSwitch.other_config`; none where no database answers.
    pub options: Option<Strings>,
    /// Its bridges and their ports.
    pub bridges: BTreeMap<String, BridgeFacts>,
    /// A driver of DPDK's mempools is installed; without one each vhost port fails. Unknown where nothing tells.
    pub mempool_driver: Option<bool>,
}

/// A running `ovs-vswitchd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VswitchdFacts {
    /// Its process.
    pub pid: u32,
    /// Its version: `3.1.0`.
    pub version: String,
    /// The DPDK it is linked with.
    pub dpdk_version: Option<String>,
    /// Whether it can have ports of DPDK at all.
    pub has_dpdk: bool,
    /// Whether DPDK runs in it.
    pub dpdk_initialized: bool,
    /// The processors it may run on.
    pub allowed_cpus: CpuSet,
    /// Its control socket.
    pub control: HostPath,
}

/// A bridge as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeFacts {
    /// What it is like.
    pub state: BridgeState,
    /// Its ports but its own.
    pub ports: BTreeMap<String, PortState>,
}
