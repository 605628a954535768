//! What cargo knows of the workspace and of all it depends on, reduced to what the rules ask.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It is linked into what we ship, or runs while that is built.
    Product,
    /// Only tests use it.
    Tests,
}

/// An arrow from one package to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Index of the package it points to.
    pub to: usize,
    /// What for.
    pub reach: Reach,
}

/// A crate at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression; empty if it names none.
    pub licence: String,
    /// Its manifest, relative to the root, if it is a room of ours.
    pub room: Option<PathBuf>,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// The packages of the workspace and everything below them, as built for Linux.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// All of them; a [`Dependency`] is an index in here.
    pub all: Vec<Package>,
}

impl Packages {
    /// Asks cargo about the workspace at `root`.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .current_dir(root)
            .other_options(["--filter-platform".into(), "x86_64-unknown-linux-gnu".into()])
            .exec()
            .with_context(|| format!("failed to read the metadata of `{}`", root.display()))?;
        Self::from_metadata(&metadata)
    }

    fn from_metadata(metadata: &Metadata) -> anyhow::Result<Self> {
        let nodes = &metadata.resolve.as_ref().context("cargo metadata has no resolve")?.nodes;
        let index: BTreeMap<_, _> = nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
        let all = nodes.iter().map(|node| {
            let package = &metadata[&node.id];
            let ours = metadata.workspace_members.contains(&node.id);
            let manifest = || package.manifest_path.strip_prefix(&metadata.workspace_root);
            Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license.clone().unwrap_or_default(),
                room: ours.then(|| manifest().map_or_else(|_| PathBuf::new(), PathBuf::from)),
                dependencies: node.deps.iter().flat_map(|d| arrows(d, index[&d.pkg])).collect(),
            }
        });
        Ok(Self { all: all.collect() })
    }

    /// The rooms of the house, each with its manifest.
    pub fn rooms(&self) -> impl Iterator<Item = (&Package, &Path)> {
        self.all.iter().filter_map(|p| Some((p, p.room.as_deref()?)))
    }
}

fn arrows(dependency: &cargo_metadata::NodeDep, to: usize) -> impl Iterator<Item = Dependency> {
    dependency.dep_kinds.iter().map(move |kind| Dependency {
        to,
        reach: if kind.kind == DependencyKind::Development { Reach::Tests } else { Reach::Product },
    })
}

#[cfg(test)]
impl Packages {
    /// Packages written as `name version licence`, and arrows between their names. All of them are rooms
    /// whose version is 0.1.0.
    pub(crate) fn of(packages: &[(&str, &str, &str)], arrows: &[(&str, &str, Reach)]) -> Self {
        let place = |name: &str| packages.iter().position(|p| p.0 == name).unwrap();
        let all = packages.iter().map(|&(name, version, licence)| Package {
            name: name.into(),
            version: version.into(),
            licence: licence.into(),
            room: (version == "0.1.0").then(|| Path::new("crates").join(name).join("Cargo.toml")),
            dependencies: arrows
                .iter()
                .filter(|a| a.0 == name)
                .map(|a| Dependency { to: place(a.1), reach: a.2 })
                .collect(),
        });
        Self { all: all.collect() }
    }
}
