//! What a cluster of the rig is made of, written down before it is made, so that any program can take it away.
//!
//! Invariant: a record goes last. One whose program is dead is swept by the next program that raises a cluster.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::Proxy;
use super::machine::start_of;
use super::pki::Pki;

/// Where records are.
const PLACE: &str = "/run/flyover-clusters";

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its name, which its namespaces and groups begin with.
    pub(super) name: String,
    /// The program it ends with, if it does: its id and when it began.
    pub(super) owner: Option<(u32, u64)>,
    /// Where its disks, logs and keys are.
    pub(super) folder: PathBuf,
    /// Where its programs are.
    pub(super) tools: PathBuf,
    /// How many nodes it has.
    pub(super) nodes: u8,
    /// What carries its services.
    pub(super) proxy: Proxy,
    /// More of kubelet's settings.
    pub(super) kubelet: String,
    /// Whether its API server writes down what pods ask it.
    #[serde(default)]
    pub(super) audited: bool,
    /// The port of the machine's loopback that leads to its API.
    pub(super) door: u16,
    /// Hugepages of 2 MiB that the machine has lent, once it has.
    pub(super) hugepages: u64,
    /// The groups of the program that raised it: another program that takes it away may be in others.
    pub(super) above: String,
    /// Where the hierarchy of huge pages is mounted for it, if the kernel has one.
    pub(super) huge_groups: Option<PathBuf>,
    /// Controllers that groups below the root have for its sake.
    #[serde(default)]
    pub(super) lent: Vec<String>,
}

impl Record {
    /// Writes it.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let path = path(&self.name);
        fs::create_dir_all(PLACE)?;
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(&new, &path).with_context(|| format!("failed to write `{}`", path.display()))
    }

    /// Reads that of a name, if there is one.
    pub(super) fn load(name: &str) -> anyhow::Result<Option<Self>> {
        let path = path(name);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => {
                serde_json::from_slice(&text?).with_context(|| format!("failed to read `{}`", path.display()))
            }
        }
    }

    /// Takes the name; an error if it is taken.
    pub(super) fn claim(&self) -> anyhow::Result<()> {
        ensure!(
            Self::load(&self.name)?.is_none(),
            "cluster {} is up already, or was left half up",
            self.name
        );
        self.save()
    }

    /// Removes it.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_file(path(&self.name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => {
                // Others may still have theirs there.
                let _last = fs::remove_dir(PLACE);
                Ok(())
            }
        }
    }

    /// Those whose programs are dead.
    pub(super) fn orphans() -> anyhow::Result<Vec<Self>> {
        let entries = match fs::read_dir(PLACE) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut orphans = Vec::new();
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_string_lossy();
            // One that this version cannot read is another version's to sweep.
            let record = name.strip_suffix(".json").and_then(|name| Self::load(name).ok().flatten());
            orphans.extend(record.filter(|r| r.owner.is_some_and(|(id, start)| start_of(id) != Some(start))));
        }
        Ok(orphans)
    }

    /// Whether it outlives the program that raised it.
    pub(super) fn kept(&self) -> bool {
        self.owner.is_none()
    }

    /// A machine's full name: its network namespace, its groups.
    pub(super) fn full_name(&self, machine: &str) -> String {
        format!("fo-k8s-{}-{machine}", self.name)
    }

    /// A machine's folder.
    pub(super) fn machine(&self, machine: &str) -> PathBuf {
        self.folder.join(machine)
    }

    /// One of its programs.
    pub(super) fn tool(&self, name: &str) -> String {
        self.tools.join(name).display().to_string()
    }

    /// Its keys.
    pub(super) fn pki(&self) -> Pki {
        Pki(self.folder.join("pki"))
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(PLACE).join(format!("{name}.json"))
}
