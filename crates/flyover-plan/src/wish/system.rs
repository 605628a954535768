//! Files, modules, sysctls and services.

use std::collections::BTreeMap;

use flyover_core::{Action, Disturbance, HostPath, Module, Sysctl, UnitState, Wish};

use super::{file_wish, own_file};
use crate::{OwnFile, Settled, units};

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
            dirs: Vec::new(),
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
    let files = [
        (units::modules_load(settled), "modules"),
        (units::modprobe_options(settled), "options of modules"),
        (units::sysctl_conf(settled), "sysctls"),
    ];
    let present =
        files.into_iter().filter_map(|(file, why)| file.map(|(path, text)| (path, own_file(text, why))));
    present.collect()
}
