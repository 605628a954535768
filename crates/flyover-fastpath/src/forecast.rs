//! What `fastpath run` would find and do here, and what that would gain: the answer of a dry run.

use serde::Serialize;

use crate::report::{ReportedDevice, ReportedTunnel};

/// The answer of a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// Name of the instance.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// `ebpf` or `nft`.
    pub backend: String,
    /// Why that one.
    pub backend_because: String,
    /// `tcx`, `clsact` or `nftables`.
    pub attached_by: String,
    /// What the kernel was asked, in that order.
    pub probes: Vec<Probe>,
    /// Devices toward the wire.
    pub uplinks: Vec<ReportedDevice>,
    /// Devices of pods.
    pub pods: Vec<ReportedDevice>,
    /// Tunnel devices.
    pub tunnels: Vec<ReportedTunnel>,
    /// Rules of the node that judge packets one by one.
    pub judges: Vec<String>,
    /// Why the whole node would be left alone, if it would.
    pub paused: Vec<String>,
    /// Programs that would be attached now.
    pub attach: Vec<Attaching>,
    /// Settings that would be changed.
    pub settings: Vec<Setting>,
    /// What else would be made.
    pub makes: Vec<String>,
    /// What it would gain.
    pub gain: Gain,
}

/// One question to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What was asked for.
    pub what: &'static str,
    /// What was found.
    pub found: String,
}

/// A program on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attaching {
    /// The device.
    pub device: String,
    /// `from_pod`, `to_pod`, `from_wire` or `to_wire`.
    pub program: &'static str,
}

/// A setting that would be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its file.
    pub path: &'static str,
    /// What it is now.
    pub now: String,
    /// What it would be.
    pub to: &'static str,
    /// Until when.
    pub until: &'static str,
}

/// What would be gained. Flows that do not exist yet cannot be counted, and nothing is measured by a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gain {
    /// Pods here.
    pub pods: usize,
    /// Those whose established flows would be bypassed.
    pub pods_bypassed: usize,
    /// Ways that would be shorter, and what is left out on them.
    pub paths: Vec<String>,
    /// What stays as it is although its pod is bypassed.
    pub but: Vec<String>,
}
