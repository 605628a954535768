//! What a plan must hold, whatever lab is asked for.

use std::collections::BTreeSet;

use flyover_net::link::LinkKind;
use proptest::prelude::*;

use super::*;
use crate::spec::{IpMode, RuleForm};
use crate::step::Deed;

fn spec() -> LabSpec {
    LabSpec { pods: 1, services: 0, rules: RuleForm::Nft, ..LabSpec::new("lab".parse().unwrap()) }
}

fn printed(spec: &LabSpec) -> String {
    steps(spec).iter().map(|step| format!("{step}\n")).collect()
}

fn any_spec() -> impl Strategy<Value = LabSpec> {
    let overlay = prop_oneof![Just(Overlay::Vxlan), Just(Overlay::Geneve), Just(Overlay::Routed)];
    let ip = prop_oneof![Just(IpMode::V4), Just(IpMode::V6), Just(IpMode::Dual)];
    let rules = prop_oneof![Just(RuleForm::None), Just(RuleForm::Nft), Just(RuleForm::Iptables)];
    (1..6u8, 0..5u8, overlay, ip, rules, any::<bool>()).prop_map(
        |(nodes, pods, overlay, ip, rules, offload)| LabSpec {
            nodes,
            pods,
            overlay,
            ip,
            rules,
            offload,
            ..spec()
        },
    )
}

#[test]
fn two_nodes_over_vxlan_are_built_as_flannel_builds_them() {
    insta::assert_snapshot!(printed(&spec()));
}

#[test]
fn three_nodes_of_both_families_are_routed_through_a_wire() {
    let spec =
        LabSpec { nodes: 3, overlay: Overlay::Routed, ip: IpMode::Dual, rules: RuleForm::None, ..spec() };
    insta::assert_snapshot!(printed(&spec));
}

#[test]
fn geneve_has_a_device_for_each_peer_and_no_offload_reaches_every_end() {
    let spec = LabSpec { overlay: Overlay::Geneve, ip: IpMode::V6, offload: false, ..spec() };
    insta::assert_snapshot!(printed(&spec));
}

proptest! {
    #[test]
    fn nothing_happens_in_a_namespace_before_it_is_made(spec in any_spec()) {
        let mut made = BTreeSet::new();
        for step in steps(&spec) {
            match step.deed {
                Deed::Namespace { .. } => prop_assert!(made.insert(step.netns)),
                Deed::Link(link) => {
                    prop_assert!(made.contains(&step.netns));
                    if let LinkKind::Veth(peer) = link.kind {
                        prop_assert!(made.contains(&peer.netns));
                    }
                }
                _ => prop_assert!(made.contains(&step.netns)),
            }
        }
        let expected: BTreeSet<_> = places(&spec).into_iter().map(|place| spec.name.netns(place)).collect();
        prop_assert_eq!(made, expected);
    }

    #[test]
    fn the_devices_that_status_expects_are_those_that_are_made(spec in any_spec()) {
        let mut made = BTreeSet::new();
        for step in steps(&spec) {
            if let Deed::Link(link) = step.deed {
                if let LinkKind::Veth(peer) = link.kind {
                    prop_assert!(made.insert((peer.netns, peer.name)));
                }
                prop_assert!(made.insert((step.netns, link.name)));
            }
        }
        if spec.pods == 0 {
            made.retain(|(_, device)| *device != bridge());
        }
        let expected: BTreeSet<_> = places(&spec)
            .into_iter()
            .flat_map(|place| devices(&spec, place).into_iter().map(move |device| (place, device)))
            .map(|(place, device)| (spec.name.netns(place), device))
            .collect();
        prop_assert_eq!(made, expected);
    }

    #[test]
    fn no_address_is_given_twice_but_to_the_tunnels_of_one_node(spec in any_spec()) {
        let mut given = BTreeSet::new();
        for step in steps(&spec) {
            if let Deed::Address { device, cidr } = step.deed
                && !device.as_str().starts_with("geneve")
            {
                prop_assert!(given.insert(cidr.addr()), "{}", cidr);
            }
        }
    }
}
