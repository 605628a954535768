//! What a person would type at a switch: `ovs-vsctl`, and how its daemons start.

use flyover_core::{
    Action, Keeper, OvsBridge, OvsDaemons, OvsOption, OvsPort, OvsRestart, PortState, Processes, SwitchAt,
    SwitchDaemon,
};

use crate::shell;

pub(super) fn by_hand(action: &Action) -> Vec<String> {
    match action {
        Action::OvsDaemons(daemons) => of_daemons(daemons),
        Action::OvsOption(option) => of_option(option),
        Action::OvsRestart(restart) => of_restart(restart),
        Action::OvsBridge(bridge) => of_bridge(bridge),
        Action::OvsPort(port) => of_port(port),
        _ => Vec::new(),
    }
}

/// `ovs-vsctl` and where it finds the database, where that is not its own idea.
fn vsctl(switch: &SwitchAt) -> String {
    match switch.database.as_str() {
        "/run/openvswitch/db.sock" | "/var/run/openvswitch/db.sock" => "ovs-vsctl".to_owned(),
        other => format!("ovs-vsctl --db={}", shell::word(&format!("unix:{other}"))),
    }
}

fn of_daemons(daemons: &OvsDaemons) -> Vec<String> {
    let rundir = &daemons.switch.rundir;
    let Keeper::Flyover(processes) = &daemons.switch.keeper else { return Vec::new() };
    let pid = |daemon: &str| shell::word(&format!("{rundir}/{daemon}.pid"));
    if !daemons.running {
        return vec![format!("kill $(cat {}) $(cat {})", pid("ovs-vswitchd"), pid("ovsdb-server"))];
    }
    let (file, schema) = (shell::word(processes.file.as_str()), shell::word(processes.schema.as_str()));
    vec![
        format!("mkdir -p {}", shell::word(rundir.as_str())),
        format!("[ -e {file} ] || ovsdb-tool create {file} {schema}"),
        start(&daemons.switch, processes, SwitchDaemon::OvsdbServer),
        start(&daemons.switch, processes, SwitchDaemon::Vswitchd),
    ]
}

fn start(switch: &SwitchAt, processes: &Processes, daemon: SwitchDaemon) -> String {
    let words = processes.start(switch, daemon, ToString::to_string);
    let words: Vec<_> = words.iter().map(|word| shell::word(word)).collect();
    format!("env {}", words.join(" "))
}

fn of_option(option: &OvsOption) -> Vec<String> {
    let vsctl = vsctl(&option.switch);
    vec![match &option.value {
        Some(value) => {
            format!(
                "{vsctl} --no-wait set Open_vSwitch . {}",
                shell::word(&format!("other_config:{}={}", option.key, quoted(value)))
            )
        }
        None => format!("{vsctl} --no-wait remove Open_vSwitch . other_config {}", shell::word(&option.key)),
    }]
}

fn of_restart(restart: &OvsRestart) -> Vec<String> {
    match &restart.switch.keeper {
        Keeper::Unit(unit) => vec![format!("systemctl restart {unit}")],
        Keeper::Flyover(processes) => {
            let pid = shell::word(&format!("{}/ovs-vswitchd.pid", restart.switch.rundir));
            vec![format!("kill $(cat {pid})"), start(&restart.switch, processes, SwitchDaemon::Vswitchd)]
        }
        Keeper::Others => vec!["# restart ovs-vswitchd by whatever keeps it".to_owned()],
    }
}

fn of_bridge(bridge: &OvsBridge) -> Vec<String> {
    let vsctl = vsctl(&bridge.switch);
    vec![match &bridge.bridge {
        Some(state) => {
            let mut line = format!("{vsctl} --may-exist add-br {0} -- set bridge {0}", bridge.name);
            line += &format!(" datapath_type={}", shell::word(&state.datapath_type));
            for (key, value) in &state.other_config {
                line += &format!(" {}", shell::word(&format!("other_config:{key}={}", quoted(value))));
            }
            line
        }
        None => format!("{vsctl} --if-exists del-br {}", bridge.name),
    }]
}

fn of_port(port: &OvsPort) -> Vec<String> {
    let vsctl = vsctl(&port.switch);
    vec![match &port.port {
        Some(state) => format!("{vsctl} --may-exist {}", added(port, state)),
        None => format!("{vsctl} --if-exists del-port {} {}", port.bridge, port.name),
    }]
}

fn added(port: &OvsPort, state: &PortState) -> String {
    let names: Vec<&str> = state.interfaces.keys().map(String::as_str).collect();
    let mut line = match names.as_slice() {
        [_] => format!("add-port {} {}", port.bridge, port.name),
        several => format!("add-bond {} {} {}", port.bridge, port.name, several.join(" ")),
    };
    let trunks = state.trunks.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    let columns = [
        state.tag.map(|tag| format!("tag={tag}")),
        (!trunks.is_empty()).then(|| format!("trunks={trunks}")),
        state.bond_mode.as_ref().map(|mode| format!("bond_mode={mode}")),
        state.lacp.as_ref().map(|lacp| format!("lacp={lacp}")),
    ];
    for column in columns.into_iter().flatten() {
        line += &format!(" {column}");
    }
    for (name, interface) in &state.interfaces {
        line += &format!(" -- set Interface {name} type={}", interface.kind);
        for (key, value) in &interface.options {
            line += &format!(" {}", shell::word(&format!("options:{key}={}", quoted(value))));
        }
        if let Some(mtu) = interface.mtu_request {
            line += &format!(" mtu_request={mtu}");
        }
    }
    line
}

/// A value as `ovs-vsctl` reads it: anything but a plain word in quotes of its own.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !value.is_empty() && value.chars().all(plain) { value.to_owned() } else { format!("{value:?}") }
}
