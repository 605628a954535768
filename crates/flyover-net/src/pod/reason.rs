//! Why Flyover stays out of a pod.

use std::fmt;

use super::facts::{Facts, Program};
use crate::watch::Link;

/// Kinds of devices that take packets on to somebody else than the pod's own sockets.
const PASSES_ON: &[&str] =
    &["bridge", "bond", "ipvlan", "ipvtap", "macvlan", "macvtap", "openvswitch", "team", "tun"];

/// One reason to stay out, as a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its device is something else than a plain veth.
    NotVeth {
        /// Its name.
        device: String,
        /// What it is; none for hardware.
        kind: Option<String>,
    },
    /// Its device is a port of a bridge or bond.
    Port {
        /// Its name.
        device: String,
    },
    /// It has rules or other netfilter hooks of its own.
    Hooks {
        /// The first.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// It sends packets on to other devices.
    Forwards {
        /// `IPv4` or `IPv6`.
        what: &'static str,
        /// The other device.
        to: String,
    },
    /// It has a device that passes packets on, such as a virtual machine's tap.
    PassesOn {
        /// Its name.
        device: String,
        /// What it is.
        kind: String,
    },
    /// Traffic control acts on a device.
    TrafficControl {
        /// The device.
        device: String,
        /// What acts.
        what: String,
    },
    /// A BPF program hangs on a device.
    Program {
        /// The device.
        device: String,
        /// Where and which.
        what: String,
    },
    /// It has IPsec policies.
    Policies(u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVeth { device, kind } => {
                let kind = kind.as_deref().unwrap_or("hardware");
                write!(f, "its device {device} is not a veth but {kind}")
            }
            Self::Port { device } => write!(f, "its device {device} is a port of a bridge or bond"),
            Self::Hooks { first, count: 1 } => write!(f, "it has a netfilter hook of its own: {first}"),
            Self::Hooks { first, count } => {
                write!(f, "it has {count} netfilter hooks of its own, the first is {first}")
            }
            Self::Forwards { what, to } => write!(f, "it forwards {what} and has another device, {to}"),
            Self::PassesOn { device, kind } => write!(f, "its {kind} device {device} passes packets on"),
            Self::TrafficControl { device, what } => write!(f, "traffic control acts on {device}: {what}"),
            Self::Program { device, what } => write!(f, "a BPF program hangs on {device}: {what}"),
            Self::Policies(count) => write!(f, "it has IPsec policies: {count}"),
        }
    }
}

/// Every reason to stay out; none if its flows may be bypassed.
#[must_use]
pub fn reasons_to_stay_out(facts: &Facts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(facts.links.iter().filter(|l| l.name == facts.device.as_str()).flat_map(of_device));
    let own: Vec<_> = facts.hooks.registered.iter().filter(|h| !h.is_of_security_module()).collect();
    reasons.extend(own.first().map(|first| Reason::Hooks { first: first.to_string(), count: own.len() }));
    reasons.extend(of_forwarding(facts));
    reasons.extend(others(facts).filter_map(|link| {
        let kind = link.kind.clone().filter(|k| PASSES_ON.contains(&k.as_str()))?;
        Some(Reason::PassesOn { device: link.name.clone(), kind })
    }));
    reasons.extend(facts.traffic_control.shaping().iter().map(|shaping| Reason::TrafficControl {
        device: name_of(facts, shaping.ifindex),
        what: shaping.to_string(),
    }));
    reasons.extend(facts.programs.iter().map(|program| of_program(facts, program)));
    reasons.extend(
        facts
            .links
            .iter()
            .filter(|l| l.xdp)
            .map(|link| Reason::Program { device: link.name.clone(), what: "xdp".to_owned() }),
    );
    reasons.extend(Some(facts.policies).filter(|n| *n > 0).map(Reason::Policies));
    reasons
}

fn of_device(link: &Link) -> Vec<Reason> {
    let device = link.name.clone();
    let veth = link.kind.as_deref() == Some("veth");
    let kind = (!veth).then(|| Reason::NotVeth { device: device.clone(), kind: link.kind.clone() });
    kind.into_iter().chain(link.master.map(|_| Reason::Port { device })).collect()
}

/// Devices that are up, besides the pod's own and the loopback. Every namespace has some that are down (`tunl0`).
fn others(facts: &Facts) -> impl Iterator<Item = &Link> {
    facts.links.iter().filter(|l| l.up && l.name != "lo" && l.name != facts.device.as_str())
}

/// Many nodes hand `forwarding=1` down to every pod; with one device there is nowhere to forward to.
fn of_forwarding(facts: &Facts) -> Vec<Reason> {
    let Some(to) = others(facts).next().map(|l| l.name.clone()) else { return Vec::new() };
    let what = [("IPv4", facts.forwarding.v4), ("IPv6", facts.forwarding.v6)];
    let on = what.into_iter().filter(|(_, on)| *on);
    on.map(|(what, _)| Reason::Forwards { what, to: to.clone() }).collect()
}

fn of_program(facts: &Facts, program: &Program) -> Reason {
    let what = format!("tcx {} program {}", program.side.name(), program.id);
    Reason::Program { device: name_of(facts, program.ifindex), what }
}

fn name_of(facts: &Facts, ifindex: u32) -> String {
    let link = facts.links.iter().find(|l| l.index == ifindex);
    link.map_or_else(|| format!("device {ifindex}"), |l| l.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::{Hooks, Owner, Registered};
    use crate::pod::Forwarding;
    use crate::qdisc::TrafficControl;
    use crate::ruleset::{Family, Hook};

    fn plain() -> Facts {
        let eth0 = Link {
            index: 2,
            name: "eth0".to_owned(),
            kind: Some("veth".to_owned()),
            up: true,
            ..Link::default()
        };
        Facts {
            device: "eth0".parse().unwrap(),
            links: vec![eth0],
            forwarding: Forwarding::default(),
            hooks: Hooks { registered: Vec::new(), listed: true },
            traffic_control: TrafficControl::default(),
            programs: Vec::new(),
            policies: 0,
        }
    }

    fn hook(name: &str) -> Registered {
        let owner = Owner::Function { name: name.to_owned(), module: None };
        Registered { family: Family::Ip, hook: Hook::Postrouting, priority: -225, owner }
    }

    #[test]
    fn a_hook_that_selinux_hangs_into_every_namespace_is_no_reason() {
        let mut facts = plain();
        facts.hooks.registered = vec![hook("selinux_ip_postroute")];
        assert_eq!(reasons_to_stay_out(&facts), []);
        facts.hooks.registered.push(hook("ip_vs_out_hook"));
        let reasons: Vec<_> = reasons_to_stay_out(&facts).iter().map(ToString::to_string).collect();
        assert_eq!(reasons, ["it has a netfilter hook of its own: ip postrouting function ip_vs_out_hook"]);
    }

    #[test]
    fn an_xdp_program_is_a_reason() {
        let mut facts = plain();
        facts.links[0].xdp = true;
        let reasons: Vec<_> = reasons_to_stay_out(&facts).iter().map(ToString::to_string).collect();
        assert_eq!(reasons, ["a BPF program hangs on eth0: xdp"]);
    }
}
