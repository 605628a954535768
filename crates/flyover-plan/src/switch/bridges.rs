//! Bridges and the ports of their uplinks.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::{BondMode, BondSpec, BridgeSpec, Lacp};
use flyover_core::{BridgeState, IfName, InterfaceState, OvsName, PortState, Refusal, Strings, SwitchFacts};

use super::ports::check_mtu;
use super::settle::Draft;
use super::uplinks::Way;
use super::{BridgeChoice, PortChoice};

/// The datapath in user space.
const NETDEV: &str = "netdev";

/// The highest VLAN; 4095 is reserved.
const LAST_VLAN: u16 = 4094;

/// What marks a row as ours.
fn ours() -> Strings {
    [("flyover-owner".to_owned(), "flyover-switch".to_owned())].into()
}

/// Bridges and their uplinks' ports, in the order of the spec.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    ways: &[Way],
    switch: &SwitchFacts,
) -> (Vec<BridgeChoice>, Vec<PortChoice>) {
    let specs = draft.spec.bridges.clone();
    let (mut bridges, mut ports) = (Vec::new(), Vec::new());
    for (i, spec) in specs.iter().enumerate() {
        let field = format!("bridges[{i}]");
        check_found(draft, &field, spec, switch);
        let state = BridgeState {
            datapath_type: NETDEV.to_owned(),
            other_config: Strings::new(),
            external_ids: ours(),
        };
        bridges.push(BridgeChoice { name: spec.name.clone(), state, why: format!("{field}: in user space") });
        let own: Vec<&Way> = ways.iter().filter(|way| way.bridge == i).collect();
        ports.extend(of_bridge(&field, spec, &own));
    }
    (bridges, ports)
}

/// Refuses what contradicts itself, wherever it is to be.
pub(super) fn check(draft: &mut Draft<'_>) {
    let specs = draft.spec.bridges.clone();
    check_names(draft, &specs);
    for (i, spec) in specs.iter().enumerate() {
        check_bridge(draft, &format!("bridges[{i}]"), spec);
    }
}

/// Names are one space: a bridge has a port of its own name.
fn check_names(draft: &mut Draft<'_>, specs: &[BridgeSpec]) {
    let mut seen: BTreeSet<OvsName> = BTreeSet::new();
    let mut check = |field: String, name: &OvsName| {
        if !seen.insert(name.clone()) {
            let what = format!("there is a bridge or port {name} already");
            draft.refuse(Refusal::invalid(field, what).hint("bridges, ports and bonds share their names"));
        }
    };
    for (i, spec) in specs.iter().enumerate() {
        check(format!("bridges[{i}].name"), &spec.name);
        for (j, uplink) in spec.uplinks.iter().enumerate() {
            check(format!("bridges[{i}].uplinks[{j}].name"), &uplink.name);
        }
        if let Some(bond) = &spec.bond {
            check(format!("bridges[{i}].bond.name"), &bond.name);
        }
    }
}

fn check_bridge(draft: &mut Draft<'_>, field: &str, spec: &BridgeSpec) {
    if spec.name.as_str().parse::<IfName>().is_err() {
        let what = format!(
            "{} is no name of a network device, which a bridge is too (15 letters at most)",
            spec.name
        );
        draft.refuse(Refusal::invalid(format!("{field}.name"), what));
    }
    if let Some(mtu) = spec.mtu {
        check_mtu(draft, &format!("{field}.mtu"), mtu);
    }
    for (name, vlan) in
        spec.vlan.iter().map(|vlan| ("vlan", *vlan)).chain(spec.trunks.iter().map(|v| ("trunks", *v)))
    {
        if vlan > LAST_VLAN {
            let what = format!("{vlan} is no VLAN (1 to {LAST_VLAN}; 0 is what has no tag)");
            draft.refuse(Refusal::invalid(format!("{field}.{name}"), what));
        }
    }
    if spec.vlan.is_some() && !spec.trunks.is_empty() {
        let what = "a port with a `vlan` of its own carries no others, so `trunks` would be ignored";
        draft.refuse(Refusal::invalid(field, what).hint("keep one of the two"));
    }
    if spec.uplinks.is_empty() && (spec.vlan.is_some() || !spec.trunks.is_empty()) {
        draft.note(format!("{field}: `vlan` and `trunks` are of uplinks, and there is none"));
    }
    check_bond(draft, field, spec);
}

