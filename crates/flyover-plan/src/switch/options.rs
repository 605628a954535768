//! The options of a switch: those it reads at its start, and those it reads as it runs.
//!
//! Source: vswitch.xml of OVS, which says of each whether changing it requires restarting the daemon.

use flyover_api::{DpdkInit, RxqAssign};

use super::settle::Draft;
use super::{OptionChoice, Sizing};

/// Options without a field that the daemon reads at its start only.
const AT_START: [&str; 8] = [
    "dpdk-alloc-mem",
    "dpdk-probe-at-init",
    "shared-mempool-config",
    "userspace-tso-enable",
    "vhost-postcopy-support",
    "vhost-sock-dir",
    "hw-offload",
    "n-offload-threads",
];

fn option(key: &str, value: impl Into<String>, why: impl Into<String>) -> OptionChoice {
    OptionChoice { key: key.to_owned(), value: value.into(), why: why.into() }
}

/// Options read at the start only, `dpdk-init` last: with it the daemon begins to read the others.
pub(super) fn start(draft: &Draft<'_>, sizing: &Sizing) -> Vec<OptionChoice> {
    let dpdk = &draft.spec.dpdk;
    let memory = &sizing.memory;
    let reasons =
        memory.nodes.iter().map(|node| format!("NUMA {}: {}", node.node, node.why)).collect::<Vec<_>>();
    let list = |mib: &Vec<u32>| mib.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let choices = [
        memory.socket_mem.clone().map(|list| option("dpdk-socket-mem", list, reasons.join("; "))),
        dpdk.socket_limit.as_ref().map(|mib| option("dpdk-socket-limit", list(mib), "dpdk.socketLimit")),
        dpdk.hugepage_dir.as_ref().map(|dir| option("dpdk-hugepage-dir", dir.as_str(), "dpdk.hugepageDir")),
        (!dpdk.extra.is_empty()).then(|| option("dpdk-extra", dpdk.extra.join(" "), "dpdk.extra")),
        dpdk.lcores.as_ref().map(|cpus| option("dpdk-lcore-mask", cpus.mask().to_string(), "dpdk.lcores")),
        dpdk.per_port_memory.then(|| option("per-port-memory", "true", "dpdk.perPortMemory")),
        dpdk.vhost_iommu.then(|| option("vhost-iommu-support", "true", "dpdk.vhostIommu")),
    ];
    let others = draft.spec.options.iter().filter(|(key, _)| AT_START.contains(&key.as_str()));
    let others = others.map(|(key, value)| option(key, value, "options"));
    let init = match dpdk.init {
        DpdkInit::Required => option("dpdk-init", "true", "dpdk.init: without DPDK the switch ends"),
        DpdkInit::Try => option("dpdk-init", "try", "dpdk.init: without DPDK the switch goes on"),
    };
    choices.into_iter().flatten().chain(others).chain([init]).collect()
}

/// Options read as the daemon runs.
pub(super) fn live(draft: &Draft<'_>, sizing: &Sizing) -> Vec<OptionChoice> {
    let pmd = &draft.spec.pmd;
    let cores =
        sizing.pmd.cores.iter().map(|core| format!("CPUs {}: {}", core.cpus, core.why)).collect::<Vec<_>>();
    let assign = pmd.rxq_assign.map(|assign| match assign {
        RxqAssign::Cycles => "cycles",
        RxqAssign::Roundrobin => "roundrobin",
        RxqAssign::Group => "group",
    });
    let choices = [
        Some(option("pmd-cpu-mask", sizing.pmd.mask.to_string(), cores.join("; "))),
        assign.map(|assign| option("pmd-rxq-assign", assign, "pmd.rxqAssign")),
        pmd.auto_balance.map(|on| option("pmd-auto-lb", on.to_string(), "pmd.autoBalance")),
    ];
    let mut choices: Vec<OptionChoice> = choices.into_iter().flatten().collect();
    for key in sleep_keys(draft) {
        let sleep = pmd.max_sleep_us.map(|us| option(key, us.to_string(), "pmd.maxSleepUs"));
        choices.splice(1..1, sleep);
    }
    let others = draft.spec.options.iter().filter(|(key, _)| !AT_START.contains(&key.as_str()));
    choices.extend(others.map(|(key, value)| option(key, value, "options")));
    choices
}

/// OVS 3.2 gave the option another name; a daemon that is not there yet may want either.
fn sleep_keys(draft: &Draft<'_>) -> &'static [&'static str] {
    match draft.release.is_at_least((3, 2)) {
        Some(true) => &["pmd-sleep-max"],
        Some(false) => &["pmd-maxsleep"],
        None => &["pmd-maxsleep", "pmd-sleep-max"],
    }
}
