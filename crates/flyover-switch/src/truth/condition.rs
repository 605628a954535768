//! What holds, in the form that Kubernetes gives conditions.

use serde::Serialize;

/// One thing that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Status,
    /// Why, in a word for programs.
    pub reason: &'static str,
    /// Why, for people, with what they can do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ConditionType {
    /// `ovs-vswitchd` runs, and its database answers.
    Running,
    /// DPDK runs in it.
    DpdkReady,
    /// No option waits for a restart.
    OptionsInForce,
    /// A bridge's packets pass in user space.
    BridgeInUserspace,
    /// The datapath has the port.
    PortInDatapath,
    /// There is a pool for its packets.
    MempoolReady,
    /// Somebody is at the other end of its socket.
    PeerConnected,
    /// A thread polls it.
    Polled,
}

/// Whether it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nothing tells.
    Unknown,
}

impl Condition {
    /// Whether it tells of something that is to be mended.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.status == Status::False && self.kind != ConditionType::PeerConnected
    }

    pub(super) fn is(kind: ConditionType, reason: &'static str) -> Self {
        Self { kind, status: Status::True, reason, message: String::new() }
    }

    pub(super) fn is_not(kind: ConditionType, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: Status::False, reason, message: message.into() }
    }

    pub(super) fn unknown(kind: ConditionType, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: Status::Unknown, reason, message: message.into() }
    }
}
