//! Which device an uplink is, and whether DPDK can have it.
//!
//! Invariant: a device through which the host is reached is never one.

use flyover_api::UplinkSpec;
use flyover_core::facts::{HostFacts, PciDevice};
use flyover_core::{MacAddr, NumaNode, OvsName, PciAddr, Refusal};

use super::ports::{MOST_DESCRIPTORS, check_queues, nodes};
use super::settle::Draft;

/// Drivers beside which DPDK works: it shares the device with the kernel.
const BIFURCATED: [&str; 3] = ["mana", "mlx4_core", "mlx5_core"];

/// Drivers that give a device to DPDK without an IOMMU's protection.
const UNPROTECTED: [&str; 2] = ["igb_uio", "uio_pci_generic"];

/// A device of an uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The place of its bridge in the spec.
    pub(super) bridge: usize,
    /// The name of its interface.
    pub(super) name: OvsName,
    /// How DPDK calls it.
    pub(super) devargs: String,
    /// Its function, where it has one.
    pub(super) address: Option<PciAddr>,
    /// Where its memory is.
    pub(super) node: NumaNode,
    /// The MTU of its bridge.
    pub(super) mtu: Option<u32>,
    /// Queues it receives by.
    pub(super) queues: Option<u32>,
    /// Descriptors of a queue.
    pub(super) descriptors: Option<(u32, u32)>,
}

/// The devices of all uplinks, each once.
pub(super) fn all(draft: &mut Draft<'_>) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for (bridge, spec) in draft.spec.bridges.clone().iter().enumerate() {
        for (i, uplink) in spec.uplinks.iter().enumerate() {
            let field = format!("bridges[{bridge}].uplinks[{i}]");
            let Some(way) = way(draft, &field, uplink, (bridge, spec.mtu)) else { continue };
            let same = |other: &&Way| {
                other.devargs == way.devargs || other.address.is_some() && other.address == way.address
            };
            if let Some(other) = ways.iter().find(same) {
                let what = format!("{} is the device of {} already", way.devargs, other.name);
                draft.refuse(Refusal::invalid(&field, what).hint("an uplink has a device of its own"));
            } else {
                ways.push(way);
            }
        }
    }
    ways
}

/// The device of an uplink, or a refusal.
fn way(draft: &mut Draft<'_>, field: &str, spec: &UplinkSpec, of: (usize, Option<u32>)) -> Option<Way> {
    let (bridge, mtu) = of;
    let named = [spec.device.is_some(), spec.netdev.is_some(), spec.devargs.is_some()];
    if named.iter().filter(|named| **named).count() != 1 {
        let what = "exactly one of `device`, `netdev` and `devargs` names the device";
        draft.refuse(Refusal::invalid(field, what));
        return None;
    }
    if let Some(queues) = spec.queues {
        check_queues(draft, &format!("{field}.queues"), queues);
    }
    check_descriptors(draft, field, spec);
    let text = spec.devargs.clone().unwrap_or_default();
    let device = match (spec.device, &spec.netdev, function_in(draft.host, &text)) {
        (Some(address), ..) => Some(of_address(draft, &format!("{field}.device"), address)?),
        (_, Some(netdev), _) => Some(of_netdev(draft, &format!("{field}.netdev"), netdev.as_str())?),
        (.., Some(address)) => Some(of_address(draft, &format!("{field}.devargs"), address)?),
        _ => None,
    };
    if device.is_none() && (text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control())) {
        draft
            .refuse(Refusal::invalid(format!("{field}.devargs"), format!("{text:?} is no device of DPDK's")));
        return None;
    }
    let lowest = nodes(draft.host)[0];
    Some(Way {
        bridge,
        name: spec.name.clone(),
        devargs: device.filter(|_| text.is_empty()).map_or(text, |device| device.address.to_string()),
        address: device.map(|device| device.address),
        // DPDK has a device whose node nobody knows on the first.
        node: device.and_then(|device| device.node).unwrap_or(lowest),
        mtu,
        queues: spec.queues,
        descriptors: spec.descriptors,
    })
}

/// The function that DPDK's own words for a device mean: by its address, or by the MAC of its network device.
pub(super) fn function_in(host: &HostFacts, devargs: &str) -> Option<PciAddr> {
    let first = devargs.split(',').next().unwrap_or_default();
    let first = first.strip_prefix("pci:").unwrap_or(first);
    let mac = devargs.split(',').find_map(|part| part.strip_prefix("mac=")?.parse::<MacAddr>().ok());
    let by_mac = || host.net.iter().find(|device| mac.is_some() && device.mac == mac)?.pci;
    first.parse().ok().or_else(by_mac)
}

