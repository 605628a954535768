//! A switch with nothing left to decide.

use flyover_core::{BridgeState, OvsName, PortState, SwitchAt};
use serde::Serialize;

use super::Sizing;

/// A switch on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettledSwitch {
    /// Which switch.
    pub at: SwitchAt,
    /// What it needs of its host.
    pub sizing: Sizing,
    /// Options it reads at its start only, `dpdk-init` last.
    pub start: Vec<OptionChoice>,
    /// Options it reads as it runs.
    pub live: Vec<OptionChoice>,
    /// Its bridges.
    pub bridges: Vec<BridgeChoice>,
    /// Their uplinks.
    pub ports: Vec<PortChoice>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// An option and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OptionChoice {
    /// Its key in `other_config`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Why.
    pub why: String,
}

/// A bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BridgeChoice {
    /// Its name.
    pub name: OvsName,
    /// What it is to be like.
    pub state: BridgeState,
    /// Why.
    pub why: String,
}

/// A port of a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortChoice {
    /// The bridge it is in.
    pub bridge: OvsName,
    /// Its name.
    pub name: OvsName,
    /// What it is to be like.
    pub state: PortState,
    /// Why.
    pub why: String,
}
