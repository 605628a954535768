//! What is there of a lab. The field names are documented in `docs/reference/lab-status.md` and stay.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flyover_core::{IfName, IpCidr, MacAddr};
use flyover_net::netlink::Netlink;
use flyover_net::netns::Netns;
use serde::Serialize;

use crate::error::LabError;
use crate::labs::{Labs, namespaces};
use crate::name::{LabName, Place};
use crate::plan;
use crate::service;
use crate::spec::LabSpec;

/// A lab as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabStatus {
    /// Name.
    pub name: LabName,
    /// Whether everything that was asked for is there and up.
    pub up: bool,
    /// What was asked for; none if the record is lost.
    pub spec: Option<LabSpec>,
    /// Its namespaces, also those that should be there and are not.
    pub namespaces: Vec<NamespaceStatus>,
    /// Its services without the dummies.
    pub services: Vec<ServiceStatus>,
    /// How many dummy services there are besides.
    pub dummy_services: u16,
}

/// A namespace as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamespaceStatus {
    /// Name, as `ip netns` knows it.
    pub name: String,
    /// Place in the lab, as `lab exec` takes it.
    pub place: String,
    /// Whether it is there and all its devices are there and up.
    pub up: bool,
    /// Its devices without the loopback.
    pub devices: Vec<DeviceStatus>,
}

/// A device as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceStatus {
    /// Name.
    pub name: IfName,
    /// Kind.
    pub kind: String,
    /// Whether it can carry packets.
    pub up: bool,
    /// Ethernet address.
    pub mac: Option<MacAddr>,
    /// MTU.
    pub mtu: u32,
    /// The bridge it is a port of.
    pub bridge: Option<IfName>,
    /// Addresses, without those of the link alone.
    pub addresses: Vec<IpCidr>,
}

/// A service as it was written into the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// Name.
    pub name: String,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Ports, such as `tcp/80`; a back end's are the same.
    pub ports: Vec<String>,
    /// Addresses of the pods behind it.
    pub backends: Vec<IpAddr>,
}

impl Labs {
    /// Looks at a lab. One of which there is nothing is an error.
    pub fn status(&self, name: &LabName) -> Result<LabStatus, LabError> {
        let spec = self.spec(name)?;
        let mut places: BTreeMap<Place, bool> =
            namespaces(name)?.into_iter().map(|(_, p)| (p, true)).collect();
        let wanted = spec.iter().flat_map(plan::places);
        wanted.for_each(|place| _ = places.entry(place).or_insert(false));
        if places.is_empty() {
            return Err(LabError::Missing(name.clone()));
        }
        let look = |(place, there)| namespace(name, spec.as_ref(), place, there);
        let namespaces = places.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
        let up = spec.is_some() && namespaces.iter().all(|ns| ns.up);
        let services = spec.as_ref().map(services).unwrap_or_default();
        let dummy_services = match &spec {
            Some(spec) if !services.is_empty() || spec.pods == 0 => spec.services,
            _ => 0,
        };
        Ok(LabStatus { name: name.clone(), up, spec, namespaces, services, dummy_services })
    }
}

fn namespace(
    lab: &LabName,
    spec: Option<&LabSpec>,
    place: Place,
    there: bool,
) -> Result<NamespaceStatus, LabError> {
    let name = lab.netns(place);
    let devices = if there { devices(&name)? } else { Vec::new() };
    let wanted = spec.map(|spec| plan::devices(spec, place)).unwrap_or_default();
    let is_up = |name: &IfName| devices.iter().any(|device| device.name == *name && device.up);
    let up = there && wanted.iter().all(is_up);
    Ok(NamespaceStatus { name, place: place.to_string(), up, devices })
}

fn devices(netns: &str) -> Result<Vec<DeviceStatus>, LabError> {
    let netlink = Netlink::open_in(&Netns::named(netns)?)?;
    let (links, addresses) = (netlink.links()?, netlink.addresses()?);
    let name_of = |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let describe = |link: &flyover_net::link::Link| DeviceStatus {
        name: link.name.clone(),
        kind: link.kind.clone(),
        up: link.up,
        mac: link.mac,
        mtu: link.mtu,
        bridge: link.master.and_then(name_of),
        addresses: addresses
            .iter()
            .filter(|(i, a)| *i == link.index && !of_link(a.addr()))
            .map(|(_, a)| *a)
            .collect(),
    };
    Ok(links.iter().filter(|link| link.name.as_str() != "lo").map(describe).collect())
}

fn of_link(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn services(spec: &LabSpec) -> Vec<ServiceStatus> {
    let families = spec.ip.families();
    let real = service::all(spec).into_iter().filter(|service| !service.is_dummy());
    real.map(|service| ServiceStatus {
        addresses: families.iter().map(|&family| service.address(family)).collect(),
        ports: service.ports().into_iter().map(|(proto, port)| format!("{proto}/{port}")).collect(),
        backends: families.iter().flat_map(|&family| service.backends(family)).collect(),
        name: service.name,
    })
    .collect()
}