/// netdev-dpdk takes powers of two of up to 4096.
fn check_descriptors(draft: &mut Draft<'_>, field: &str, spec: &UplinkSpec) {
    let Some((receive, send)) = spec.descriptors else { return };
    for count in [receive, send] {
        if !count.is_power_of_two() || count > MOST_DESCRIPTORS {
            let what =
                format!("{count} is no number of descriptors (a power of two, {MOST_DESCRIPTORS} at most)");
            draft.refuse(Refusal::invalid(format!("{field}.descriptors"), what));
        }
    }
}

fn of_address<'a>(draft: &mut Draft<'a>, field: &str, address: PciAddr) -> Option<&'a PciDevice> {
    let host = draft.host;
    let Some(device) = host.pci.iter().find(|device| device.address == address) else {
        let refusal = Refusal::impossible(field, format!("there is no PCI function {address}"));
        draft.refuse(refusal.hint(known_functions(host)));
        return None;
    };
    check(draft, field, device).then_some(device)
}

/// A network device goes with its driver, so it names only functions that DPDK shares with the kernel.
fn of_netdev<'a>(draft: &mut Draft<'a>, field: &str, name: &str) -> Option<&'a PciDevice> {
    let host = draft.host;
    let has = |device: &&PciDevice| device.netdevs.iter().any(|netdev| netdev.as_str() == name);
    let Some(device) = host.pci.iter().find(has) else {
        let what = format!("there is no network device {name} of a PCI function");
        draft.refuse(Refusal::impossible(field, what).hint(known_functions(host)));
        return None;
    };
    check(draft, field, device).then_some(device)
}

fn check(draft: &mut Draft<'_>, field: &str, device: &PciDevice) -> bool {
    let refusal = refusal(draft, field, device);
    let fits = refusal.is_none();
    draft.refusals.extend(refusal);
    fits
}

fn refusal(draft: &mut Draft<'_>, field: &str, device: &PciDevice) -> Option<Refusal> {
    let (host, address) = (draft.host, device.address);
    if let Some(carries) = carries(host, address) {
        return Some(
            Refusal::impossible(field, carries).hint("choose another port, or move what it carries first"),
        );
    }
    if !device.class.is_network() {
        return Some(Refusal::impossible(field, format!("{address} is no network device")));
    }
    match device.driver.as_ref().map(|driver| driver.as_str()) {
        Some("vfio-pci") => None,
        Some(driver) if BIFURCATED.contains(&driver) => None,
        Some(driver) if UNPROTECTED.contains(&driver) => {
            draft.note(format!("taint: {driver} gives {address} to the switch without any protection"));
            None
        }
        driver => {
            let has = driver.map_or("no driver".to_owned(), str::to_owned);
            let what = format!("{address} has {has}, and DPDK takes it only from vfio-pci");
            Some(Refusal::impossible(field, what).hint(stanza(address)))
        }
    }
}

/// What a function carries that must stay, where it does. It may be a virtual function of this one that carries it.
pub(super) fn carries(host: &HostFacts, address: PciAddr) -> Option<String> {
    let physical = |at: PciAddr| host.pci.iter().find(|d| d.address == at).and_then(|d| d.physical);
    let guarded = host.guarded.iter().find(|g| g.device == address || physical(g.device) == Some(address))?;
    Some(format!("{address} carries {} ({})", guarded.carries, guarded.path))
}

/// What binds a function, for `flyover node`.
fn stanza(address: PciAddr) -> String {
    format!(
        "bind it with `flyover node apply` and a profile that has `drivers: [{{select: {{address: \"{address}\"}}, \
         driver: vfio-pci}}]`"
    )
}

fn known_functions(host: &HostFacts) -> String {
    let ports = host.pci.iter().filter(|device| device.class.is_network()).map(|device| {
        let names: Vec<&str> = device.netdevs.iter().map(|name| name.as_str()).collect();
        if names.is_empty() {
            device.address.to_string()
        } else {
            format!("{} ({})", device.address, names.join(", "))
        }
    });
    let ports: Vec<String> = ports.collect();
    if ports.is_empty() {
        "this host has no network device on its bus".to_owned()
    } else {
        format!("network devices are {}", ports.join(", "))
    }
}
