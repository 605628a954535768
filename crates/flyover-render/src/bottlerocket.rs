//! Bottlerocket: settings as user data, or for `apiclient apply`.
//!
//! Source: bottlerocket.dev, settings of 1.65: settings.boot, settings.kernel, settings.kubernetes. Static
//! hugepages are known from 1.65 on, reserved-cpus from 1.21.

use std::collections::BTreeMap;

use flyover_core::HugepageSize;
use flyover_plan::{Settled, units};

use crate::doc::{Map, toml};
use crate::unsaid::{self, Part};
use crate::{Rendered, args, kubelet};

pub(crate) fn render(settled: &Settled) -> Rendered {
    let parameters = parameters(settled);
    let boot = if parameters.is_empty() {
        Map::new()
    } else {
        let parameters =
            parameters.into_iter().fold(Map::new(), |map, (name, values)| map.with_even_empty(name, values));
        Map::new().with("reboot-to-reconcile", true).with("kernel-parameters", parameters)
    };
    let kernel = Map::new()
        .with("hugepages", Map::new().with("static", hugepages(settled)))
        .with("modules", modules(settled))
        .with("sysctl", sysctls(settled));
    let settings =
        Map::new().with("boot", boot).with("kernel", kernel).with("kubernetes", kubernetes(settled));
    let text = format!("{}\n{}", units::HEADER, toml(&Map::new().with("settings", settings)));
    Rendered::one("bottlerocket.toml", text, notes(settled))
}

/// Values by the name of the argument, in the order of the names' first appearance. Hugepages are not among them:
/// their meaning lies in the order of different names, which is lost here.
fn parameters(settled: &Settled) -> Vec<(String, Vec<String>)> {
    let asked = settled.args.set.iter().filter(|arg| !matches!(arg.name(), "hugepagesz" | "hugepages"));
    let asked = asked.map(|arg| (arg.name().to_owned(), arg.value().map(str::to_owned)));
    let noiommu = args::noiommu(settled).and_then(|arg| arg.split_once('='));
    let noiommu = noiommu.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    let options = settled.modules.iter().flat_map(|(module, options)| {
        let option = move |(key, value): (&String, &String)| {
            (format!("{}.{key}", module.normalized()), Some(value.clone()))
        };
        options.iter().map(option)
    });
    let mut parameters: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in asked.chain(noiommu).chain(options) {
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.extend(value),
            None => parameters.push((name, value.into_iter().collect())),
        }
    }
    parameters
}

/// How many pages of each size the whole host has.
fn hugepages(settled: &Settled) -> Map {
    let mut sizes: BTreeMap<HugepageSize, u64> = BTreeMap::new();
    for pool in &settled.pools {
        let count = sizes.entry(pool.size).or_default();
        *count = count.saturating_add(pool.count);
    }
    let size = |size: &HugepageSize| size.kubernetes().trim_start_matches("hugepages-").to_owned();
    sizes.iter().map(|(bytes, count)| (size(bytes), Map::new().with("count", count.to_string()))).collect()
}

fn modules(settled: &Settled) -> Map {
    let loaded = || Map::new().with("allowed", true).with("autoload", true);
    settled.modules.keys().map(|module| (module.to_string(), loaded())).collect()
}

fn sysctls(settled: &Settled) -> Map {
    let plain = settled.sysctls.iter().filter(|(key, _)| unsaid::is_plain(key));
    plain.map(|(key, value)| (key.to_string(), value.as_str())).collect()
}

fn kubernetes(settled: &Settled) -> Map {
    let Some(cpu) = &settled.cpu else { return Map::new() };
    Map::new()
        .with("reserved-cpus", cpu.kubelet_reserved.to_string())
        .with("cpu-manager-policy", "static")
        .with("cpu-manager-policy-options", vec!["full-pcpus-only"])
        .with("topology-manager-policy", "single-numa-node")
}

fn notes(settled: &Settled) -> Vec<String> {
    let mut notes = Vec::new();
    if settled.pools.iter().any(|pool| pool.node.is_some()) {
        notes.push("Bottlerocket counts hugepages for the whole host; the kernel spreads them evenly over its NUMA nodes".to_owned());
    }
    notes.extend(args::unset(settled).into_iter().map(|arg| {
        format!("Bottlerocket has no setting that removes `{arg}`; leave it out of settings.boot.kernel-parameters")
    }));
    let drivers = [Part::Drivers];
    notes.extend(unsaid::note(
        settled,
        "Bottlerocket",
        &drivers,
        "bind them in a bootstrap container, before kubelet starts",
    ));
    let parts = [Part::Services, Part::Files, Part::Mounts];
    notes.extend(unsaid::note(
        settled,
        "Bottlerocket",
        &parts,
        "its image is read-only, and pods mount hugepages by an emptyDir",
    ));
    notes.extend(unsaid::dotted(settled, "Bottlerocket"));
    notes.extend(kubelet::notes(settled).into_iter().skip(1));
    notes
}
