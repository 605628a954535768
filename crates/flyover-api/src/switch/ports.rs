//! Bridges, their uplinks, and the ports that will come.

use std::collections::BTreeSet;

use flyover_core::{IfName, NumaNode, OvsName, PciAddr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bridge in user space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BridgeSpec {
    /// Its name.
    #[schemars(with = "String")]
    pub name: OvsName,
    /// Ways out of the host. More than one need a `bond`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uplinks: Vec<UplinkSpec>,
    /// Makes one port of all uplinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<BondSpec>,
    /// MTU of its uplinks, and of attachments that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// VLAN of what comes without a tag over the uplinks, which then carry no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// VLANs that the uplinks carry; none is all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub trunks: BTreeSet<u16>,
}

/// A way out of the host. Exactly one of `device`, `netdev` and `devargs` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UplinkSpec {
    /// The name of its port.
    #[schemars(with = "String")]
    pub name: OvsName,
    /// Address of a PCI function that DPDK takes: `0000:06:00.0`. `flyover node` binds it to vfio-pci first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub device: Option<PciAddr>,
    /// The network device of a function whose driver shares it with DPDK (mlx5). Others lose theirs with their driver:
    /// name them by `device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub netdev: Option<IfName>,
    /// Any device DPDK knows, in its own words: `net_af_packet0,iface=veth0`, `eth_null0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devargs: Option<String>,
    /// Queues it receives by; 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<u32>,
    /// Descriptors of each queue, `[receive, send]`; 2048 each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<(u32, u32)>,
}

/// One port of several uplinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BondSpec {
    /// The port's name.
    #[schemars(with = "String")]
    pub name: OvsName,
    /// How the uplinks share the load.
    #[serde(default)]
    pub mode: BondMode,
    /// Whether it speaks LACP; `balance-tcp` needs it.
    #[serde(default)]
    pub lacp: Lacp,
}

/// How uplinks share the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    /// One carries all, the other waits.
    #[default]
    ActiveBackup,
    /// By source address and VLAN.
    BalanceSlb,
    /// By connection.
    BalanceTcp,
}

/// Whether a bond speaks LACP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lacp {
    /// It begins.
    Active,
    /// It answers.
    Passive,
    /// It does not.
    #[default]
    Off,
}

/// Ports that will come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedPorts {
    /// How many.
    pub count: u32,
    /// Their MTU.
    #[serde(default = "usual_mtu")]
    pub mtu: u32,
    /// The NUMA node of their pods; none says that they may be on any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>")]
    pub node: Option<NumaNode>,
    /// Pairs of queues each has.
    #[serde(default = "one")]
    pub queues: u32,
}

fn usual_mtu() -> u32 {
    1500
}

fn one() -> u32 {
    1
}
