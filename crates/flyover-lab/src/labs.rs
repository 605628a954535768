//! All labs of a machine: building, finding and removing them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flyover_host::cmd::{self, Cmd};
use flyover_net::inhabitants::{evict, inhabitants};
use flyover_net::netlink::Netlink;
use flyover_net::netns::Netns;
use nix::unistd::Pid;

use crate::build::Site;
use crate::error::LabError;
use crate::lab::Lab;
use crate::name::{LabName, Place};
use crate::plan;
use crate::record::Records;
use crate::rules;
use crate::spec::LabSpec;
use crate::step::Step;

/// The labs of this machine whose records are below one root.
#[derive(Clone, Debug)]
pub struct Labs {
    records: Records,
}

/// What a removal removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names of namespaces.
    pub namespaces: Vec<String>,
    /// Processes that lived in them and were killed.
    pub killed: Vec<i32>,
}

impl Labs {
    /// The labs below `FLYOVER_ROOT`, or `/`.
    #[must_use]
    pub fn from_env() -> Self {
        let root = std::env::var_os("FLYOVER_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Self::below(&root)
    }

    /// The labs below a root.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { records: Records::below(root) }
    }

    /// Builds a lab. If that fails, nothing is left of it.
    pub fn up(&self, spec: &LabSpec) -> Result<Lab, LabError> {
        self.check(spec)?;
        let steps = plan::steps(spec);
        if steps.iter().any(Step::needs_bridge_rules) {
            load_bridge_rules()?;
        }
        self.records.claim(spec)?;
        let mut site = Site::default();
        let built = steps.iter().try_for_each(|step| site.perform(step));
        if let Err(error) = built {
            drop(site);
            self.records.forget(&spec.name)?;
            return Err(error);
        }
        site.keep();
        tracing::debug!(name = %spec.name, "lab is up");
        Ok(Lab::new(self.clone(), spec.clone()))
    }

    /// Judges whether a lab can be built, without touching anything.
    pub fn check(&self, spec: &LabSpec) -> Result<(), LabError> {
        spec.validate()?;
        if !nix::unistd::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        if let Some(&(tool, package)) = rules::tools(spec).iter().find(|(tool, _)| cmd::find(tool).is_none())
        {
            return Err(LabError::MissingTool { tool, package });
        }
        if self.records.has(&spec.name) {
            return Err(LabError::Taken(spec.name.clone()));
        }
        let taken: BTreeSet<_> = Netns::list()?.into_iter().collect();
        match plan::places(spec).into_iter().map(|place| spec.name.netns(place)).find(|n| taken.contains(n)) {
            Some(netns) => Err(LabError::NetnsTaken { lab: spec.name.clone(), netns }),
            None => Ok(()),
        }
    }

    /// The lab of that name that is up.
    pub fn open(&self, name: &LabName) -> Result<Lab, LabError> {
        let spec = self.records.read(name)?.ok_or_else(|| LabError::Missing(name.clone()))?;
        Ok(Lab::new(self.clone(), spec))
    }

    /// What was asked for of that lab, if it is remembered.
    pub fn spec(&self, name: &LabName) -> Result<Option<LabSpec>, LabError> {
        self.records.read(name)
    }

    /// The names of all labs: those that are remembered, and those whose mark a namespace bears.
    pub fn names(&self) -> Result<Vec<LabName>, LabError> {
        let mut names: BTreeSet<_> = self.records.names()?.into_iter().collect();
        for netns in Netns::list()? {
            if let Some((lab, _)) = LabName::of_netns(&netns)
                && !names.contains(&lab)
                && matches!(owner(&netns, &lab), Owner::Lab)
            {
                names.insert(lab);
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Removes a lab: ends the processes in its namespaces, then the namespaces, then the record. It goes on
    /// after an error, and tells the first at the end. A lab that is not there is no error.
    pub fn down(&self, name: &LabName) -> Result<Removed, LabError> {
        let remembered = self.records.has(name);
        let mut removed = Removed::default();
        let mut first_error = None;
        for (netns, _) in namespaces(name)?.into_iter().rev() {
            if !remembered && matches!(owner(&netns, name), Owner::Stranger) {
                first_error.get_or_insert(LabError::Foreign { netns });
            } else if let Err(error) = remove(&netns, &mut removed) {
                tracing::warn!(%netns, %error, "failed to remove a namespace");
                first_error.get_or_insert(error);
            }
        }
        match first_error {
            Some(error) => Err(error),
            None => self.records.forget(name).map(|()| removed),
        }
    }
}

impl Labs {
    /// What [`Labs::down`] would remove.
    pub fn would_remove(&self, name: &LabName) -> Result<Removed, LabError> {
        let remembered = self.records.has(name);
        let mut removed = Removed::default();
        for (netns, _) in namespaces(name)?.into_iter().rev() {
            if !remembered && matches!(owner(&netns, name), Owner::Stranger) {
                return Err(LabError::Foreign { netns });
            }
            if let Ok(open) = Netns::named(&netns) {
                removed.killed.extend(inhabitants(&open)?.into_iter().map(Pid::as_raw));
            }
            removed.namespaces.push(netns);
        }
        Ok(removed)
    }
}

/// The settings that put a bridge's frames through the rules are those of a module, which nothing asks for by itself.
fn load_bridge_rules() -> Result<(), LabError> {
    if Path::new("/proc/sys/net/bridge").exists() {
        return Ok(());
    }
    let module = "br_netfilter";
    let loading = Cmd::new("modprobe").args([module]).run();
    loading.map(drop).map_err(|source| LabError::Module { module, source })
}

/// The namespaces that bear a lab's name, in the order they were made.
pub(crate) fn namespaces(name: &LabName) -> Result<Vec<(String, Place)>, LabError> {
    let of_lab = |netns: String| match LabName::of_netns(&netns) {
        Some((lab, place)) if lab == *name => Some((netns, place)),
        _ => None,
    };
    let mut found: Vec<_> = Netns::list()?.into_iter().filter_map(of_lab).collect();
    found.sort_by_key(|(_, place)| *place);
    Ok(found)
}

fn remove(netns: &str, removed: &mut Removed) -> Result<(), LabError> {
    // A name without a namespace behind it, left by a crash, has no inhabitants.
    if let Ok(open) = Netns::named(netns) {
        removed.killed.extend(evict(&open)?.into_iter().map(Pid::as_raw));
    }
    Netns::delete(netns)?;
    removed.namespaces.push(netns.to_owned());
    Ok(())
}

/// Whose a namespace is.
enum Owner {
    /// It bears the lab's mark.
    Lab,
    /// It was never used: so a crash leaves one between its making and its marking.
    Nobody,
    /// Somebody else's.
    Stranger,
}

fn owner(netns: &str, lab: &LabName) -> Owner {
    let Ok(links) =
        Netns::named(netns).map_err(LabError::from).and_then(|open| Ok(Netlink::open_in(&open)?.links()?))
    else {
        return Owner::Nobody;
    };
    let mark = plan::mark(lab);
    match links.as_slice() {
        links if links.iter().any(|link| link.alias.as_ref() == Some(&mark)) => Owner::Lab,
        [only] if only.name.as_str() == "lo" && !only.up => Owner::Nobody,
        _ => Owner::Stranger,
    }
}
