//! Which kernel arguments a captured host keeps: those that decide plans. All others may name hosts, networks and
//! secrets, and are left out.

use flyover_core::{KernelArg, KernelArgs};

/// Kernel arguments that are kept; a name that ends with `.` or `_` stands for all that begin so.
const ARGUMENTS: [&str; 56] = [
    "BOOT_IMAGE",
    "amd_iommu",
    "amd_pstate",
    "apparmor",
    "audit",
    "cgroup_",
    "clocksource",
    "console",
    "cpufreq.",
    "crashkernel",
    "default_hugepagesz",
    "efi",
    "enforcing",
    "hugepages",
    "hugepagesz",
    "idle",
    "intel_idle.",
    "intel_iommu",
    "intel_pstate",
    "iommu",
    "iommu.",
    "irqaffinity",
    "isolcpus",
    "kvm",
    "kvm.",
    "lockdown",
    "lsm",
    "maxcpus",
    "mitigations",
    "modprobe.",
    "module_blacklist",
    "nohz",
    "nohz_full",
    "nosmt",
    "nosoftlockup",
    "nr_cpus",
    "numa",
    "numa_balancing",
    "pci",
    "processor.",
    "quiet",
    "rcu_",
    "ro",
    "root",
    "rw",
    "security",
    "selinux",
    "skew_tick",
    "swiotlb",
    "systemd.cpu_",
    "systemd.unified_",
    "transparent_hugepage",
    "tsc",
    "tuned.",
    "vfio",
    "vfio-pci.",
];

/// The arguments that are kept, those of init not among them.
pub(super) fn kept(text: &str) -> String {
    let known = |name: &str| {
        let stands = |word: &&str| word.ends_with(['.', '_']) && name.starts_with(*word) || name == *word;
        ARGUMENTS.iter().any(stands)
    };
    // A root may be a device, or the address of a server.
    let device =
        |value: &str| ["/dev/", "LABEL=", "UUID=", "PARTUUID="].iter().any(|kind| value.starts_with(kind));
    let harmless =
        |arg: &&KernelArg| known(arg.name()) && (arg.name() != "root" || arg.value().is_some_and(device));
    let args = KernelArgs::parse(text);
    let kept: Vec<&str> = args.iter().filter(harmless).map(KernelArg::raw).collect();
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_kept_where_it_is_a_device() {
        assert_eq!(kept("root=UUID=1 ro"), "root=UUID=1 ro");
        assert_eq!(kept("root=10.0.0.1:/export ro"), "ro");
    }

    #[test]
    fn arguments_that_name_hosts_or_are_not_known_are_left_out() {
        assert_eq!(
            kept(
                "BOOT_IMAGE=/vmlinuz ip=10.0.0.1::10.0.0.2 secret=1 intel_iommu=on hugepagesz=1G rcu_nocbs=1 -- x"
            ),
            "BOOT_IMAGE=/vmlinuz intel_iommu=on hugepagesz=1G rcu_nocbs=1"
        );
    }
}
