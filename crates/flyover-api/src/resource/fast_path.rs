//! `FastPath`: how the packets of the primary network are to travel.

use std::collections::BTreeMap;

use flyover_core::IfName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the packets of the primary network are to travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FastPathSpec {
    /// Devices toward the wire. None: those that the routes to the other nodes go by.
    #[schemars(with = "Vec<String>")]
    pub uplinks: Vec<IfName>,
    /// Which pods.
    pub pods: PodsSpec,
    /// Milliseconds that a learnt flow is bypassed before one packet goes the long way again. A policy that nobody announces
    /// takes effect within it.
    #[schemars(range(min = 10, max = 60000))]
    pub lease_ms: u32,
    /// Milliseconds without a sign of life of the agent after which nothing is bypassed.
    #[schemars(range(min = 100, max = 600_000))]
    pub deadman_ms: u32,
    /// How to bypass.
    pub backend: FastPathBackend,
    /// Leaves `nf_conntrack_tcp_be_liberal` alone. Connections whose packets conntrack does not see may then be cut when they
    /// go back to the long way.
    pub forbid_sysctl: bool,
}

impl Default for FastPathSpec {
    fn default() -> Self {
        Self {
            uplinks: Vec::new(),
            pods: PodsSpec::default(),
            lease_ms: 1000,
            deadman_ms: 5000,
            backend: FastPathBackend::Auto,
            forbid_sysctl: false,
        }
    }
}

/// Which pods. A pod's labels decide, and a change of them is heeded while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodsSpec {
    /// Only pods with all of these labels; none says all pods.
    pub opt_in: BTreeMap<String, String>,
    /// Not the pods with all of these labels; none says that nobody opts out.
    pub opt_out: BTreeMap<String, String>,
}

/// How to bypass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FastPathBackend {
    /// BPF where the kernel can, else nftables.
    #[default]
    Auto,
    /// BPF programs.
    Ebpf,
    /// nftables: the tunnel's outer packets are not tracked.
    Nft,
}
