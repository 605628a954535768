//! What of the node concerns a bypass: who shapes, who judges, who tracks.
//!
//! Invariant: what cannot be read is taken for the worst. A bypass that is not sure stays out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flyover_net::analysis::{Analysis, Judge, Selector};
use flyover_net::hooks::Hooks;
use flyover_net::qdisc::{Place, Qdisc, Shaping, TrafficControl};
use flyover_net::ruleset::{Ruleset, RulesetError, legacy, nft};
use flyover_net::xfrm;

use crate::attach::{Attachments, Means};
use crate::inventory::{Device, Kind};

/// Reasons to stay out, found on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Of the whole node.
    pub(crate) paused: Vec<String>,
    /// Of single devices, by number.
    pub(crate) devices: BTreeMap<u32, Vec<String>>,
    /// Of single flows: which packets, and the rule that judges them.
    pub(crate) judges: Vec<(Selector, String)>,
    /// Whether conntrack works here; none if the kernel does not say.
    pub(crate) conntrack: Option<bool>,
}

/// What matters of the rules of nf_tables. Its generation tells whether they changed, so they are read only then:
/// a cluster's rules are many.
#[derive(Debug, Default)]
pub(crate) struct Known {
    nft: Analysis,
}

impl Known {
    fn rules(&mut self) -> Result<Analysis, RulesetError> {
        let generation = nft::current_generation().map_err(RulesetError::Nft)?;
        if generation.is_none() || generation != self.nft.generation {
            let (generation, tables) = nft::read().map_err(RulesetError::Nft)?;
            self.nft = Analysis::of(&Ruleset { generation, tables });
        }
        let mut rules = self.nft.clone();
        let legacy = Analysis::of(&Ruleset { generation: None, tables: legacy::read()? });
        rules.judges.extend(legacy.judges);
        rules.conntrack |= legacy.conntrack;
        Ok(rules)
    }
}

/// Looks at everything in the current namespace.
pub(crate) fn look(
    devices: &[Device],
    uplinks: &[u32],
    attachments: &Attachments,
    known: &mut Known,
) -> Survey {
    let mut survey = Survey::default();
    match xfrm::policies() {
        Ok(0) => {}
        Ok(n) => survey.paused.push(format!("{n} IPsec policies judge packets here")),
        Err(e) => survey.paused.push(format!("the IPsec policies cannot be read: {e}")),
    }
    match TrafficControl::read() {
        Ok(control) => {
            survey.note_shaping(&control.shaping(), devices, uplinks, attachments);
            survey.note_ingress(&control.qdiscs, attachments);
        }
        Err(e) => survey.paused.push(format!("the qdiscs cannot be read: {e}")),
    }
    survey.note_programs(devices, uplinks, attachments);
    match known.rules() {
        Ok(rules) => {
            rules.judges.iter().for_each(|judge| survey.note_judge(judge, devices));
            survey.conntrack = rules.conntrack.then_some(true);
        }
        Err(e) => survey.paused.push(format!("the packet filter's rules cannot be read: {e}")),
    }
    match Hooks::read() {
        // A list of hooks is exact; rules tell only that somebody uses conntrack, not that nobody does.
        Ok(hooks) => survey.conntrack = hooks.track_connections().or(survey.conntrack),
        Err(e) => survey.paused.push(format!("the netfilter hooks cannot be read: {e}")),
    }
    survey
}

impl Survey {
    /// A qdisc of an uplink sees bypassed packets too; one anywhere else on the path would be skipped.
    fn note_shaping(
        &mut self,
        shaping: &[Shaping],
        devices: &[Device],
        uplinks: &[u32],
        attachments: &Attachments,
    ) {
        for shape in shaping {
            let Some(device) = devices.iter().find(|d| d.ifindex == shape.ifindex) else { continue };
            let program = shape.program.as_ref();
            if program.is_some_and(|p| attachments.is_ours(shape.ifindex, shape.place, &p.name)) {
                continue;
            }
            let what = format!("{} on {} of {}", shape.kind, place(shape.place), device.name);
            let at_uplink = uplinks.contains(&device.ifindex);
            match (device.kind, shape.place) {
                _ if at_uplink && shape.place != Place::Ingress => {}
                (Kind::Bridge | Kind::Tunnel(_), _) => self.paused.push(what),
                _ => self.devices.entry(device.ifindex).or_default().push(what),
            }
        }
    }

    /// An `ingress` qdisc sits where clsact would: without tcx there is nothing to attach to on the way out.
    fn note_ingress(&mut self, qdiscs: &[Qdisc], attachments: &Attachments) {
        let without_tcx = attachments.means() == Means::Clsact;
        for qdisc in qdiscs.iter().filter(|q| without_tcx && q.kind == "ingress") {
            let what = "an ingress qdisc leaves no room for clsact".to_owned();
            self.devices.entry(qdisc.ifindex).or_default().push(what);
        }
    }

    /// Others' tcx programs on a pod's device are the pod's or its CNI's business; on an uplink ours run after them.
    fn note_programs(&mut self, devices: &[Device], uplinks: &[u32], attachments: &Attachments) {
        for device in devices.iter().filter(|d| d.kind == Kind::Veth && !uplinks.contains(&d.ifindex)) {
            let foreign = attachments.foreign(device.ifindex);
            if foreign > 0 {
                let what = format!("{foreign} tc programs of others are on {}", device.name);
                self.devices.entry(device.ifindex).or_default().push(what);
            }
        }
    }

    /// A judge of outer packets concerns every flow of the tunnel; one of forwarded packets those it names.
    fn note_judge(&mut self, judge: &Judge, devices: &[Device]) {
        for selector in &judge.selectors {
            let may_see =
                |pattern: &flyover_core::IfPattern| devices.iter().any(|d| pattern.matches(&d.name));
            if [&selector.iif, &selector.oif].into_iter().flatten().any(|pattern| !may_see(pattern)) {
                continue;
            }
            if !judge.outer {
                self.judges.push((selector.clone(), judge.to_string()));
            } else if devices.iter().any(|d| sees_tunnel(selector, d)) {
                self.paused.push(format!("{judge}"));
            }
        }
        self.paused.dedup();
    }
}

/// Whether a selector may hold packets of that tunnel, in either direction.
fn sees_tunnel(selector: &Selector, device: &Device) -> bool {
    let Kind::Tunnel(tunnel) = device.kind else { return false };
    let port = selector.dport.is_none_or(|(low, high)| (low..=high).contains(&tunnel.port));
    let ends = |local: IpAddr| {
        let holds = |prefix: Option<flyover_net::ruleset::Prefix>| prefix.is_none_or(|p| p.contains(local));
        selector.v6.is_none_or(|v6| v6 == local.is_ipv6()) && (holds(selector.src) || holds(selector.dst))
    };
    selector.proto.is_none_or(|p| p == 17) && port && device.local.is_none_or(ends)
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Ingress => "ingress",
        _ => "egress",
    }
}
