//! The bill of materials of an image: every crate that its programs link, and every package of C, in CycloneDX.
//!
//! Invariant: sorted and without a clock or a random number, so the same programs have the same bill.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use flyover_bundle::Architecture;
use flyover_host::cmd::Cmd;
use serde_json::{Value, json};

/// Names and versions, and what is said of each.
type Components = BTreeMap<(String, String), Value>;

/// The bill of an image with these components.
pub(super) fn bill(image: &str, components: Components) -> String {
    let all: Vec<Value> = components.into_values().collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image, "version": env!("CARGO_PKG_VERSION")}},
        "components": all,
    });
    format!("{}\n", serde_json::to_string_pretty(&bill).expect("a bill is JSON"))
}

/// The crates that a package of this workspace links when it is built for the target.
pub(super) fn crates(root: &Path, package: &str, target: &str) -> anyhow::Result<Components> {
    let text = Cmd::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
        .args(["--manifest-path".as_ref(), root.join("Cargo.toml").as_os_str()])
        .run()
        .context("failed to read the workspace's metadata")?;
    let metadata = MetadataCommand::parse(text).context("failed to read the workspace's metadata")?;
    let mut components = Components::new();
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
    Ok(components)
}

/// Debian's packages whose archives are linked.
pub(super) fn archives(packages: Vec<(String, String)>, architecture: Architecture) -> Components {
    let component = |(name, version): (String, String)| {
        // What stands for a part of such an address is written in numbers.
        let plain = version.replace(':', "%3A").replace('+', "%2B");
        let component = json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:deb/debian/{name}@{plain}?arch={architecture}"),
        });
        ((name, version), component)
    };
    packages.into_iter().map(component).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_with_its_version_and_architecture() {
        let packages = vec![("zlib1g-dev".into(), "1:1.2.13+b1".into())];
        let bill = bill("flyover-agent", archives(packages, Architecture::Arm64));
        let bill: Value = serde_json::from_str(&bill).unwrap();
        let component = json!({
            "type": "library",
            "name": "zlib1g-dev",
            "version": "1:1.2.13+b1",
            "purl": "pkg:deb/debian/zlib1g-dev@1%3A1.2.13%2Bb1?arch=arm64",
        });
        assert_eq!(bill["components"], json!([component]));
    }

    #[test]
    fn a_programs_crates_are_what_it_links_and_not_what_tests_or_builds_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let crates = crates(&root, "flyover-cni", "aarch64-unknown-linux-musl").unwrap();
        let names: BTreeSet<&str> = crates.keys().map(|(name, _)| name.as_str()).collect();
        assert!(names.is_superset(&["flyover-cni", "flyover-cni-core", "serde_json"].into()), "{names:?}");
        assert!(names.is_disjoint(&["flyover-testkit", "cc", "tempfile"].into()), "{names:?}");
    }
}
