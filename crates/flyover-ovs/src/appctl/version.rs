//! Which daemon it is, and what it can be asked.

use std::collections::BTreeSet;

/// The versions of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `ovs-vswitchd`, …
    pub daemon: String,
    /// Of Open vSwitch.
    pub ovs: String,
    /// Of DPDK, if it was built with it.
    pub dpdk: Option<String>,
}

impl Version {
    /// From what `version` prints.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (daemon, rest) = text.lines().next()?.split_once(" (Open vSwitch) ")?;
        let dpdk = text.lines().find_map(|line| line.strip_prefix("DPDK "));
        Some(Self {
            daemon: daemon.to_owned(),
            ovs: rest.trim().to_owned(),
            dpdk: dpdk.map(|version| version.trim().to_owned()),
        })
    }

    /// The first two numbers of Open vSwitch's version.
    #[must_use]
    pub fn release(&self) -> Option<(u32, u32)> {
        let mut numbers = self.ovs.split(['.', '-', '~', '+']);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// The commands that `list-commands` tells of.
#[must_use]
pub fn commands(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with(' '));
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}
