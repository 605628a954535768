//! What kind of switch a test wants, and the settings that make it one on any machine.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// What runs beside the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Nothing.
    None,
    /// `ovs-vswitchd` that was told nothing yet: DPDK is off.
    Bare,
    /// `ovs-vswitchd` with DPDK.
    Dpdk {
        /// How much memory DPDK takes; ports of 1500 bytes need some 70 MiB each, of 9000 some 240.
        memory_mib: u32,
        /// Whether from 2 MiB hugepages, which the rig then asks of the machine, or from ordinary memory.
        hugepages: bool,
    },
}

/// What kind of rig a test wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// What runs beside the database.
    pub switch: Switch,
    /// Further keys of `other_config`; they win over the rig's own.
    pub other_config: Vec<(String, String)>,
    /// Where the database listens besides its socket, e.g. `ptcp:6640:127.0.0.1`.
    pub remotes: Vec<String>,
}

impl Default for Options {
    /// DPDK without hugepages, with memory for five ports of 1500 bytes.
    fn default() -> Self {
        Self::of(Switch::Dpdk { memory_mib: 384, hugepages: false })
    }
}

impl Options {
    /// A rig with such a switch.
    #[must_use]
    pub fn of(switch: Switch) -> Self {
        Self { switch, other_config: Vec::new(), remotes: Vec::new() }
    }

    /// How many hugepages the machine must lend.
    pub(super) fn hugepages(&self) -> Option<u64> {
        match self.switch {
            Switch::Dpdk { memory_mib, hugepages: true } => Some(u64::from(memory_mib.div_ceil(2))),
            _ => None,
        }
    }

    /// `other_config` of the switch; `name` keeps DPDK's files apart from others'.
    pub(super) fn settings(&self, name: &str) -> Vec<(String, String)> {
        let mut settings = match self.switch {
            Switch::Dpdk { memory_mib, hugepages } => dpdk(name, memory_mib, hugepages),
            Switch::None | Switch::Bare => Vec::new(),
        };
        for (key, value) in &self.other_config {
            settings.retain(|(known, _)| known != key);
            settings.push((key.clone(), value.clone()));
        }
        settings
    }
}

fn dpdk(name: &str, memory_mib: u32, hugepages: bool) -> Vec<(String, String)> {
    let cpus = allowed();
    let mask = |cpu: Option<&usize>| format!("{:#x}", 1_u128 << cpu.copied().unwrap_or(0));
    // Without hugepages DPDK allows only the old way of keeping memory, which is not the one Open vSwitch asks for.
    let memory = if hugepages { String::new() } else { format!("--no-huge --legacy-mem -m {memory_mib} ") };
    let mut settings = vec![
        ("dpdk-init", "true".to_owned()),
        ("dpdk-extra", format!("{memory}--no-pci --file-prefix={name}")),
        ("dpdk-lcore-mask", mask(cpus.first())),
        ("pmd-cpu-mask", mask(cpus.last())),
        ("per-port-memory", "true".to_owned()),
        // On few CPUs a thread that polls without a pause starves the other end.
        ("pmd-maxsleep", "100".to_owned()),
    ];
    if hugepages {
        settings.push(("dpdk-socket-mem", memory_mib.to_string()));
    }
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The CPUs this program may use; there is no telling which, in a container.
pub(crate) fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_may_set_what_the_rig_sets() {
        let other_config = vec![("dpdk-init".into(), "try".into()), ("vlan-limit".into(), "2".into())];
        let options = Options { other_config, ..Options::default() };
        let settings = options.settings("x");
        let values = |key: &str| {
            settings.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((values("dpdk-init"), values("vlan-limit")), (vec!["try"], vec!["2"]));
        assert_eq!(values("dpdk-extra"), ["--no-huge --legacy-mem -m 384 --no-pci --file-prefix=x"]);
    }

    #[test]
    fn only_a_switch_on_hugepages_asks_for_them() {
        let of = |switch| Options::of(switch).hugepages();
        assert_eq!(of(Switch::Dpdk { memory_mib: 255, hugepages: true }), Some(128));
        assert_eq!(of(Switch::Dpdk { memory_mib: 256, hugepages: false }), None);
        assert_eq!(of(Switch::Bare), None);
    }
}
