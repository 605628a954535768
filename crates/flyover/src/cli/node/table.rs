//! What people read: the facts of a host.

use std::fmt::Write as _;

use flyover_core::facts::{HostFacts, PciDevice};

/// The facts, a subject a row.
pub(super) fn facts(facts: &HostFacts) -> String {
    let taints = facts.taints.iter().map(|taint| ("taint".to_owned(), taint.clone()));
    let rows = host(facts)
        .into_iter()
        .chain(memory(facts))
        .chain(devices(facts))
        .chain(services(facts))
        .chain(taints);
    let lines: Vec<String> = rows.map(|(name, value)| format!("{name:<13}{value}")).collect();
    lines.join("\n")
}

type Rows = Vec<(String, String)>;

fn host(facts: &HostFacts) -> Rows {
    let (os, boot, cpu) = (&facts.os, &facts.boot, &facts.cpu);
    let unknown = || "unknown".to_owned();
    let mut rows = vec![
        ("system".into(), format!("{} {}{}", os.id, os.version, if os.systemd { ", systemd" } else { "" })),
        ("kernel".into(), format!("{} {}", boot.release, boot.arch)),
        ("arguments".into(), boot.args.to_string()),
        ("boot loader".into(), boot.loader.as_ref().map_or_else(unknown, ToString::to_string)),
        (
            "firmware".into(),
            format!(
                "secure boot {}, lockdown {}",
                boot.secure_boot.map_or_else(unknown, |on| if on { "on" } else { "off" }.into()),
                boot.lockdown.clone().unwrap_or_else(unknown)
            ),
        ),
        ("cgroup".into(), format!("version {}", boot.cgroup)),
        (
            "cpu".into(),
            format!(
                "{}; {} of {} online, SMT {}",
                cpu.model,
                cpu.online.len(),
                cpu.possible.len(),
                if cpu.smt { "on" } else { "off" }
            ),
        ),
    ];
    if !cpu.isolated.is_empty() {
        rows.push(("isolated".into(), cpu.isolated.to_string()));
    }
    if !cpu.nohz_full.is_empty() {
        rows.push(("no tick".into(), cpu.nohz_full.to_string()));
    }
    for cache in cpu.caches.iter().filter(|cache| cache.level > 2) {
        rows.push((format!("cache L{}", cache.level), format!("{} for CPUs {}", cache.size, cache.cpus)));
    }
    rows
}

fn memory(facts: &HostFacts) -> Rows {
    let mut rows =
        vec![("memory".into(), format!("{} of {} available", facts.memory.available, facts.memory.total))];
    if let Some(size) = facts.memory.default_hugepage {
        rows.push(("hugepages".into(), format!("{size} where no size is named")));
    }
    for node in &facts.numa {
        let pools: Vec<String> = node
            .hugepages
            .iter()
            .map(|(size, pool)| format!("{} x {size} ({} free)", pool.total, pool.free))
            .collect();
        let pools = if pools.is_empty() { "none".to_owned() } else { pools.join(", ") };
        rows.push((
            format!("NUMA {}", node.id),
            format!("CPUs {}; {} of {} free; hugepages {pools}", node.cpus, node.free, node.memory),
        ));
    }
    rows.extend(
        facts
            .memory
            .mounts
            .iter()
            .map(|mount| ("mount".into(), format!("{} ({})", mount.path, mount.options))),
    );
    rows
}

fn devices(facts: &HostFacts) -> Rows {
    let groups =
        facts.pci.iter().filter_map(|device| device.group).collect::<std::collections::BTreeSet<_>>().len();
    let iommu = if groups == 0 { "off, or there is none".to_owned() } else { format!("on, {groups} groups") };
    let mut rows = vec![("IOMMU".into(), iommu)];
    for device in facts.pci.iter().filter(|device| device.class.is_network()) {
        rows.push(("NIC".into(), nic(facts, device)));
    }
    rows
}

fn nic(facts: &HostFacts, device: &PciDevice) -> String {
    let mut text = format!("{} {}", device.address, device.id);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _infallible = write!(text, ", {name}{value}");
        }
    };
    add("driver ", Some(device.driver.as_ref().map_or_else(|| "none".into(), ToString::to_string)));
    add("NUMA ", device.node.map(|node| node.to_string()));
    add("IOMMU group ", device.group.map(|group| group.to_string()));
    add("virtual function of ", device.physical.map(|physical| physical.to_string()));
    for name in &device.netdevs {
        let link = facts
            .net
            .iter()
            .find(|net| net.name == *name)
            .map_or("", |net| if net.up { " up" } else { " down" });
        add("", Some(format!("{name}{link}")));
    }
    for guarded in facts.guarded.iter().filter(|guarded| guarded.device == device.address) {
        add("carries ", Some(guarded.carries.clone()));
    }
    if device.elsewhere {
        add("", Some("its network device is in another network namespace".into()));
    }
    add("held by ", (!device.held_by.is_empty()).then(|| device.held_by.join(", ")));
    text
}

fn services(facts: &HostFacts) -> Rows {
    let mut rows = Rows::new();
    let mut seen = std::collections::BTreeSet::new();
    for service in facts.services.values() {
        let there = service.enablement != flyover_core::facts::Enablement::NotFound;
        if there && seen.insert(&service.unit) {
            let active = if service.active { "running" } else { "stopped" };
            rows.push(("service".into(), format!("{} {}, {active}", service.unit, service.enablement)));
        }
    }
    if let Some(kubelet) = &facts.kubelet {
        let policy =
            |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
        let parts: Vec<String> = [
            policy("CPU manager", &kubelet.cpu_manager),
            policy("topology manager", &kubelet.topology_manager),
            policy("memory manager", &kubelet.memory_manager),
            kubelet.reserved_cpus.as_ref().map(|cpus| format!("reserved CPUs {cpus}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        rows.push(("kubelet".into(), format!("{}: {}", kubelet.config, parts.join(", "))));
    }
    rows
}