fn check_bond(draft: &mut Draft<'_>, field: &str, spec: &BridgeSpec) {
    match (&spec.bond, spec.uplinks.len()) {
        (None, 2..) => {
            let what = "several uplinks without a `bond` are a loop";
            let hint = "make one port of them with `bond`, or give each a bridge of its own";
            draft.refuse(Refusal::invalid(format!("{field}.uplinks"), what).hint(hint));
        }
        (Some(bond), count) if count < 2 => {
            let what = format!("the bond {} has {count} of the two uplinks it needs at least", bond.name);
            draft.refuse(Refusal::invalid(format!("{field}.bond"), what).hint("leave `bond` out"));
        }
        (Some(bond), _) if bond.mode == BondMode::BalanceTcp && bond.lacp == Lacp::Off => {
            let what = "balance-tcp needs LACP: without it no packet leaves";
            draft.refuse(Refusal::invalid(format!("{field}.bond.lacp"), what).hint("say `lacp: active`"));
        }
        _ => {}
    }
}

/// Refuses what would take away a bridge or port that somebody else made.
fn check_found(draft: &mut Draft<'_>, field: &str, spec: &BridgeSpec, switch: &SwitchFacts) {
    let is_ours = |ids: &Strings| ids.get("flyover-owner") == ours().get("flyover-owner");
    if let Some(found) = switch.bridges.get(spec.name.as_str()) {
        let state = &found.state;
        if state.datapath_type != NETDEV && !is_ours(&state.external_ids) && !found.ports.is_empty() {
            let what = format!("the bridge {} is in the kernel, with {} ports", spec.name, found.ports.len());
            let hint = "choose another name: its ports would lose their packets";
            draft.refuse(Refusal::impossible(format!("{field}.name"), what).hint(hint));
        }
    }
    let names = spec.uplinks.iter().map(|uplink| &uplink.name).chain(spec.bond.iter().map(|bond| &bond.name));
    for name in names {
        let elsewhere = switch.bridges.iter().find(|(bridge, found)| {
            bridge.as_str() != spec.name.as_str() && found.ports.contains_key(name.as_str())
        });
        if let Some((bridge, found)) =
            elsewhere.filter(|(_, found)| !is_ours(&found.ports[name.as_str()].external_ids))
        {
            let kind =
                found.ports[name.as_str()].interfaces.values().map(|i| i.kind.as_str()).collect::<Vec<_>>();
            let what = format!("the port {name} ({}) is in the bridge {bridge}", kind.join(", "));
            draft.refuse(Refusal::impossible(field, what).hint("take it out first, or choose another name"));
        }
    }
}

fn of_bridge(field: &str, spec: &BridgeSpec, ways: &[&Way]) -> Option<PortChoice> {
    let interfaces: BTreeMap<String, InterfaceState> =
        ways.iter().map(|way| (way.name.to_string(), of_way(way))).collect();
    let bond = spec.bond.as_ref();
    let name = bond.map(|bond| &bond.name).or(ways.first().map(|way| &way.name))?;
    let devices = ways.iter().map(|way| way.devargs.as_str()).collect::<Vec<_>>().join(" and ");
    let state = PortState {
        interfaces,
        tag: spec.vlan,
        trunks: spec.trunks.clone(),
        bond_mode: bond.map(|bond| mode(bond).to_owned()),
        lacp: bond.map(|bond| lacp(bond).to_owned()),
        other_config: Strings::new(),
        external_ids: ours(),
    };
    let why = match bond {
        Some(_) => format!("{field}.bond: {devices} as one way out"),
        None => format!("{field}.uplinks: {devices} is the way out"),
    };
    Some(PortChoice { bridge: spec.name.clone(), name: name.clone(), state, why })
}

fn of_way(way: &Way) -> InterfaceState {
    let mut options = Strings::from([("dpdk-devargs".to_owned(), way.devargs.clone())]);
    let numbers = [
        ("n_rxq", way.queues),
        ("n_rxq_desc", way.descriptors.map(|(receive, _)| receive)),
        ("n_txq_desc", way.descriptors.map(|(_, send)| send)),
    ];
    options
        .extend(numbers.iter().filter_map(|(key, number)| Some(((*key).to_owned(), (*number)?.to_string()))));
    InterfaceState { kind: "dpdk".to_owned(), options, mtu_request: way.mtu, other_config: Strings::new() }
}

fn mode(bond: &BondSpec) -> &'static str {
    match bond.mode {
        BondMode::ActiveBackup => "active-backup",
        BondMode::BalanceSlb => "balance-slb",
        BondMode::BalanceTcp => "balance-tcp",
    }
}

fn lacp(bond: &BondSpec) -> &'static str {
    match bond.lacp {
        Lacp::Active => "active",
        Lacp::Passive => "passive",
        Lacp::Off => "off",
    }
}
