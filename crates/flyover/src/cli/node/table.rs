//! What people read: the facts of a host, a plan, its outcome.

use std::fmt::Write as _;

use comfy_table::{Table, presets};
use flyover_core::facts::{HostFacts, PciDevice};
use flyover_core::{Disturbance, Drift, Plan, Step};
use flyover_host::executor::{Outcome, Report};
use flyover_host::node::Applied;
use flyover_host::receipt::Receipt;
use flyover_plan::{by_hand, state};

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

/// A plan: each step with what is, what will be, why, what it disturbs, its undo, and the command for people.
pub(super) fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, step) in plan.steps.iter().enumerate() {
        text.push_str(&one(number + 1, step));
    }
    for note in &plan.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    let _infallible = write!(text, "{}", count(plan));
    text
}

fn one(number: usize, step: &Step) -> String {
    let was = step.found.as_ref().map(|found| format!("{} -> ", state(found))).unwrap_or_default();
    let mut text = format!("{number:>2}. {}  {was}{}\n", step.action.subject(), state(&step.action));
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(text, "      {name:<9}{value}");
    };
    row("why", &step.why);
    row("disturbs", disturbance(step.disturbs));
    if step.after_reboot {
        row("when", "after the reboot");
    }
    for (i, line) in step.by_hand.iter().enumerate() {
        row(if i == 0 { "by hand" } else { "" }, line);
    }
    for (i, line) in undo(step).iter().enumerate() {
        row(if i == 0 { "undo" } else { "" }, line);
    }
    text
}

fn undo(step: &Step) -> Vec<String> {
    let Some(found) = &step.found else { return vec!["none".into()] };
    by_hand(found, Some(&step.action))
}

fn disturbance(disturbs: Disturbance) -> &'static str {
    match disturbs {
        Disturbance::None => "nothing",
        Disturbance::Service => "a service stops or starts",
        Disturbance::Link => "a network link goes",
        Disturbance::Workloads => "workloads may notice",
        Disturbance::Reboot => "REBOOT",
    }
}

fn count(plan: &Plan) -> String {
    let (reboots, changes) =
        if plan.reboot().is_some() { (1, plan.steps.len() - 1) } else { (0, plan.steps.len()) };
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    if plan.steps.is_empty() {
        return format!("Nothing to do: {} as asked for.", plural(plan.fulfilled, "thing"));
    }
    format!("{}, {}. Undo is recorded.", plural(changes, "change"), plural(reboots, "reboot"))
}

/// What is not as it was asked for.
pub(super) fn drift(drift: &[Drift]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "wanted", "found"]);
    for drift in drift {
        table.add_row([&drift.subject, &drift.wanted, &drift.found]);
    }
    table.to_string()
}

/// How a plan was carried out.
pub(super) fn applied(applied: &Applied) -> String {
    let Applied { outcome, plan, drift: differs } = applied;
    let mut text = String::new();
    if !matches!(outcome, Outcome::AlreadySo) {
        for step in &plan.steps {
            let was = step.found.as_ref().map(|found| format!("{} -> ", state(found))).unwrap_or_default();
            let _infallible = writeln!(text, "{}  {was}{}", step.action.subject(), state(&step.action));
        }
    }
    for note in &plan.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    if !differs.is_empty() {
        let _infallible = writeln!(text, "{}", drift(differs));
    }
    text + &match outcome {
        Outcome::AlreadySo => format!("Nothing to do: all {} are as asked for.", plan.fulfilled),
        Outcome::Done { generation } => format!("Done: generation {generation}. Undo is recorded."),
        Outcome::NeedsReboot { generation, why } => {
            format!("Generation {generation} waits for a reboot: {why}. Undo is recorded.")
        }
        Outcome::Rebooting { generation, why } => {
            format!("Generation {generation}: rebooting, once: {why}. It goes on by itself.")
        }
    }
}

/// What a rollback did.
pub(super) fn rolled_back(report: &Report) -> String {
    let mut text = String::new();
    let mut row = |what: &str, subject: &dyn std::fmt::Display, more: String| {
        let _infallible = writeln!(text, "{what:<9}{subject}{more}");
    };
    report.undone.iter().for_each(|subject| row("restored", subject, String::new()));
    report.mixed.iter().for_each(|subject| row("ours out", subject, "; others had changed it too".into()));
    for kept in &report.kept {
        row("kept", &kept.subject, format!(": somebody changed it since, to {}", state(&kept.now)));
    }
    report.failed.iter().for_each(|failed| row("FAILED", &failed.subject, format!(": {}", failed.why)));
    report.remains.iter().for_each(|path| row("remains", path, String::new()));
    let _infallible = match report.to {
        0 if report.kept.is_empty() && report.failed.is_empty() => {
            write!(text, "The node is as it was found.")
        }
        to => write!(text, "Generation {to} stands."),
    };
    if report.needs_reboot {
        text.push_str(" The running kernel keeps its arguments until it is rebooted.");
    }
    text
}

/// What is ours, and what was there before.
pub(super) fn receipt(receipt: &Receipt) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["what", "is", "was", "generation", "since"]);
    let lists = [&receipt.files, &receipt.units, &receipt.drivers, &receipt.kernel_args, &receipt.others];
    let all: Vec<_> = lists.into_iter().flatten().collect();
    if all.is_empty() {
        return "Nothing on this node is Flyover's.".to_owned();
    }
    for mine in all {
        table.add_row([
            mine.subject.to_string(),
            state(&mine.wished),
            state(&mine.found),
            mine.generation.to_string(),
            mine.since.clone(),
        ]);
    }
    table.to_string()
}
