//! Processors, their topology and caches, from sysfs; who made them, from the first processor of /proc/cpuinfo.

use std::collections::{BTreeMap, BTreeSet};

use flyover_core::facts::{Cache, CacheKind, Cpu, CpuFacts, CpuVendor};
use flyover_core::{CpuSet, HostPath, Kib, NumaNode};

use super::dir::Dir;
use crate::root::HostRoot;

/// The first processor fits into this, and the kernel writes the others only as they are read.
const FIRST_PROCESSOR: u64 = 8 << 10;

/// Flags that decide something: sizes of hugepages, virtualisation, clocks, what a datapath compiles for.
pub(crate) const CPU_FLAGS: [&str; 16] = [
    "aes",
    "asimd",
    "avx2",
    "avx512f",
    "constant_tsc",
    "ht",
    "hypervisor",
    "nonstop_tsc",
    "pdpe1gb",
    "pse",
    "sse4_2",
    "sve",
    "svm",
    "tsc_deadline_timer",
    "vmx",
    "x2apic",
];

/// Reads all processors.
pub(super) fn read(host: &HostRoot) -> CpuFacts {
    let maker = host.beginning(&HostPath::fixed("/proc/cpuinfo"), FIRST_PROCESSOR).unwrap_or_default();
    let (vendor, model, flags) = maker_of(&maker);
    let dir = Dir::at(host, "/sys/devices/system/cpu");
    let online: CpuSet = dir.parsed_or_default("online");
    let nodes = nodes_of_cpus(host);
    let cpus: Vec<Cpu> = online.iter().map(|id| cpu(&dir, id, &nodes)).collect();
    CpuFacts {
        vendor,
        model,
        flags,
        possible: dir.parsed_or_default("possible"),
        isolated: dir.parsed_or_default("isolated"),
        // `(null)` where the kernel was told nothing; that is no list, and reads as none.
        nohz_full: dir.parsed_or_default("nohz_full"),
        smt: dir.text("smt/active").as_deref() == Some("1"),
        caches: caches(&dir, &cpus),
        online,
        cpus,
    }
}

fn maker_of(cpuinfo: &str) -> (CpuVendor, String, BTreeSet<String>) {
    let first = cpuinfo.lines().take_while(|line| !line.trim().is_empty());
    let pair = |line| Some(str::split_once(line, ':')?).map(|(key, value)| (key.trim(), value.trim()));
    let values: BTreeMap<&str, &str> = first.filter_map(pair).collect();
    let value = |key: &str| values.get(key).copied();
    let vendor = match value("vendor_id") {
        Some("GenuineIntel") => CpuVendor::Intel,
        Some("AuthenticAMD" | "HygonGenuine") => CpuVendor::Amd,
        _ if value("CPU implementer").is_some() => CpuVendor::Arm,
        _ => CpuVendor::Other,
    };
    let arm = || Some(format!("implementer {} part {}", value("CPU implementer")?, value("CPU part")?));
    let model = value("model name").map(str::to_owned).or_else(arm).unwrap_or_default();
    let listed = value("flags").or_else(|| value("Features")).unwrap_or_default();
    let flags =
        listed.split_whitespace().filter(|flag| CPU_FLAGS.contains(flag)).map(str::to_owned).collect();
    (vendor, model, flags)
}

/// The node of each processor; a kernel without NUMA has no nodes, and all is on node 0.
fn nodes_of_cpus(host: &HostRoot) -> BTreeMap<u32, NumaNode> {
    let nodes = Dir::at(host, "/sys/devices/system/node").numbered("node");
    let of_node = |(number, dir): (u32, Dir<'_>)| {
        let cpus: CpuSet = dir.parsed_or_default("cpulist");
        cpus.iter().map(|cpu| (cpu, NumaNode(number))).collect::<Vec<_>>()
    };
    nodes.into_iter().flat_map(of_node).collect()
}

fn cpu(dir: &Dir<'_>, id: u32, nodes: &BTreeMap<u32, NumaNode>) -> Cpu {
    let topology = dir.below(&format!("cpu{id}/topology"));
    let alone = || [id].into_iter().collect();
    Cpu {
        id,
        node: nodes.get(&id).copied().unwrap_or_default(),
        // -1 where the firmware says nothing, as on some ARM boards.
        package: topology.parsed_or_default("physical_package_id"),
        core: topology.parsed("core_id").unwrap_or(id),
        siblings: topology.parsed("thread_siblings_list").unwrap_or_else(alone),
    }
}

/// The threads of a core share all its caches, so one of them is asked.
fn caches(dir: &Dir<'_>, cpus: &[Cpu]) -> Vec<Cache> {
    let asked = cpus.iter().filter(|cpu| cpu.siblings.first().is_none_or(|first| first == cpu.id));
    let mut caches = BTreeMap::new();
    for cpu in asked {
        for (index, cache) in dir.below(&format!("cpu{}/cache", cpu.id)).numbered("index") {
            let Some(shared) = cache.parsed::<CpuSet>("shared_cpu_list") else { continue };
            // The index of a cache is the same on all processors that share it.
            let read = |shared: &CpuSet| one_cache(&cache, shared);
            caches.entry((index, shared.clone())).or_insert_with(|| read(&shared));
        }
    }
    let mut caches: Vec<Cache> = caches.into_values().flatten().collect();
    caches.sort_by_key(|cache| (cache.level, cache.cpus.first(), cache.kind));
    caches
}

fn one_cache(dir: &Dir<'_>, cpus: &CpuSet) -> Option<Cache> {
    let kind = match dir.text("type")?.as_str() {
        "Data" => CacheKind::Data,
        "Instruction" => CacheKind::Instruction,
        _ => CacheKind::Unified,
    };
    let size = dir.text("size")?.strip_suffix('K')?.parse().ok()?;
    Some(Cache { level: dir.parsed("level")?, kind, size: Kib(size), cpus: cpus.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_of_an_arm_processor_is_known_by_its_number() {
        let (vendor, model, flags) = maker_of(
            "processor\t: 0\nFeatures\t: fp asimd aes sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n\nprocessor\t: 1",
        );
        assert_eq!((vendor, model.as_str()), (CpuVendor::Arm, "implementer 0x41 part 0xd40"));
        assert_eq!(flags.into_iter().collect::<Vec<_>>(), ["aes", "asimd", "sve"]);
    }
}
