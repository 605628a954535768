//! What the node's process knows, as it writes it down for `status` and `why`.

use serde::{Deserialize, Serialize};

use crate::instance::{Instance, InstanceError, failed, write_whole};

/// The process's view of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the instance.
    pub name: String,
    /// Version of the program that runs it.
    pub version: String,
    /// Process id of the agent.
    pub pid: u32,
    /// `ebpf` or `nft`.
    pub backend: String,
    /// `tcx` or `clsact`.
    pub attached_by: String,
    /// How long an entry holds, in milliseconds.
    pub lease_ms: u64,
    /// After how long without a heartbeat the bypass ends, in milliseconds.
    pub deadman_ms: u64,
    /// Ticks a second of the kernel, in which the maps count time.
    pub hertz: u64,
    /// Jiffies at the zero of the monotonic clock: what turns the maps' times into people's.
    pub jiffies_at_zero: u64,
    /// Devices toward the wire.
    pub uplinks: Vec<ReportedDevice>,
    /// Devices of pods.
    pub pods: Vec<ReportedDevice>,
    /// Tunnel devices.
    pub tunnels: Vec<ReportedTunnel>,
    /// What conntrack does here.
    pub conntrack: ReportedConntrack,
    /// Short grace periods while many programs are attached.
    #[serde(default)]
    pub expedited: ReportedExpedite,
    /// Rules of the node that judge packets one by one.
    pub judges: Vec<String>,
    /// Why the whole node is left alone, if it is.
    pub paused: Vec<String>,
}

/// A device, and whether it is accelerated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedDevice {
    /// Its name.
    pub name: String,
    /// Its number.
    pub ifindex: u32,
    /// Why it is left alone; empty if it is not.
    pub out_because: Vec<String>,
    /// What a pod that is left alone forgoes.
    #[serde(default)]
    pub forgoes: Option<String>,
}

/// A tunnel device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedTunnel {
    /// Its name.
    pub name: String,
    /// Its number.
    pub ifindex: u32,
    /// `vxlan` or `geneve`.
    pub kind: String,
    /// Network number.
    pub vni: u32,
    /// UDP port.
    pub port: u16,
}

/// Conntrack's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedConntrack {
    /// Whether it tracks anything here.
    pub in_use: bool,
    /// Whether the programs can ask it about a flow.
    pub can_be_asked: bool,
    /// Whether it forgives what it has not seen.
    pub be_liberal: bool,
    /// Its setting before Flyover changed it, if Flyover did.
    pub be_liberal_was: Option<String>,
}

/// What was done with `/sys/kernel/rcu_expedited`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedExpedite {
    /// Whether Flyover may turn it on.
    pub allowed: bool,
    /// How often it did.
    pub times: u32,
    /// For how long in all, in milliseconds.
    pub total_ms: u64,
}

impl Report {
    /// Jiffies now.
    #[must_use]
    pub fn jiffies(&self) -> u64 {
        self.jiffies_at_zero.wrapping_add(monotonic_ticks(self.hertz))
    }

    /// Name of the device of that number, or the number.
    #[must_use]
    pub fn device(&self, ifindex: u32) -> String {
        let known = self.uplinks.iter().chain(&self.pods).find(|d| d.ifindex == ifindex);
        known.map_or_else(|| format!("if{ifindex}"), |d| d.name.clone())
    }

    /// Writes it where readers find it.
    pub fn write(&self, instance: &Instance) -> Result<(), InstanceError> {
        let json = serde_json::to_vec_pretty(self).expect("plain data serialises");
        write_whole(&instance.report(), &json)
    }

    /// Reads what the process of the instance wrote last.
    pub fn read(instance: &Instance) -> Result<Self, InstanceError> {
        let path = instance.report();
        let bytes = std::fs::read(&path).map_err(failed("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|e| failed("read", &path)(e.into()))
    }
}

/// The monotonic clock in ticks of that many a second.
pub(crate) fn monotonic_ticks(hertz: u64) -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .expect("the monotonic clock is always there");
    let (sec, nsec) = (u64::try_from(now.tv_sec()).unwrap_or(0), u64::try_from(now.tv_nsec()).unwrap_or(0));
    sec * hertz + nsec * hertz / 1_000_000_000
}
