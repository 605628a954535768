//! What pods can ask their scheduler for: a resource for each bridge of the switch that was applied, a device for each port.
//!
//! Invariants: the devices of a bridge are healthy only while packets can pass there; none are published before a switch was
//! applied, and none are taken back because the agent ends.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use flyover_api::SwitchSpec;
use flyover_core::NumaNode;
use flyover_kubelet::{
    Allocation, Device, Health, Plugin, Registration, Resource, ResourceName, Resources, States,
};
use flyover_switch::truth::{Condition, Truth};
use tokio::sync::watch;

use crate::lane::chain;

/// How many ports a bridge has where nobody says how many are expected.
const PORTS: usize = 64;
/// Until it is tried again where there is no kubelet.
const AGAIN: Duration = Duration::from_secs(30);

/// What pods can ask for, from who has it to who tells kubelet; and back, why pods cannot.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    resources: watch::Sender<Resources>,
    refusals: watch::Sender<Vec<String>>,
}

impl Offer {
    /// Of nothing.
    pub(crate) fn new() -> Self {
        Self { resources: watch::Sender::new(Resources::new()), refusals: watch::Sender::new(Vec::new()) }
    }

    /// From now on this.
    pub(crate) fn put(&self, offered: Resources) {
        self.resources.send_if_modified(|resources| std::mem::replace(resources, offered.clone()) != offered);
    }

    /// What is offered.
    pub(crate) fn resources(&self) -> watch::Receiver<Resources> {
        self.resources.subscribe()
    }

    /// Why pods cannot ask for it, a sentence each.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.refusals.borrow().clone()
    }
}

