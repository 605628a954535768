//! What is there to see in a pod's namespace.

use std::fs;
use std::io;
use std::path::Path;

use flyover_core::IfName;

use crate::hooks::Hooks;
use crate::nl::{NlError, Request, Talk};
use crate::qdisc::TrafficControl;
use crate::ruleset::RulesetError;
use crate::tcx::{self, Side};
use crate::watch::Link;
use crate::xfrm;

/// `RTM_NEWLINK`, `RTM_GETLINK`.
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;

/// A pod's namespace as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The device the pod's address is on.
    pub device: IfName,
    /// Every device.
    pub links: Vec<Link>,
    /// Whether it forwards what is not for it.
    pub forwarding: Forwarding,
    /// Netfilter hooks.
    pub hooks: Hooks,
    /// Qdiscs and filters.
    pub traffic_control: TrafficControl,
    /// tcx programs.
    pub programs: Vec<Program>,
    /// Number of IPsec policies.
    pub policies: u32,
}

/// Whether packets for others are sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Those of IPv4 that come in by the pod's device.
    pub v4: bool,
    /// Those of IPv6.
    pub v6: bool,
}

/// A tcx program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Index of its device.
    pub ifindex: u32,
    /// Which way packets go that it sees.
    pub side: Side,
    /// The kernel's number for it.
    pub id: u32,
}

/// Why a pod's namespace could not be read. Whoever cannot know must stay out.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// There is no device of that number.
    #[error("the pod has no device {0}")]
    NoIndex(u32),
    /// There is no such device.
    #[error("the pod has no device `{0}`")]
    NoDevice(IfName),
    /// Devices, qdiscs or policies.
    #[error("failed to read the pod's devices")]
    Netlink(#[source] NlError),
    /// Hooks.
    #[error("failed to read the pod's netfilter hooks")]
    Hooks(#[source] RulesetError),
    /// A sysctl.
    #[error("failed to read `{path}` in the pod")]
    Sysctl {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// tcx programs.
    #[error("failed to read the BPF programs of the pod's device `{device}`")]
    Programs {
        /// Which.
        device: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Facts {
    /// Reads the calling thread's namespace, in which the pod's address is on `device`.
    pub fn read(device: &IfName) -> Result<Self, PodError> {
        let links = links().map_err(PodError::Netlink)?;
        if !links.iter().any(|l| l.name == device.as_str()) {
            return Err(PodError::NoDevice(device.clone()));
        }
        Self::with(device, links)
    }

    /// The same, the pod's device given by its number there: what the host's end of a veth knows of it.
    pub fn read_by_index(index: u32) -> Result<Self, PodError> {
        let links = links().map_err(PodError::Netlink)?;
        let name = links.iter().find(|l| l.index == index).and_then(|l| l.name.parse().ok());
        let device: IfName = name.ok_or(PodError::NoIndex(index))?;
        Self::with(&device, links)
    }

    fn with(device: &IfName, links: Vec<Link>) -> Result<Self, PodError> {
        Ok(Self {
            forwarding: Forwarding {
                v4: is_on(&format!("/proc/sys/net/ipv4/conf/{device}/forwarding"))?,
                // IPv6 asks only the switch for all devices.
                v6: is_on("/proc/sys/net/ipv6/conf/all/forwarding")?,
            },
            hooks: Hooks::read().map_err(PodError::Hooks)?,
            traffic_control: TrafficControl::read().map_err(PodError::Netlink)?,
            programs: programs(&links)?,
            policies: xfrm::policies().map_err(PodError::Netlink)?,
            device: device.clone(),
            links,
        })
    }
}

/// Every link of the calling thread's namespace.
pub(crate) fn links() -> Result<Vec<Link>, NlError> {
    let mut links = Vec::new();
    let mut talk = Talk::open(libc::NETLINK_ROUTE, "links")?;
    talk.ask("links", &Request::dump(GET_LINK, &[0; 16]), |message| {
        if message.kind == NEW_LINK {
            links.push(Link::parse(message.body)?);
        }
        Ok(())
    })?;
    Ok(links)
}

fn programs(links: &[Link]) -> Result<Vec<Program>, PodError> {
    let mut all = Vec::new();
    for link in links {
        for side in [Side::Ingress, Side::Egress] {
            let fail = |source| PodError::Programs { device: link.name.clone(), source };
            let ids = tcx::programs(link.index, side).map_err(fail)?;
            all.extend(ids.into_iter().map(|id| Program { ifindex: link.index, side, id }));
        }
    }
    Ok(all)
}

/// A sysctl of the calling thread's namespace; one that is not there (no IPv6) is off.
fn is_on(path: &str) -> Result<bool, PodError> {
    match fs::read_to_string(Path::new(path)) {
        Ok(value) => Ok(value.trim() != "0"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(PodError::Sysctl { path: path.to_owned(), source }),
    }
}
