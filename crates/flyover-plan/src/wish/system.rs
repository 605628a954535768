//! Files, modules, sysctls and services.

use std::collections::BTreeMap;

use flyover_core::{Action, Disturbance, HostPath, Module, Sysctl, UnitState, Wish};

use super::{HEAD, file_wish, own_file, own_path};
use crate::{OwnFile, Settled};

const MODULES: &str = "/etc/modules-load.d/flyover.conf";
const OPTIONS: &str = "/etc/modprobe.d/flyover.conf";
const SYSCTLS: &str = "/etc/sysctl.d/90-flyover.conf";

pub(super) fn wishes(settled: &Settled) -> Vec<Wish> {
    let mut all = files(settled);
    all.append(&mut settled.files.clone());
    let files = all.iter().map(|(path, file)| file_wish(path, file, false));
    let modules = settled.modules.iter().map(|(name, options)| {
        let action = Action::Module(Module { name: name.clone(), loaded: true, options: options.clone() });
        wish(action, "modules of the profile and of its drivers", Disturbance::None)
    });
    let sysctls = settled.sysctls.iter().map(|(key, value)| {
        let action = Action::Sysctl(Sysctl { key: key.clone(), value: value.clone() });
        wish(action, "sysctls", Disturbance::Workloads)
    });
    let services = settled.services.iter().map(|(unit, enablement)| {
        let action = Action::Unit(UnitState {
            unit: unit.clone(),
            enablement: enablement.clone(),
            active: false,
            links: None,
        });
        wish(action, "services", Disturbance::Service)
    });
    files.chain(modules).chain(sysctls).chain(services).collect()
}

fn wish(action: Action, why: &str, disturbs: Disturbance) -> Wish {
    Wish { action, why: why.to_owned(), disturbs, after_reboot: false }
}

/// The files that make modules and sysctls come back after a boot.
pub(super) fn files(settled: &Settled) -> BTreeMap<HostPath, OwnFile> {
    let mut files = BTreeMap::new();
    let mut add = |path: &str, lines: String, why: &str| {
        if !lines.is_empty() {
            files.insert(own_path(path), own_file(format!("{HEAD}{lines}"), why));
        }
    };
    add(MODULES, settled.modules.keys().map(|name| format!("{name}\n")).collect(), "modules");
    let options = settled.modules.iter().filter(|(_, options)| !options.is_empty()).map(|(name, options)| {
        let options = options.iter().map(|(name, value)| format!(" {name}={value}"));
        format!("options {name}{}\n", options.collect::<String>())
    });
    add(OPTIONS, options.collect(), "options of modules");
    add(
        SYSCTLS,
        settled.sysctls.iter().map(|(key, value)| format!("{key} = {value}\n")).collect(),
        "sysctls",
    );
    files
}
