//! What a lab shall be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::Family;
use crate::name::LabName;

/// Most nodes: the last byte of a node's address.
const MAX_NODES: u8 = 250;
/// Most pods on a node: 10 is added to their number for the last byte of their address.
const MAX_PODS: u8 = 240;
/// Most dummy services: their number is written in one group of an IPv6 address.
const MAX_SERVICES: u16 = 9_999;
/// Smallest wire: IPv6 demands 1280 bytes of a link, also of one inside a tunnel.
const MIN_MTU: u16 = 1_350;

/// A lab as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSpec {
    /// Name.
    pub name: LabName,
    /// How many nodes.
    pub nodes: u8,
    /// How many pods on each node.
    pub pods: u8,
    /// How pods reach pods on other nodes.
    pub overlay: Overlay,
    /// Families of addresses, inner and outer.
    pub ip: IpMode,
    /// Form of the rules that the nodes carry.
    pub rules: RuleForm,
    /// How many services nobody uses, to make the rules as many as a cluster's.
    pub services: u16,
    /// Whether each pod has a policy on what may reach it.
    pub network_policy: bool,
    /// MTU of the wire.
    pub mtu: u16,
    /// Whether the devices may leave checksums and segmentation to the hardware they do not have.
    pub offload: bool,
}

/// Why a specification cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lab cannot have {value} {what} (expected {expected})")]
pub struct BadSpec {
    /// What is wrong.
    pub what: &'static str,
    /// What was asked.
    pub value: u32,
    /// What would be right.
    pub expected: String,
}

impl LabSpec {
    /// A lab of the usual form: two nodes of two pods, VXLAN over IPv4, iptables rules with 200 services,
    /// which is the form that kube-proxy writes unless told otherwise.
    #[must_use]
    pub fn new(name: LabName) -> Self {
        Self {
            name,
            nodes: 2,
            pods: 2,
            overlay: Overlay::Vxlan,
            ip: IpMode::V4,
            rules: RuleForm::Iptables,
            services: 200,
            network_policy: false,
            mtu: 1_500,
            offload: true,
        }
    }

    /// Judges the numbers; everything else is right by its type.
    pub fn validate(&self) -> Result<(), BadSpec> {
        let within = |what, value: u32, least: u32, most: u32| {
            let expected = format!("{least} to {most}");
            if (least..=most).contains(&value) { Ok(()) } else { Err(BadSpec { what, value, expected }) }
        };
        within("nodes", self.nodes.into(), 1, MAX_NODES.into())?;
        within("pods on a node", self.pods.into(), 0, MAX_PODS.into())?;
        within("dummy services", self.services.into(), 0, MAX_SERVICES.into())?;
        within("bytes of MTU", self.mtu.into(), MIN_MTU.into(), u16::MAX.into())
    }

    /// MTU of the pods, of their bridge, and of the tunnel of that family.
    #[must_use]
    pub fn inner_mtu(&self) -> u16 {
        let outer = match self.ip {
            IpMode::V4 => 50,
            // Pods of two families use both tunnels, and the larger header decides.
            IpMode::V6 | IpMode::Dual => 70,
        };
        if self.overlay == Overlay::Routed { self.mtu } else { self.mtu - outer }
    }
}

/// How pods reach pods on other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlay {
    /// A VXLAN device with fixed entries, as Flannel writes them.
    Vxlan,
    /// A Geneve device to each peer.
    Geneve,
    /// Plain routes.
    Routed,
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpMode {
    /// IPv4 alone.
    #[serde(rename = "4")]
    V4,
    /// IPv6 alone.
    #[serde(rename = "6")]
    V6,
    /// Both.
    #[serde(rename = "dual")]
    Dual,
}

impl IpMode {
    /// The families.
    #[must_use]
    pub fn families(self) -> &'static [Family] {
        match self {
            Self::V4 => &[Family::V4],
            Self::V6 => &[Family::V6],
            Self::Dual => &[Family::V4, Family::V6],
        }
    }
}

/// Form of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleForm {
    /// iptables over nftables.
    Iptables,
    /// iptables of old.
    IptablesLegacy,
    /// nftables.
    Nft,
    /// No rules: no services either, and no firewall on the bridge.
    None,
}

/// A word that none of a few words is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {expected}")]
pub struct UnknownWord {
    word: String,
    expected: &'static str,
}

macro_rules! words {
    ($kind:ty, $expected:literal, $($word:literal => $value:path),+) => {
        impl $kind {
            /// The words for it, as they are written.
            pub const WORDS: &[&str] = &[$($word),+];
        }

        impl FromStr for $kind {
            type Err = UnknownWord;

            fn from_str(s: &str) -> Result<Self, UnknownWord> {
                match s {
                    $($word => Ok($value),)+
                    _ => Err(UnknownWord { word: s.to_owned(), expected: $expected }),
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $($value => $word),+ })
            }
        }
    };
}

words!(Overlay, "vxlan, geneve, routed", "vxlan" => Self::Vxlan, "geneve" => Self::Geneve, "routed" => Self::Routed);
words!(IpMode, "4, 6, dual", "4" => Self::V4, "6" => Self::V6, "dual" => Self::Dual);
words!(
    RuleForm, "iptables, iptables-legacy, nft, none",
    "iptables" => Self::Iptables, "iptables-legacy" => Self::IptablesLegacy, "nft" => Self::Nft, "none" => Self::None
);
