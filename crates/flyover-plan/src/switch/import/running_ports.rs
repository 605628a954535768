//! The ports of a running bridge: uplinks become the spec's, guests are counted, all others stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use flyover_api::{BondMode, BondSpec, BridgeSpec, Lacp, UplinkSpec};
use flyover_core::{BridgeFacts, HostPath, InterfaceState, OvsName, PciAddr, PortState};

use crate::switch::lint::Finding;

/// The MTU of a port that asks for none.
const USUAL_MTU: u32 = 1500;

/// The ports of guests on all bridges.
#[derive(Default)]
pub(super) struct Guests {
    /// How many there are of each MTU.
    pub(super) by_mtu: BTreeMap<u32, u32>,
    /// Where their sockets are.
    pub(super) directories: BTreeSet<HostPath>,
}

/// A bridge with the uplinks it has.
pub(super) fn bridge_of(
    name: OvsName,
    bridge: &BridgeFacts,
    guests: &mut Guests,
    findings: &mut Vec<Finding>,
) -> BridgeSpec {
    let mut spec =
        BridgeSpec { name, uplinks: Vec::new(), bond: None, mtu: None, vlan: None, trunks: BTreeSet::new() };
    for (name, port) in &bridge.ports {
        let is = |kind: &str| port.interfaces.values().any(|interface| interface.kind == kind);
        if is("dpdk") {
            uplink(name, port, &mut spec, findings);
        } else if is("dpdkvhostuser") || is("dpdkvhostuserclient") {
            guest(name, port, guests, findings);
        } else {
            let kinds: Vec<&str> =
                port.interfaces.values().map(|interface| interface.kind.as_str()).collect();
            let kinds = kinds.join(", ");
            let kinds = if kinds.is_empty() { "of the kernel" } else { &kinds };
            findings
                .push(Finding::note(format!("port {name}"), format!("it is {kinds}, and is left as it is")));
        }
    }
    spec
}

fn uplink(name: &str, port: &PortState, spec: &mut BridgeSpec, findings: &mut Vec<Finding>) {
    for (interface, state) in &port.interfaces {
        let at = format!("interface {interface}");
        let Ok(name) = interface.parse::<OvsName>() else {
            findings.push(Finding::warning(at, "its name is none that other programs take; it is left out"));
            continue;
        };
        let Some(devargs) = state.options.get("dpdk-devargs") else {
            findings.push(Finding::error(at, "it names no device (`dpdk-devargs`); it is left out"));
            continue;
        };
        if let Some((mtu, other)) = state.mtu_request.zip(spec.mtu).filter(|(a, b)| a != b) {
            let what = format!("its MTU is {mtu}, and that of another uplink {other}");
            findings.push(Finding::warning(at, what).hint("uplinks of a bridge have one MTU"));
        }
        spec.mtu = spec.mtu.max(state.mtu_request);
        spec.uplinks.push(uplink_of(name, devargs, state));
    }
    spec.vlan = spec.vlan.or(port.tag);
    spec.trunks.extend(&port.trunks);
    if port.interfaces.len() > 1 {
        match name.parse() {
            Ok(name) => spec.bond = Some(bond(name, port)),
            Err(_) => findings
                .push(Finding::warning(format!("bond {name}"), "its name is none that other programs take")),
        }
    }
}

fn uplink_of(name: OvsName, devargs: &str, state: &InterfaceState) -> UplinkSpec {
    let number = |key: &str| state.options.get(key).and_then(|text| text.parse::<u32>().ok());
    let descriptors = (number("n_rxq_desc"), number("n_txq_desc"));
    let device = devargs.parse::<PciAddr>().ok();
    UplinkSpec {
        name,
        device,
        netdev: None,
        devargs: if device.is_none() { Some(devargs.to_owned()) } else { None },
        queues: number("n_rxq"),
        descriptors: match descriptors {
            (None, None) => None,
            (receive, send) => Some((receive.unwrap_or(2048), send.unwrap_or(2048))),
        },
    }
}

fn bond(name: OvsName, port: &PortState) -> BondSpec {
    let lacp = match port.lacp.as_deref() {
        Some("active") => Lacp::Active,
        Some("passive") => Lacp::Passive,
        _ => Lacp::Off,
    };
    let mode = match port.bond_mode.as_deref() {
        Some("balance-slb") => BondMode::BalanceSlb,
        Some("balance-tcp") => BondMode::BalanceTcp,
        _ => BondMode::ActiveBackup,
    };
    BondSpec { name, mode, lacp }
}

fn guest(name: &str, port: &PortState, guests: &mut Guests, findings: &mut Vec<Finding>) {
    for interface in port.interfaces.values() {
        *guests.by_mtu.entry(interface.mtu_request.unwrap_or(USUAL_MTU)).or_default() += 1;
        if interface.kind == "dpdkvhostuser" {
            let what = "the switch makes its socket (dpdkvhostuser, deprecated): its guest does not survive a restart of \
                        the switch";
            let hint = "let the guest make it: dpdkvhostuserclient, `vhost.mode: client` in the NAD's `host`";
            findings.push(Finding::warning(format!("port {name}"), what).hint(hint));
        }
        let Some(path) = interface.options.get("vhost-server-path") else { continue };
        if path.len() > LONGEST_SOCKET {
            let what =
                format!("the path of its socket has {} bytes, and DPDK uses {LONGEST_SOCKET}", path.len());
            findings.push(Finding::error(format!("port {name}"), what).hint("a shorter directory"));
        }
        guests.directories.extend(path.parse::<HostPath>().ok().and_then(|path| path.parent()));
    }
}

/// What `sun_path` holds beside its end.
const LONGEST_SOCKET: usize = 107;
