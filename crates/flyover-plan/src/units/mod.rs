//! The texts that make a settled profile last on a host with systemd: units, and files of modules and sysctls.
//!
//! Direct apply and the emitters write the same texts, so they are made in one place. Invariants: pure; nothing
//! here fails; what goes on one line stays on it, whatever stands in the profile.

mod conf;
mod drivers;
mod hugepages;
mod mount;

use flyover_core::{FileMode, HostPath, UnitName};

use crate::Settled;

pub use conf::{modprobe_options, modules_load, sysctl_conf};
pub use drivers::drivers_unit;
pub use hugepages::hugepages_unit;
pub use mount::{mount_options, mount_unit};

/// The unit that takes hugepages from the running kernel after each boot.
pub const HUGEPAGES_UNIT: &str = "flyover-hugepages.service";

/// The unit that gives devices their drivers after each boot.
pub const DRIVERS_UNIT: &str = "flyover-drivers.service";

/// What takes pages and devices as soon as it starts, so that our units come before it. openvswitch.service of Fedora
/// and openvswitch-switch.service of Debian do nothing themselves; the daemon may be started without them.
const BEFORE: &str =
    "Before=kubelet.service openvswitch-switch.service openvswitch.service ovs-vswitchd.service\n";

/// The first line of every text of ours.
pub const HEADER: &str =
    "# Written by Flyover from a node profile; changes are lost when it is applied again.";

/// Every unit of ours, each to be enabled, in the order of their names' kinds.
#[must_use]
pub fn all_units(settled: &Settled) -> Vec<(UnitName, String)> {
    let named = |name: &str| name.parse::<UnitName>().expect("our own names are names of units");
    let hugepages = hugepages_unit(&settled.pools).map(|text| (named(HUGEPAGES_UNIT), text));
    let drivers =
        drivers_unit(&settled.drivers, settled.unsafe_noiommu).map(|text| (named(DRIVERS_UNIT), text));
    hugepages.into_iter().chain(drivers).chain(settled.mounts.iter().map(mount_unit)).collect()
}

/// Every file of ours besides units: those we make, then those people asked for. Theirs win where both are.
#[must_use]
pub fn all_files(settled: &Settled) -> Vec<(HostPath, FileMode, String)> {
    let readable = FileMode::new(0o644).expect("0644 is a mode");
    let ours = [modules_load(settled), modprobe_options(settled), sysctl_conf(settled)];
    let ours = ours.into_iter().flatten().filter(|(path, _)| !settled.files.contains_key(path));
    let theirs = settled.files.iter().map(|(path, file)| (path.clone(), file.mode, file.content.clone()));
    ours.map(|(path, text)| (path, readable, text)).chain(theirs).collect()
}

/// `text` on one line: a control character would end the line, or the file, and begin something else.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A line that ends with its own last word: a backslash there would go on into the next line, but for a blank,
/// which systemd and modprobe take away.
fn closed(line: &str) -> String {
    let end = if line.ends_with('\\') { " " } else { "" };
    format!("{line}{end}\n")
}

/// `text` as a value in a unit: `%` would begin one of systemd's specifiers.
fn unit_value(text: &str) -> String {
    one_line(text).replace('%', "%%")
}

/// A oneshot service: it does each of `acts`, whatever becomes of the others, and then fails if one of `checks`
/// does. So a device that refuses is seen, and keeps none of the others from its driver.
fn oneshot(head: &str, acts: &[String], checks: &[String]) -> String {
    let line = |prefix: &str, script: &String| format!("ExecStart={prefix}/bin/sh -c '{script}'\n");
    let acts: String = acts.iter().map(|script| line("-", script)).collect();
    let checks: String = checks.iter().map(|script| line("", script)).collect();
    // Without the default dependencies, because on Debian with cloud-init the network comes before sysinit.target,
    // and a unit between the two would close a circle.
    format!(
        "{HEADER}\n[Unit]\n{head}DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n{acts}{checks}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

#[cfg(test)]
mod tests;
