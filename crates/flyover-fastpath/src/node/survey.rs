//! What of the node concerns a bypass: who shapes, who judges, who tracks.
//!
//! Invariant: what cannot be read is taken for the worst. A bypass that is not sure stays out.

use std::collections::BTreeMap;

use flyover_net::hooks::Hooks;
use flyover_net::qdisc::{Place, Shaping, TrafficControl};
use flyover_net::xfrm;

use crate::attach::Attachments;
use crate::inventory::{Device, Kind};

/// Reasons to stay out, found on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Of the whole node.
    pub(crate) paused: Vec<String>,
    /// Of single devices, by number.
    pub(crate) devices: BTreeMap<u32, Vec<String>>,
    /// Whether conntrack works here; none if the kernel does not say.
    pub(crate) conntrack: Option<bool>,
}

/// Looks at everything in the current namespace.
pub(crate) fn look(devices: &[Device], uplinks: &[u32], attachments: &Attachments) -> Survey {
    let mut survey = Survey::default();
    match xfrm::policies() {
        Ok(0) => {}
        Ok(n) => survey.paused.push(format!("{n} IPsec policies judge packets here")),
        Err(e) => survey.paused.push(format!("the IPsec policies cannot be read: {e}")),
    }
    match TrafficControl::read() {
        Ok(control) => survey.note_shaping(&control.shaping(), devices, uplinks),
        Err(e) => survey.paused.push(format!("the qdiscs cannot be read: {e}")),
    }
    survey.note_programs(devices, uplinks, attachments);
    match Hooks::read() {
        Ok(hooks) => survey.conntrack = hooks.track_connections(),
        Err(e) => survey.paused.push(format!("the netfilter hooks cannot be read: {e}")),
    }
    survey
}

impl Survey {
    /// A qdisc of an uplink sees bypassed packets too; one anywhere else on the path would be skipped.
    fn note_shaping(&mut self, shaping: &[Shaping], devices: &[Device], uplinks: &[u32]) {
        for shape in shaping {
            let Some(device) = devices.iter().find(|d| d.ifindex == shape.ifindex) else { continue };
            if Attachments::is_ours(shape.program.as_ref().map(|p| p.name.as_str())) {
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
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Ingress => "ingress",
        _ => "egress",
    }
}
