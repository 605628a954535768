//! Reads a host into facts.
//!
//! Invariants: reading changes nothing; a host without this file or that directory gives fewer facts and no
//! error; at most one process is started for it (`systemctl show`).

mod boot;
mod cpu;
mod dir;
mod guard;
mod kubelet;
mod loader;
mod memory;
mod net;
mod os;
mod pci;
mod peers;
mod reach;
mod routes;
mod service;
mod vfio;

use std::net::IpAddr;

use flyover_core::UnitName;
use flyover_core::facts::HostFacts;

use crate::root::{HostError, HostRoot};

pub(crate) use cpu::CPU_FLAGS;
pub(crate) use peers::servers_of;
pub(crate) use reach::Reach;
pub(crate) use routes::{Route, ways_to};
pub(crate) use service::parse_block;
pub use service::{PROPERTIES, WELL_KNOWN, question};
pub(crate) use vfio::{holders_of, is_unsafe};

/// What the reader cannot find on the host by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Where a person sits who must not lose the host, besides the SSH sessions found.
    pub ssh_peers: Vec<IpAddr>,
    /// Units somebody asks for, besides the well-known ones.
    pub units: Vec<UnitName>,
}

/// Reads all facts of a host. Fails only where there is no `/proc`, so that there is no host.
pub fn inspect(host: &HostRoot, asked: &Inspection) -> Result<HostFacts, HostError> {
    let os = os::read(host);
    let cpu = cpu::read(host);
    let boot = boot::read(host, &os, cpu.vendor)?;
    let memory = memory::read(host);
    let numa = memory::read_nodes(host, &cpu, &memory);
    let net = net::read(host);
    let pci = pci::read(host, &net);
    let guarded = guard::read(&Reach::read(host, &asked.ssh_peers), &net, &pci);
    let services = if os.systemd { service::read(host, &asked.units) } else { Default::default() };
    let kubelet = kubelet::read(host);
    let taints = vfio::taint(host).into_iter().collect();
    Ok(HostFacts { os, boot, cpu, numa, memory, pci, net, guarded, services, kubelet, taints })
}
