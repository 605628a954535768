//! What must be so on a host for a settled profile to hold, in the order in which it is done.
//!
//! Order: files, modules, sysctls, services, the command line, hugepages, mounts, drivers. What makes hugepages and
//! drivers come back after a boot stands behind them: nothing persists that has not worked once.

mod drivers;
mod hugepages;
mod mounts;
mod system;

use std::collections::BTreeMap;

use flyover_core::facts::{Enablement, HostFacts};
use flyover_core::{
    Action, BootArgs, BootState, Bytes, Disturbance, FileAt, FileState, HostPath, UnitState, Wish,
};

use crate::{OwnFile, Settled};

/// What must be so.
#[must_use]
pub fn wishes(settled: &Settled, facts: &HostFacts) -> Vec<Wish> {
    let mut wishes = system::wishes(settled);
    wishes.extend(boot_args(settled, facts));
    wishes.extend(hugepages::wishes(settled, facts));
    wishes.extend(mounts::wishes(settled, facts));
    wishes.extend(drivers::wishes(settled, facts));
    wishes
}

/// The files that the wishes of a profile write beside those asked for by name.
pub(crate) fn own_files(settled: &Settled, facts: &HostFacts) -> BTreeMap<HostPath, OwnFile> {
    let mut files = system::files(settled);
    files.extend(hugepages::file(settled, facts));
    files.extend(mounts::files(settled, facts));
    files.extend(drivers::files(settled, facts));
    files
}

fn boot_args(settled: &Settled, facts: &HostFacts) -> Option<Wish> {
    let loader = facts.boot.loader.clone()?;
    let edit = settled.args.clone();
    if edit.set.is_empty() && edit.unset.is_empty() {
        return None;
    }
    let why = asked_by(settled);
    let action = Action::BootArgs(BootArgs { loader, state: BootState::Edited(edit) });
    Some(Wish { action, why, disturbs: Disturbance::None, after_reboot: false })
}

/// The fields of the profile that ask for arguments, each once.
fn asked_by(settled: &Settled) -> String {
    let mut fields: Vec<&str> = Vec::new();
    for field in settled.args_why.iter().filter_map(|why| why.split([':', '[']).next()) {
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    if fields.is_empty() {
        fields.push(if settled.iommu.is_some() { "iommu" } else { "kernelArgs.absent" });
    }
    fields.join(", ")
}

fn file_wish(path: &HostPath, file: &OwnFile, after_reboot: bool) -> Wish {
    let state = FileState { content: Bytes::from(file.content.as_str()), mode: file.mode, uid: 0, gid: 0 };
    let action = Action::File(FileAt { path: path.clone(), file: Some(state), dirs: Vec::new() });
    Wish { action, why: file.why.clone(), disturbs: Disturbance::None, after_reboot }
}

/// A unit of ours, which disturbs nobody.
fn unit_wish(unit: &str, why: &str, after_reboot: bool) -> Wish {
    let unit = unit.parse().expect("names of our units are made of what systemd allows");
    let action = Action::Unit(UnitState {
        unit,
        enablement: Enablement::Enabled,
        active: true,
        links: None,
        dirs: Vec::new(),
    });
    Wish { action, why: why.to_owned(), disturbs: Disturbance::None, after_reboot }
}

fn own_path(path: &str) -> HostPath {
    path.parse().expect("paths of our files are absolute and plain")
}

fn unit_path(unit: &str) -> HostPath {
    own_path(&format!("/etc/systemd/system/{unit}"))
}

fn own_file(content: String, why: &str) -> OwnFile {
    OwnFile { content, mode: crate::settle::usual_mode(), why: why.to_owned() }
}
