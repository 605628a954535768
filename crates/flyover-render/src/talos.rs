//! Talos: a patch of the machine configuration, and a document for each device that is to have another driver.
//!
//! Source: the v1alpha1 and hardware references of Talos 1.10 to 1.14. Talos has no systemd and no shell.

use flyover_api::When;
use flyover_core::HugepageSize;
use flyover_plan::{OwnFile, Pool, Settled, units};

use crate::doc::{Map, yaml};
use crate::unsaid::{self, Part};
use crate::{Rendered, args, kubelet};

pub(crate) fn render(settled: &Settled) -> Rendered {
    let machine = Map::new()
        .with("install", Map::new().with("extraKernelArgs", kernel_args(settled)))
        .with("kernel", Map::new().with("modules", modules(settled)))
        .with("sysctls", sysctls(settled))
        .with("sysfs", sysfs(settled))
        .with(
            "kubelet",
            Map::new().with("extraConfig", kubelet::settings(settled).into_iter().collect::<Map>()),
        )
        .with("files", files(settled));
    let mut text = format!("{}\n{}", units::HEADER, yaml(&Map::new().with_even_empty("machine", machine)));
    for choice in &settled.drivers {
        let rebind = Map::new()
            .with("apiVersion", "v1alpha1")
            .with("kind", "PCIDriverRebindConfig")
            .with("name", choice.device.to_string())
            .with("targetDriver", choice.driver.to_string());
        text.push_str(&format!("---\n{}", yaml(&rebind)));
    }
    Rendered::one("talos.yaml", text, notes(settled))
}

/// What is to be there, and behind a dash the names of what is to go.
fn kernel_args(settled: &Settled) -> Vec<String> {
    let gone = args::unset(settled).into_iter().map(|arg| format!("-{arg}"));
    let set = settled.args.set.iter().map(|arg| arg.raw().to_owned());
    gone.chain(set).chain(args::noiommu(settled).map(str::to_owned)).collect()
}

fn modules(settled: &Settled) -> Vec<Map> {
    let parameters = |(key, value): (&String, &String)| format!("{key}={value}");
    let module =
        |(name, options): (&flyover_core::ModuleName, &std::collections::BTreeMap<String, String>)| {
            let parameters: Vec<String> = options.iter().map(parameters).collect();
            Map::new().with("name", name.to_string()).with("parameters", parameters)
        };
    settled.modules.iter().map(module).collect()
}

/// Whether `vm.nr_hugepages`, which means the default size on the whole host, means this pool.
fn is_default(settled: &Settled, pool: &Pool) -> bool {
    pool.node.is_none() && pool.size == settled.default_size.unwrap_or(HugepageSize::TWO_MIB)
}

fn runtime(settled: &Settled) -> impl Iterator<Item = &Pool> {
    settled.pools.iter().filter(|pool| pool.when == When::Runtime)
}

fn sysctls(settled: &Settled) -> Map {
    let default = runtime(settled).filter(|pool| is_default(settled, pool));
    let asked = settled.sysctls.iter().filter(|(key, _)| unsaid::is_plain(key));
    let asked = asked.map(|(key, value)| (key.to_string(), value.clone()));
    let pages = default.map(|pool| ("vm.nr_hugepages".to_owned(), pool.count.to_string()));
    pages
        .filter(|(key, _)| !settled.sysctls.keys().any(|asked| asked.to_string() == *key))
        .chain(asked)
        .collect()
}

/// Files of sysfs with dots for slashes.
fn sysfs(settled: &Settled) -> Map {
    let other = runtime(settled).filter(|pool| !is_default(settled, pool));
    other
        .map(|pool| {
            (
                pool.size.pool(pool.node).as_str().trim_start_matches("/sys/").replace('/', "."),
                pool.count.to_string(),
            )
        })
        .collect()
}

fn is_writable(path: &str) -> bool {
    path.starts_with("/var/")
}

fn files(settled: &Settled) -> Vec<Map> {
    let file = |(path, file): (&flyover_core::HostPath, &OwnFile)| {
        Map::new()
            .with("path", path.to_string())
            .with("op", "create")
            .with("permissions", u64::from(file.mode.bits()))
            .with("content", file.content.as_str())
    };
    settled.files.iter().filter(|(path, _)| is_writable(path.as_str())).map(file).collect()
}

fn notes(settled: &Settled) -> Vec<String> {
    let mut notes = Vec::new();
    if !settled.args.set.is_empty() || !settled.args.unset.is_empty() {
        notes.push(
            "Talos takes extraKernelArgs at the next install or upgrade, and not at all where it boots a unified \
             kernel image (SecureBoot, systemd-boot): there they belong in the Image Factory's schematic"
                .to_owned(),
        );
    }
    if settled.args.set.iter().filter(|arg| arg.name() == "hugepagesz").count() > 1 {
        notes.push(
            "Talos keeps the command line by names, which parts sizes of hugepages from their counts: take one of the \
             sizes at runtime"
                .to_owned(),
        );
    }
    if !settled.drivers.is_empty() {
        notes.push("PCIDriverRebindConfig is known to Talos from 1.10 on".to_owned());
    }
    let outside = settled.files.keys().filter(|path| !is_writable(path.as_str()));
    notes.extend(
        outside.map(|path| format!("Talos lets nobody write {path}: machine.files go below /var only")),
    );
    notes.extend(unsaid::note(settled, "Talos", &[Part::Services], "it runs no such services"));
    notes.extend(unsaid::note(settled, "Talos", &[Part::Mounts], "pods mount hugepages by an emptyDir"));
    notes.extend(unsaid::dotted(settled, "Talos"));
    notes.extend(kubelet::notes(settled));
    notes
}
