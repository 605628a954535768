//! Services that must not run, under their own names.

use flyover_api::{ServiceSpec, ServiceWish};
use flyover_core::facts::{Enablement, ServiceFacts};
use flyover_core::{Refusal, UnitName};

use super::Draft;

/// Services without which nobody reaches the host, or nothing on it runs.
const NEEDED: [&str; 29] = [
    "NetworkManager.service",
    "containerd.service",
    "crio.service",
    "dbus-broker.service",
    "dbus.service",
    "dbus.socket",
    "docker.service",
    "flyover.service",
    "ifupdown.service",
    "k3s-agent.service",
    "k3s.service",
    "kubelet.service",
    "network.service",
    "networking.service",
    "openvswitch-switch.service",
    "openvswitch.service",
    "ovs-vswitchd.service",
    "ovsdb-server.service",
    "rke2-agent.service",
    "rke2-server.service",
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "systemd-journald.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-udevd.service",
    "wicked.service",
];

/// Names of which the first goes when the second is disabled, for it is an alias of its `[Install]` section.
const ALIASES: [(&str, &str); 6] = [
    ("chronyd.service", "chrony.service"),
    ("ntpd.service", "ntp.service"),
    ("ntpd.service", "ntpsec.service"),
    ("ntp.service", "ntpsec.service"),
    ("ntp.service", "ntpd.service"),
    ("chrony.service", "chronyd.service"),
];

pub(super) fn settle(draft: &mut Draft<'_>) {
    let services = &draft.spec.services;
    if !services.is_empty() && !draft.facts.os.systemd {
        draft.refuse(
            Refusal::impossible("services", "systemd does not run this host")
                .hint("leave `services` out, and stop them with this host's own means"),
        );
        return;
    }
    for (i, service) in services.iter().enumerate() {
        let field = format!("services[{i}]");
        let Some(facts) = resolve(draft, &service.name) else {
            draft.note(format!("{} is not installed, so it is left out", service.name));
            continue;
        };
        if let Some(refusal) = refusal(&field, service, facts) {
            draft.refuse(refusal);
            continue;
        }
        let wish = wanted(service.state, facts);
        let unit = facts.unit.clone();
        match draft.settled.services.insert(unit.clone(), wish.clone()) {
            Some(other) if other != wish => {
                let what = format!("{unit} is to be {wish} here, and {other} at another place");
                draft.refuse(Refusal::invalid(field, what).hint("keep one of them"));
            }
            _ => {}
        }
    }
}

/// What is masked and stopped is disabled, and more: somebody's mask is not taken away for that.
fn wanted(state: ServiceWish, facts: &ServiceFacts) -> Enablement {
    match state {
        ServiceWish::Disabled if facts.enablement != Enablement::Masked || facts.active => {
            Enablement::Disabled
        }
        ServiceWish::Disabled | ServiceWish::Masked => Enablement::Masked,
    }
}

/// What is known of a service that is installed, by its name or an alias.
fn resolve<'a>(draft: &Draft<'a>, name: &UnitName) -> Option<&'a ServiceFacts> {
    let known = &draft.facts.services;
    let installed = |name: &str| {
        let facts = known.iter().find(|(key, _)| key.as_str() == name).map(|(_, facts)| facts)?;
        (facts.enablement != Enablement::NotFound).then_some(facts)
    };
    let others =
        || ALIASES.iter().filter(|(alias, _)| *alias == name.as_str()).find_map(|(_, own)| installed(own));
    installed(name.as_str()).or_else(others)
}

fn refusal(field: &str, service: &ServiceSpec, facts: &ServiceFacts) -> Option<Refusal> {
    let unit = &facts.unit;
    if NEEDED.contains(&unit.as_str()) || NEEDED.contains(&service.name.as_str()) {
        let what = format!("the host needs {unit}");
        return Some(Refusal::invalid(format!("{field}.name"), what).hint("leave it out"));
    }
    let state = format!("{field}.state");
    match (service.state, &facts.enablement) {
        (ServiceWish::Disabled, Enablement::Static) => {
            let what = format!("{unit} cannot be disabled: it is static, others start it");
            Some(Refusal::impossible(state, what).hint("say `state: masked`"))
        }
        // A mask is a link at the place where this file is.
        (ServiceWish::Masked, enablement) if *enablement != Enablement::Masked => {
            let fragment = facts.fragment.as_ref()?;
            fragment.as_str().starts_with("/etc/systemd/system/").then(|| {
                let what = format!("{unit} cannot be masked: it is defined by {fragment}");
                Refusal::impossible(state, what).hint("say `state: disabled`")
            })
        }
        _ => None,
    }
}
