//! States in a few words, for tables and drift.

use flyover_core::facts::Enablement;
use flyover_core::{
    Action, BootState, DriverOf, FileAt, KernelArg, Module, MountAt, OvsBridge, OvsPort, OvsRestart,
    UnitState,
};

/// The state an action names, without its subject: `1024 pages`, `vfio-pci`, `disabled, stopped`.
#[must_use]
pub fn state(action: &Action) -> String {
    match action {
        Action::Hugepages(pages) => format!("{} pages", pages.count),
        Action::File(file) => of_file(file),
        Action::Mount(MountAt { options: None, .. }) => "not mounted".to_owned(),
        Action::Mount(MountAt { options: Some(options), .. }) => format!("hugetlbfs {options}"),
        Action::Sysctl(sysctl) => sysctl.value.clone(),
        Action::Module(module) => of_module(module),
        Action::Driver(driver) => of_driver(driver),
        Action::Unit(unit) => of_unit(unit),
        Action::BootArgs(boot) => of_boot(&boot.state),
        Action::OvsDaemons(daemons) => if daemons.running { "running" } else { "stopped" }.to_owned(),
        Action::OvsOption(option) => option.value.clone().unwrap_or_else(|| "not set".to_owned()),
        Action::OvsRestart(restart) => of_restart(restart),
        Action::OvsBridge(bridge) => of_bridge(bridge),
        Action::OvsPort(port) => of_port(port),
        Action::Reboot(_) => "rebooted".to_owned(),
    }
}

fn of_file(file: &FileAt) -> String {
    match &file.file {
        None => "absent".to_owned(),
        Some(file) => format!("{} bytes, mode {}", file.content.0.len(), file.mode),
    }
}

fn of_module(module: &Module) -> String {
    let mut words = vec![if module.loaded { "loaded" } else { "not loaded" }.to_owned()];
    words.extend(module.options.iter().map(|(name, value)| format!("{name}={value}")));
    words.join(" ")
}

fn of_driver(driver: &DriverOf) -> String {
    driver.driver.as_ref().map_or("no driver".to_owned(), ToString::to_string)
}

fn of_unit(unit: &UnitState) -> String {
    match (&unit.enablement, unit.active) {
        (Enablement::NotFound, _) => "absent".to_owned(),
        (enablement, true) => format!("{enablement}, running"),
        (enablement, false) => format!("{enablement}, stopped"),
    }
}

fn of_boot(state: &BootState) -> String {
    match state {
        BootState::Files(_) => "as found".to_owned(),
        BootState::Edited(edit) => {
            let set = edit.set.iter().map(KernelArg::raw).map(|arg| format!("+ {arg}"));
            let unset = edit.unset.iter().map(|pattern| format!("- {pattern}"));
            set.chain(unset).collect::<Vec<_>>().join(" ")
        }
    }
}

fn of_restart(restart: &OvsRestart) -> String {
    let options = restart.options.iter().map(|(key, value)| format!("{key}={value}"));
    let options = options.collect::<Vec<_>>().join(" ");
    if options.is_empty() { "as started".to_owned() } else { format!("started with {options}") }
}

fn of_bridge(bridge: &OvsBridge) -> String {
    match &bridge.bridge {
        None => "absent".to_owned(),
        Some(state) if state.datapath_type.is_empty() => "in the kernel".to_owned(),
        Some(state) => state.datapath_type.clone(),
    }
}

fn of_port(port: &OvsPort) -> String {
    let Some(state) = &port.port else { return "absent".to_owned() };
    let interfaces = state.interfaces.iter().map(|(name, interface)| {
        let by = ["dpdk-devargs", "vhost-server-path"].iter().find_map(|key| interface.options.get(*key));
        let mtu = interface.mtu_request.map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
        format!("{name} ({}{}{mtu})", interface.kind, by.map_or_else(String::new, |by| format!(" {by}")))
    });
    format!("in {}: {}", port.bridge, interfaces.collect::<Vec<_>>().join(", "))
}
