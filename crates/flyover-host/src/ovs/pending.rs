//! Whether an option that is read only at a start waits for one.
//!
//! Who sets such an option notes the moment in the same transaction, so neither a crash nor another process loses it. A
//! daemon that started later has read it. An option that DPDK reads is not noted as long as DPDK was never asked to run: it
//! will be read then, without a restart.

use std::time::Duration;

use flyover_core::{HostPath, Strings};
use flyover_ovs::tables::OpenVswitch;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use super::Daemon;
use crate::root::HostRoot;

/// The key of `Open_vSwitch.external_ids` that says since when.
pub const PENDING: &str = "flyover-restart-pending";

/// A moment, in a form that outlives processes.
#[must_use]
pub fn moment(host: &HostRoot) -> String {
    format!("{} {}", boot_id(host), since_boot().as_nanos())
}

/// Whether the daemon was started before the options it should have were set.
#[must_use]
pub fn is_pending(host: &HostRoot, external_ids: &Strings, daemon: &Daemon) -> bool {
    let Some((boot, tick)) = external_ids.get(PENDING).and_then(|text| parse(text)) else { return false };
    // What is not to be seen cannot be told, and a restart too many is better than an option not in force.
    boot == boot_id(host) && daemon.started.is_none_or(|started| started <= tick)
}

/// Waits until a process that starts now starts visibly later than the moment that is noted.
pub(crate) fn outwait(host: &HostRoot, external_ids: &Strings) {
    let Some((boot, tick)) = external_ids.get(PENDING).and_then(|text| parse(text)) else { return };
    while boot == boot_id(host) && ticks(since_boot()) <= tick {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a change of an option needs a restart to be in force.
#[must_use]
pub fn needs_restart(row: &OpenVswitch, key: &str, value: Option<&str>) -> bool {
    let is_on = |init: Option<&str>| matches!(init, Some("true" | "try"));
    let init = row.other_config.get("dpdk-init").map(String::as_str);
    let was_asked = row.dpdk_initialized || is_on(init);
    match key {
        _ if row.other_config.get(key).map(String::as_str) == value => false,
        "dpdk-init" if row.dpdk_initialized && is_on(init) && is_on(value) => false,
        "hw-offload" | "n-offload-threads" | "userspace-tso-enable" => true,
        _ => flyover_core::is_read_at_start(key) && was_asked,
    }
}

fn parse(text: &str) -> Option<(String, u64)> {
    let (boot, nanos) = text.rsplit_once(' ')?;
    Some((boot.to_owned(), ticks(Duration::from_nanos(nanos.parse().ok()?))))
}

fn boot_id(host: &HostRoot) -> String {
    host.text(&HostPath::fixed("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("the kernel has this clock since 2.6.39");
    Duration::from(now)
}

/// As the kernel counts when processes started.
fn ticks(time: Duration) -> u64 {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|hz| u64::try_from(hz).ok());
    let per_second = u128::from(per_second.unwrap_or(100));
    u64::try_from(time.as_nanos() * per_second / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flyover_ovs::Uuid;

    use super::*;

    fn row(dpdk_initialized: bool, options: &[(&str, &str)]) -> OpenVswitch {
        OpenVswitch {
            uuid: Uuid(String::new()),
            bridges: BTreeSet::new(),
            next_cfg: 0,
            cur_cfg: 0,
            other_config: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            external_ids: Strings::new(),
            dpdk_initialized,
            dpdk_version: None,
            ovs_version: None,
            iface_types: BTreeSet::new(),
            datapath_types: BTreeSet::new(),
        }
    }

    #[test]
    fn only_what_dpdk_has_read_already_needs_a_restart() {
        let never = row(false, &[]);
        let runs = row(true, &[("dpdk-init", "true"), ("dpdk-socket-mem", "1024")]);
        let failed = row(false, &[("dpdk-init", "try")]);
        for (row, key, value, wanted) in [
            (&never, "dpdk-socket-mem", Some("1024"), false),
            (&never, "dpdk-init", Some("true"), false),
            (&never, "userspace-tso-enable", Some("true"), true),
            (&runs, "dpdk-socket-mem", Some("1024"), false),
            (&runs, "dpdk-socket-mem", Some("2048"), true),
            (&runs, "dpdk-socket-mem", None, true),
            (&runs, "dpdk-init", Some("try"), false),
            (&runs, "dpdk-init", Some("false"), true),
            (&runs, "pmd-cpu-mask", Some("0x1"), false),
            (&failed, "dpdk-extra", Some("--no-pci"), true),
            (&failed, "dpdk-init", Some("true"), true),
        ] {
            assert_eq!(needs_restart(row, key, value), wanted, "{key}={value:?} on {row:?}");
        }
    }
}
