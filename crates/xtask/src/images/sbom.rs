//! The bill of materials of an image: every crate that its programs link, in CycloneDX.
//!
//! Invariant: sorted and without a clock or a random number, so the same programs have the same bill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use serde_json::{Value, json};

/// The bill of the packages, each as it is built for its target.
pub(super) fn of(root: &Path, image: &str, roots: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut components = BTreeMap::new();
    for (package, target) in roots {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(["--locked".into(), "--filter-platform".into(), (*target).into()])
            .exec()
            .context("failed to read the workspace's metadata")?;
        for id in linked(&metadata, package)? {
            let found = &metadata[&id];
            let (name, version) = (found.name.to_string(), found.version.to_string());
            let component = json!({
                "type": "library",
                "name": name,
                "version": version,
                "purl": format!("pkg:cargo/{name}@{version}"),
                "licenses": [{"expression": found.license.clone().unwrap_or_default().replace('/', " OR ")}],
            });
            components.insert((name, version), component);
        }
    }
    let all: Vec<Value> = components.into_values().collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image, "version": env!("CARGO_PKG_VERSION")}},
        "components": all,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&bill).expect("a bill is JSON")))
}

/// The package and all that it links; what only builds or tests it is not in the image.
fn linked(metadata: &Metadata, package: &str) -> anyhow::Result<BTreeSet<PackageId>> {
    let nodes = &metadata.resolve.as_ref().context("cargo metadata has no resolve")?.nodes;
    let start = metadata.packages.iter().find(|found| found.name.as_str() == package);
    let start = start.with_context(|| format!("there is no package `{package}`"))?.id.clone();
    let mut open = vec![start.clone()];
    let mut seen = BTreeSet::from([start]);
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|node| node.id == id);
        let arrows = node.into_iter().flat_map(|node| &node.deps);
        let normal =
            arrows.filter(|arrow| arrow.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        open.extend(normal.map(|arrow| arrow.pkg.clone()).filter(|id| seen.insert(id.clone())));
    }
    Ok(seen)
}
