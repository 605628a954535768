//! Memory, NUMA nodes and hugepages.

use std::collections::BTreeMap;

use flyover_core::facts::{CpuFacts, HugetlbMount, MemoryFacts, NumaFacts, PoolFacts};
use flyover_core::{HostPath, HugepageSize, Kib, NumaNode};

use super::dir::Dir;
use crate::root::HostRoot;

/// The distance of a node to itself, by ACPI.
const LOCAL: u32 = 10;

/// Reads the memory of the whole host.
pub(super) fn read(host: &HostRoot) -> MemoryFacts {
    let meminfo = host.text(&HostPath::fixed("/proc/meminfo")).unwrap_or_default();
    let mounts = host.text(&HostPath::fixed("/proc/self/mounts")).unwrap_or_default();
    MemoryFacts {
        total: amount(&meminfo, "MemTotal").unwrap_or_default(),
        available: amount(&meminfo, "MemAvailable").unwrap_or_default(),
        default_hugepage: amount(&meminfo, "Hugepagesize").and_then(|kib| HugepageSize::from_kib(kib.0)),
        hugepages: pools(&Dir::at(host, "/sys/kernel/mm/hugepages")),
        mounts: hugetlb_mounts(&mounts),
    }
}

/// Reads each node; a kernel without NUMA has one that holds everything.
pub(super) fn read_nodes(host: &HostRoot, cpu: &CpuFacts, memory: &MemoryFacts) -> Vec<NumaFacts> {
    let nodes: Vec<_> = Dir::at(host, "/sys/devices/system/node")
        .numbered("node")
        .into_iter()
        .map(|(number, dir)| node(NumaNode(number), &dir))
        .collect();
    if !nodes.is_empty() {
        return nodes;
    }
    vec![NumaFacts {
        id: NumaNode(0),
        cpus: cpu.online.clone(),
        memory: memory.total,
        free: memory.available,
        distances: vec![LOCAL],
        hugepages: memory.hugepages.clone(),
    }]
}

fn node(id: NumaNode, dir: &Dir<'_>) -> NumaFacts {
    let meminfo = dir.text("meminfo").unwrap_or_default();
    let distances = dir.text("distance").unwrap_or_default();
    NumaFacts {
        id,
        cpus: dir.parsed_or_default("cpulist"),
        memory: amount(&meminfo, "MemTotal").unwrap_or_default(),
        free: amount(&meminfo, "MemFree").unwrap_or_default(),
        distances: distances.split_whitespace().filter_map(|distance| distance.parse().ok()).collect(),
        hugepages: pools(&dir.below("hugepages")),
    }
}

fn pools(dir: &Dir<'_>) -> BTreeMap<HugepageSize, PoolFacts> {
    let pool = |name: &String| {
        let pool = dir.below(name);
        let facts = PoolFacts {
            total: pool.parsed_or_default("nr_hugepages"),
            free: pool.parsed_or_default("free_hugepages"),
            surplus: pool.parsed_or_default("surplus_hugepages"),
        };
        Some((HugepageSize::from_sysfs(name).ok()?, facts))
    };
    dir.names().iter().filter_map(pool).collect()
}

/// An amount of a meminfo, of the host (`MemTotal:  1 kB`) or of a node (`Node 0 MemTotal:  1 kB`).
fn amount(meminfo: &str, name: &str) -> Option<Kib> {
    let mut pairs = meminfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(key, _)| key.split_whitespace().next_back() == Some(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok().map(Kib)
}

fn hugetlb_mounts(mounts: &str) -> Vec<HugetlbMount> {
    let mount = |line: &str| {
        let mut fields = line.split(' ');
        let (_, path, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let size = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
        (kind == "hugetlbfs").then(|| {
            let path = unescaped(path).parse().ok()?;
            Some(HugetlbMount { path, size: size.and_then(|s| s.parse().ok()), options: options.to_owned() })
        })?
    };
    let mut mounts: Vec<_> = mounts.lines().filter_map(mount).collect();
    mounts.sort_by(|a, b| a.path.cmp(&b.path));
    mounts
}

/// The kernel writes blanks, tabs, line ends and backslashes in mount tables as three octal digits.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in any::<String>()) {
            amount(&text, "MemTotal");
            hugetlb_mounts(&text);
        }
    }

    #[test]
    fn the_amounts_of_hosts_and_of_nodes_are_found_by_name() {
        assert_eq!(amount("MemTotal:       16384 kB\nMemFree: 5 kB", "MemFree"), Some(Kib(5)));
        assert_eq!(amount("Node 1 MemTotal:   7 kB\nNode 1 MemFree: 3 kB", "MemTotal"), Some(Kib(7)));
        assert_eq!(amount("HugePages_Total:       0", "HugePages_Total"), None);
    }

    #[test]
    fn only_mounts_of_hugepages_are_told_with_their_size() {
        let text = "proc /proc proc rw 0 0\nnone /dev/huge\\040pages hugetlbfs rw,pagesize=1024M 0 0\n\
                    none /dev/hugepages hugetlbfs rw,relatime 0 0";
        let mounts = hugetlb_mounts(text);
        let told: Vec<_> = mounts.iter().map(|m| (m.path.as_str(), m.size)).collect();
        assert_eq!(told, [("/dev/huge pages", Some(HugepageSize::ONE_GIB)), ("/dev/hugepages", None)]);
    }
}
