//! From what a lab shall be to the steps that build it.
//!
//! Invariants: pure and total; a namespace's step stands before every other step in it, a device's before its
//! addresses, and settings before devices, because a device takes the defaults it finds when it is made.

mod draft;

use flyover_core::IfName;

use self::draft::Draft;
use crate::address::Family;
use crate::name::{LabName, Place};
use crate::rules;
use crate::spec::{LabSpec, Overlay};
use crate::step::{Deed, Step};

/// VXLAN and Geneve network identifier.
const VNI: u32 = 1;
/// Flannel's port: Linux had VXLAN before it had a number.
const VXLAN_PORT: u16 = 8472;
/// Geneve's port.
const GENEVE_PORT: u16 = 6081;

/// The name of a node's device on the wire, and of a pod's device.
#[must_use]
pub fn uplink() -> IfName {
    name("eth0")
}

/// The name of a node's bridge.
#[must_use]
pub fn bridge() -> IfName {
    name("cni0")
}

/// The name of the node's end of a pod's pair.
#[must_use]
pub fn host_veth(j: u8) -> IfName {
    name(&format!("veth{j}"))
}

fn wire() -> IfName {
    name("wire")
}

fn wire_port(i: u8) -> IfName {
    name(&format!("n{i}"))
}

/// The name of a node's tunnel device of that outer family that leads to that peer, if the lab has any.
#[must_use]
pub fn tunnel(spec: &LabSpec, family: Family, peer: u8) -> Option<IfName> {
    match (spec.overlay, family) {
        (Overlay::Routed, _) => None,
        (Overlay::Vxlan, Family::V4) => Some(name("flannel.1")),
        (Overlay::Vxlan, Family::V6) => Some(name("flannel-v6.1")),
        (Overlay::Geneve, Family::V4) => Some(name(&format!("geneve.{peer}"))),
        (Overlay::Geneve, Family::V6) => Some(name(&format!("geneve-v6.{peer}"))),
    }
}

/// Whether the nodes are joined by a bridge in a namespace of its own, not by one pair of devices.
#[must_use]
pub fn has_wire(spec: &LabSpec) -> bool {
    spec.nodes != 2
}

/// The places of a lab, in the order they are made.
#[must_use]
pub fn places(spec: &LabSpec) -> Vec<Place> {
    let wire = has_wire(spec).then_some(Place::Wire);
    let nodes = (1..=spec.nodes).map(Place::Node);
    let pods = (1..=spec.nodes).flat_map(|i| (1..=spec.pods).map(move |j| Place::Pod(i, j)));
    wire.into_iter().chain(nodes).chain(pods).collect()
}

/// The devices that are up at a place of a lab.
#[must_use]
pub fn devices(spec: &LabSpec, place: Place) -> Vec<IfName> {
    match place {
        Place::Wire => (1..=spec.nodes).map(wire_port).chain([wire()]).collect(),
        Place::Pod(..) => vec![uplink()],
        Place::Node(i) => {
            // A bridge without ports carries nothing and is not up.
            let bridge = (spec.pods > 0).then(bridge);
            // One VXLAN device serves all peers.
            let one_for_all = spec.overlay == Overlay::Vxlan;
            let ends = (1..=spec.nodes).filter(|&end| (end == i) == one_for_all);
            let families = spec.ip.families();
            let tunnels =
                ends.flat_map(|end| families.iter().filter_map(move |&family| tunnel(spec, family, end)));
            [uplink()]
                .into_iter()
                .chain(bridge)
                .chain((1..=spec.pods).map(host_veth))
                .chain(tunnels)
                .collect()
        }
    }
}

/// The steps that build a lab.
#[must_use]
pub fn steps(spec: &LabSpec) -> Vec<Step> {
    let mut plan = Draft { spec, steps: Vec::new() };
    if has_wire(spec) {
        plan.wire();
    }
    (1..=spec.nodes).for_each(|i| plan.node(i));
    plan.uplinks();
    for i in 1..=spec.nodes {
        plan.bridge(i);
        (1..=spec.pods).for_each(|j| plan.pod(i, j));
        plan.overlay(i);
    }
    for i in 1..=spec.nodes {
        rules::of_node(spec, i).into_iter().for_each(|text| plan.push(Place::Node(i), Deed::Rules(text)));
    }
    plan.steps
}

/// The alias that marks a namespace's loopback as ours.
#[must_use]
pub fn mark(lab: &LabName) -> String {
    format!("flyover lab {lab}")
}

fn name(s: &str) -> IfName {
    s.parse().expect("the names of a lab's devices are short and plain")
}

#[cfg(test)]
mod tests;
