//! What a person would type at a switch: `ovs-vsctl`, and how its daemons start.

use flyover_core::{
    Action, Keeper, OvsBridge, OvsDaemons, OvsOption, OvsPort, OvsRestart, PortState, Processes, SwitchAt,
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
    let remote = shell::word(&format!("--remote=punix:{}", daemons.switch.database));
    let server = format!("{} {file} {remote}", shell::word(processes.ovsdb_server.as_str()));
    vec![
        format!("mkdir -p {}", shell::word(rundir.as_str())),
        format!("[ -e {file} ] || ovsdb-tool create {file} {schema}"),
        start(&daemons.switch, processes, "ovsdb-server", &server),
        start_vswitchd(&daemons.switch, processes),
    ]
}

/// Without `--disable-system` it would take over a datapath of the kernel that another switch may use.
fn start_vswitchd(switch: &SwitchAt, processes: &Processes) -> String {
    let database = shell::word(&format!("unix:{}", switch.database));
    let program = format!("{} {database} --disable-system", shell::word(processes.vswitchd.as_str()));
    start(switch, processes, "ovs-vswitchd", &program)
}

/// A daemon in its network namespace, with all its files in the switch's own directory.
fn start(switch: &SwitchAt, processes: &Processes, name: &str, program: &str) -> String {
    let rundir = &switch.rundir;
    let directories = ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "RUNTIME_DIRECTORY"];
    let directories = directories.map(|key| shell::word(&format!("{key}={rundir}"))).join(" ");
    let within = processes.netns.as_ref().map_or_else(String::new, |netns| {
        format!("nsenter {} ", shell::word(&format!("--net=/run/netns/{netns}")))
    });
    let files = [("pidfile", "pid"), ("unixctl", "ctl"), ("log-file", "log")]
        .map(|(option, ending)| shell::word(&format!("--{option}={rundir}/{name}.{ending}")))
        .join(" ");
    format!("env {directories} {within}{program} {files} -vconsole:off --no-chdir --detach")
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
            vec![format!("kill $(cat {pid})"), start_vswitchd(&restart.switch, processes)]
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