/// Publishes what is offered, as long as the process lives.
pub(crate) async fn publish(directory: PathBuf, offer: Offer) {
    let mut resources = offer.resources();
    // Where there never was a switch, nobody is told of none.
    if resources.wait_for(|resources| !resources.is_empty()).await.is_err() {
        return pending().await;
    }
    loop {
        match Plugin::start(directory.clone(), resources.clone(), pending()) {
            Ok((plugin, mut running)) => {
                let mut states = plugin.states();
                loop {
                    offer.refusals.send_replace(refusals(&states.borrow_and_update()));
                    tokio::select! {
                        // It ends by dying only, and the agent with it.
                        _died = &mut running => return,
                        Ok(()) = states.changed() => {}
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the switch's ports cannot be told to kubelet; again in a while");
                let why = format!("pods cannot ask for the switch's ports: {}", chain(&error));
                offer.refusals.send_replace(vec![why]);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn refusals(states: &States) -> Vec<String> {
    let refused = states.iter().filter_map(|(name, state)| match &state.registration {
        Registration::Refused { reason } => Some((name, reason)),
        Registration::Registered | Registration::Waiting { .. } => None,
    });
    refused
        .map(|(name, reason)| format!("pods cannot ask for {name}: kubelet refuses it: {reason}"))
        .collect()
}

/// What a switch has for pods.
pub(crate) fn resources(spec: &SwitchSpec, truth: Option<&Truth>) -> Resources {
    let expected = spec.expected_ports.iter().flat_map(|ports| (0..ports.count).map(|_| ports.node));
    let mut nodes: Vec<Option<NumaNode>> = expected.collect();
    if nodes.is_empty() {
        nodes = vec![None; PORTS];
    }
    let mut resources = Resources::new();
    for bridge in &spec.bridges {
        match ResourceName::of_switch(&bridge.name) {
            Ok(name) => {
                let health = truth.map_or(Health::Unhealthy, |truth| health(truth, bridge.name.as_str()));
                resources.insert(name, resource(&nodes, health));
            }
            Err(error) => tracing::warn!(%error, "pods cannot ask for the ports of a bridge"),
        }
    }
    resources
}

/// The bridges among the resources.
pub(crate) fn bridges(resources: &Resources) -> Vec<String> {
    resources.keys().filter_map(|name| name.short().strip_prefix("switch-").map(str::to_owned)).collect()
}

fn health(truth: &Truth, name: &str) -> Health {
    let well = |conditions: &[Condition]| !conditions.iter().any(Condition::is_fault);
    let bridge = truth.bridges.iter().find(|bridge| bridge.name == name);
    let passes = well(&truth.conditions) && bridge.is_some_and(|bridge| well(&bridge.conditions));
    if passes { Health::Healthy } else { Health::Unhealthy }
}

fn resource(nodes: &[Option<NumaNode>], health: Health) -> Resource {
    let id = |number: usize| format!("port{number}").parse().expect("a word with a number names a device");
    let devices = nodes.iter().enumerate().map(|(number, numa)| (id(number), Device { health, numa: *numa }));
    Resource { devices: devices.collect(), allocation: Allocation::default() }
}

#[cfg(test)]
mod tests {
    use flyover_kubelet::ResourceState;
    use flyover_switch::truth::BridgeTruth;

    use super::*;

    fn spec(text: &str) -> SwitchSpec {
        SwitchSpec::from_yaml(text).unwrap()
    }

    fn truth(bridges: &[&str]) -> Truth {
        let bridge =
            |name: &&str| BridgeTruth { name: (*name).to_owned(), conditions: Vec::new(), ports: Vec::new() };
        Truth {
            switch: flyover_core::HostPath::fixed("/run/openvswitch"),
            healthy: true,
            daemon: None,
            conditions: Vec::new(),
            bridges: bridges.iter().map(bridge).collect(),
            threads: Vec::new(),
            pools: Vec::new(),
        }
    }

    #[test]
    fn each_bridge_has_the_ports_that_are_expected_and_is_healthy_only_if_it_is_there() {
        let spec = spec("{bridges: [{name: br0}, {name: br1}], expectedPorts: [{count: 2}, {count: 1}]}");
        let told: Vec<_> = resources(&spec, Some(&truth(&["br0"])))
            .into_iter()
            .map(|(name, r)| {
                (name.to_string(), r.devices.len(), r.devices.values().all(|d| d.health == Health::Healthy))
            })
            .collect();
        let expected = [("flyover.dev/switch-br0", 3, true), ("flyover.dev/switch-br1", 3, false)];
        assert_eq!(told, expected.map(|(name, count, well)| (name.to_owned(), count, well)));
        assert_eq!(bridges(&resources(&spec, None)), ["br0", "br1"]);
    }

    #[test]
    fn a_port_is_where_the_pods_are_that_it_is_expected_of() {
        let spec = spec(
            "{bridges: [{name: br0}], expectedPorts: [{count: 1, node: 1}, {count: 1}, {count: 2, node: 0}]}",
        );
        let of_bridge = resources(&spec, None).into_values().next().unwrap();
        let nodes: Vec<_> = of_bridge.devices.values().map(|device| device.numa.map(|node| node.0)).collect();
        assert_eq!(nodes, [Some(1), None, Some(0), Some(0)]);
    }

    #[test]
    fn where_nothing_is_said_there_are_64_ports() {
        let counts: Vec<_> = resources(&spec("{bridges: [{name: br0}]}"), None)
            .into_values()
            .map(|r| r.devices.len())
            .collect();
        assert_eq!(counts, [64]);
    }

    #[test]
    fn a_resource_that_kubelet_refuses_is_told_with_its_words() {
        let state = |registration| ResourceState { registration, last_allocation: None };
        let name = |bridge: &str| ResourceName::of_switch(&bridge.parse().unwrap()).unwrap();
        let states = States::from([
            (name("br0"), state(Registration::Registered)),
            (name("br1"), state(Registration::Refused { reason: "invalid name".to_owned() })),
            (name("br2"), state(Registration::Waiting { why: "it is away".to_owned() })),
        ]);
        let told = "pods cannot ask for flyover.dev/switch-br1: kubelet refuses it: invalid name";
        assert_eq!(refusals(&states), [told]);
    }

    #[tokio::test]
    async fn why_nothing_can_be_told_to_kubelet_comes_back_to_who_offers_it() {
        let offer = Offer::new();
        let publishing = tokio::spawn(publish(PathBuf::from(format!("/{}", "x".repeat(100))), offer.clone()));
        let mut refusals = offer.refusals.subscribe();
        offer.put(resources(&spec("{bridges: [{name: br0}]}"), None));
        refusals.changed().await.unwrap();
        let told = offer.refusals();
        assert!(told[0].starts_with("pods cannot ask for the switch's ports: "), "{told:?}");
        publishing.abort();
    }
}
