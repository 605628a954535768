//! What must be so on a host for a settled switch to hold, in the order in which it is done.
//!
//! Order: the daemons where they are ours; what they read at their start, `dpdk-init` last; the restart, once; what they
//! read as they run; bridges; uplinks.

use flyover_core::{
    Action, Disturbance, Keeper, OvsBridge, OvsDaemons, OvsOption, OvsPort, OvsRestart, Strings, Wish,
};

use super::{OptionChoice, SettledSwitch};

/// What must be so.
#[must_use]
pub fn wishes(settled: &SettledSwitch) -> Vec<Wish> {
    let daemons = matches!(settled.at.keeper, Keeper::Flyover(_)).then(|| {
        let action =
            Action::OvsDaemons(OvsDaemons { switch: settled.at.clone(), running: true, absent: Vec::new() });
        wish(action, "runtime.processes: Flyover keeps the daemons", Disturbance::None)
    });
    let start = settled.start.iter().map(|choice| option(settled, choice, Disturbance::None));
    let live = settled.live.iter().map(|choice| option(settled, choice, disturbs(&choice.key)));
    let bridges = settled.bridges.iter().map(|bridge| {
        let (switch, name) = (settled.at.clone(), bridge.name.clone());
        let action = Action::OvsBridge(OvsBridge { switch, name, bridge: Some(bridge.state.clone()) });
        wish(action, &bridge.why, Disturbance::None)
    });
    let ports = settled.ports.iter().map(|port| {
        let action = Action::OvsPort(OvsPort {
            switch: settled.at.clone(),
            bridge: port.bridge.clone(),
            name: port.name.clone(),
            port: Some(port.state.clone()),
        });
        wish(action, &port.why, Disturbance::Link)
    });
    daemons
        .into_iter()
        .chain(start)
        .chain([restart(settled)])
        .chain(live)
        .chain(bridges)
        .chain(ports)
        .collect()
}

fn wish(action: Action, why: &str, disturbs: Disturbance) -> Wish {
    Wish { action, why: why.to_owned(), disturbs, after_reboot: false }
}

fn option(settled: &SettledSwitch, choice: &OptionChoice, disturbs: Disturbance) -> Wish {
    let (key, value) = (choice.key.clone(), Some(choice.value.clone()));
    wish(Action::OvsOption(OvsOption { switch: settled.at.clone(), key, value }), &choice.why, disturbs)
}

/// Threads that poll stop and start, and queues move: packets wait or are lost meanwhile.
fn disturbs(key: &str) -> Disturbance {
    if matches!(key, "pmd-cpu-mask" | "pmd-rxq-assign") { Disturbance::Workloads } else { Disturbance::None }
}

/// Every port is gone while the daemon starts. Guests whose sockets are their own connect again by themselves.
fn restart(settled: &SettledSwitch) -> Wish {
    let options: Strings =
        settled.start.iter().map(|choice| (choice.key.clone(), choice.value.clone())).collect();
    let action = Action::OvsRestart(OvsRestart { switch: settled.at.clone(), options });
    let why = "the daemon reads these at its start only; all ports are gone for that moment";
    wish(action, why, Disturbance::Workloads)
}
