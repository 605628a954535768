//! What people read of a sizing.

use flyover_plan::switch::{NodeMemory, Sizing};

const MIB: u64 = 1 << 20;

/// The values, and under each the reasons if they are wanted.
pub(super) fn table(sizing: &Sizing, explain: bool) -> String {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String, reasons: Vec<String>| {
        lines.push(format!("{name:<17}{value}"));
        if explain {
            lines.extend(reasons.into_iter().map(|reason| format!("  {reason}")));
        }
    };
    let pmd = &sizing.pmd;
    let cores = pmd.cores.iter().map(|core| format!("CPUs {}: {}", core.cpus, core.why)).collect();
    add("pmd-cpu-mask", format!("{} (CPUs {})", pmd.mask, pmd.cpus), cores);
    let memory = &sizing.memory;
    let reasons = memory.nodes.iter().flat_map(of_node).chain([of_release(sizing)]).collect();
    match (&memory.socket_mem, memory.no_huge) {
        (Some(list), _) => add("dpdk-socket-mem", list.clone(), reasons),
        (None, Some(mib)) => add("-m", format!("{mib} MiB without hugepages"), reasons),
        (None, None) => add("-m", "not named".to_owned(), reasons),
    }
    for pages in &sizing.hugepages {
        let name = format!("hugepages node{}", pages.node);
        let value = format!("{} of {}; {} MiB are there", pages.needed, pages.size, pages.there_mib);
        add(&name, value, vec![pages.why.clone()]);
    }
    add("reserved CPUs", sizing.reserved.to_string(), vec![sizing.reserved_why.clone()]);
    lines.join("\n")
}

fn of_node(node: &NodeMemory) -> Vec<String> {
    let mut lines = vec![format!("NUMA {}, {} MiB: {}", node.node, node.mib, node.why)];
    lines.extend(node.parts.iter().map(|part| format!("{:>10}  {}", mib(part.bytes), part.why)));
    lines
}

fn of_release(sizing: &Sizing) -> String {
    format!("a packet has {} bytes beside its buffer, {}", sizing.release.overhead, sizing.release.why)
}

/// In MiB to one decimal.
fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(MIB);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
