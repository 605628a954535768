//! What is unwise in a spec, whatever the host.

use flyover_api::{DpdkSpec, SwitchSpec};

use crate::switch::lint::Finding;
use crate::switch::{adjusted_mtu, objects_shared, pool};

/// Bytes of a packet beside its buffer; good enough for advice.
const OVERHEAD: u64 = 832;

/// MTUs that people ask for.
const MTUS: [u32; 2] = [1500, 9000];

/// Keys of `other_config` that this knows and has no field for.
const KNOWN: [&str; 22] = [
    "dpdk-alloc-mem",
    "dpdk-probe-at-init",
    "emc-insert-inv-prob",
    "flow-limit",
    "flow-restore-wait",
    "hw-offload",
    "max-idle",
    "max-revalidator",
    "n-handler-threads",
    "n-revalidator-threads",
    "pmd-auto-lb-improvement-threshold",
    "pmd-auto-lb-load-threshold",
    "pmd-auto-lb-rebal-interval",
    "pmd-maxsleep",
    "pmd-perf-metrics",
    "pmd-rxq-isolate",
    "pmd-sleep-max",
    "shared-mempool-config",
    "smc-enable",
    "stats-update-interval",
    "tx-flush-interval",
    "vlan-limit",
];

/// Whether an option is one of the switch's own, which DPDK or its threads read; others write the rest.
pub(super) fn is_known(key: &str) -> bool {
    let own = ["dpdk-", "pmd-", "vhost-", "per-port-memory", "userspace-tso-enable"];
    KNOWN.contains(&key) || own.iter().any(|start| key.starts_with(start))
}

/// What is unwise.
pub(super) fn of_spec(spec: &SwitchSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(lcores(&spec.dpdk));
    findings.extend(memory(&spec.dpdk));
    findings.extend(spec.options.iter().filter_map(|(key, value)| option(key, value)));
    findings
}

fn lcores(dpdk: &DpdkSpec) -> Option<Finding> {
    let cpus = dpdk.lcores.as_ref()?;
    let what = format!("all that does not poll is kept on CPUs {cpus}: handlers and revalidators share them");
    Some(Finding::warning("dpdk.lcores", what).hint("leave dpdk-lcore-mask unset"))
}

/// What fits into the memory that was asked for.
fn memory(dpdk: &DpdkSpec) -> Option<Finding> {
    let given = dpdk.socket_memory.as_ref().filter(|_| !dpdk.per_port_memory)?;
    let pools = MTUS.map(|mtu| (mtu, pool_mib(mtu)));
    let fits = |mib: u32| {
        let words = pools.map(|(mtu, pool)| {
            let does = if u64::from(mib) >= pool { "fits" } else { "does not fit" };
            format!("the pool of MTU {mtu} takes {pool} MiB and {does}")
        });
        format!("{mib} MiB: {}", words.join(", "))
    };
    let mut amounts: Vec<u32> = given.iter().copied().filter(|mib| *mib > 0).collect();
    amounts.sort_unstable();
    amounts.dedup();
    let what = amounts.into_iter().map(fits).collect::<Vec<_>>().join("; ");
    let hint =
        "one pool for each MTU on a node; leave it out, and it is computed from bridges and expectedPorts";
    (!what.is_empty()).then(|| Finding::note("dpdk.socketMemory", what).hint(hint))
}

fn pool_mib(mtu: u32) -> u64 {
    (objects_shared(mtu) * pool::object_bytes(adjusted_mtu(mtu), OVERHEAD)) >> 20
}

fn option(key: &str, value: &str) -> Option<Finding> {
    let at = format!("options.{key}");
    let (what, hint) = match key {
        "userspace-tso-enable" if value == "true" => (
            "segmentation offload in user space is experimental",
            "leave it out unless it was tried with this load",
        ),
        "vhost-postcopy-support" if value == "true" => {
            ("with it the switch's memory is not locked", "leave it out unless VMs migrate by post-copy")
        }
        "vhost-sock-dir" => (
            "only ports where the switch is the server use it, and their guests do not survive its restart",
            "use dpdkvhostuserclient, whose sockets are wherever they are wanted",
        ),
        "userspace-tso-enable" | "vhost-postcopy-support" => return None,
        key if KNOWN.contains(&key) => return None,
        _ => {
            return Some(
                Finding::note(at, "no option that is known here; it is kept as it is")
                    .hint("`ovs-vswitchd.conf.db(5)` lists them; the switch ignores what it does not know"),
            );
        }
    };
    Some(Finding::warning(at, what).hint(hint))
}
