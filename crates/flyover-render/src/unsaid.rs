//! What a target cannot say, said in the notes.

use flyover_api::When;
use flyover_core::SysctlKey;
use flyover_plan::Settled;

/// A part of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    KernelArgs,
    Cpu,
    RuntimePages,
    Mounts,
    Drivers,
    Modules,
    Sysctls,
    Services,
    Files,
}

impl Part {
    /// What neither the kernel's command line nor kubelet can say.
    pub(crate) const OF_THE_SYSTEM: [Self; 7] = [
        Self::RuntimePages,
        Self::Mounts,
        Self::Drivers,
        Self::Modules,
        Self::Sysctls,
        Self::Services,
        Self::Files,
    ];
}

/// A note on those of `parts` that the profile has: `target` has no place for them, and `instead` is what has.
pub(crate) fn note(settled: &Settled, target: &str, parts: &[Part], instead: &str) -> Option<String> {
    let said: Vec<String> = parts.iter().filter_map(|part| contents(settled, *part)).collect();
    (!said.is_empty()).then(|| format!("{target} has no place for {}; {instead}", said.join("; ")))
}

/// Whether a sysctl can be named where every dot separates: not if one belongs to the name of an interface.
pub(crate) fn is_plain(key: &SysctlKey) -> bool {
    !key.to_string().contains('/')
}

/// One note for each sysctl that cannot be named where every dot separates.
pub(crate) fn dotted(settled: &Settled, target: &str) -> Vec<String> {
    let keys = settled.sysctls.keys().filter(|key| !is_plain(key));
    keys.map(|key| format!("{target} cannot name the sysctl {}: to it every dot separates", key.path()))
        .collect()
}

/// The part in words, if the profile has it.
fn contents(settled: &Settled, part: Part) -> Option<String> {
    let listed = |what: &str, items: Vec<String>| {
        (!items.is_empty()).then(|| format!("{what} ({})", items.join(", ")))
    };
    match part {
        Part::KernelArgs => {
            listed("kernel arguments", settled.args.set.iter().map(ToString::to_string).collect())
        }
        Part::Cpu => settled
            .cpu
            .as_ref()
            .map(|cpu| format!("what kubelet must not hand out ({})", cpu.kubelet_reserved)),
        Part::RuntimePages => {
            let runtime = settled.pools.iter().filter(|pool| pool.when == When::Runtime);
            listed(
                "hugepages of the running kernel",
                runtime.map(|pool| format!("{} x {}", pool.count, pool.size)).collect(),
            )
        }
        Part::Mounts => {
            listed("mounts of hugepages", settled.mounts.iter().map(|mount| mount.path.to_string()).collect())
        }
        Part::Drivers => {
            let drivers =
                settled.drivers.iter().map(|choice| format!("{} to {}", choice.device, choice.driver));
            listed("drivers of devices", drivers.collect())
        }
        Part::Modules => listed("modules", settled.modules.keys().map(ToString::to_string).collect()),
        Part::Sysctls => listed("sysctls", settled.sysctls.keys().map(ToString::to_string).collect()),
        Part::Services => {
            listed("states of services", settled.services.keys().map(ToString::to_string).collect())
        }
        Part::Files => listed("files", settled.files.keys().map(ToString::to_string).collect()),
    }
}
