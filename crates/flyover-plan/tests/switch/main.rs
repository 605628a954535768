//! Switches on hosts: what they need, what is refused, what is planned, and what is read from others' texts.

#![expect(clippy::unwrap_used, reason = "fixtures that are wrong shall fail their test")]

#[path = "../plan/fixtures.rs"]
#[expect(dead_code, reason = "switches are thought of on some of the hosts only")]
mod fixtures;

mod bridges;
mod import;
mod lint;
mod memory;
mod planning;
mod pmd;
mod random;
mod running;

use std::collections::BTreeMap;

use flyover_api::SwitchSpec;
use flyover_core::facts::{HostFacts, PoolFacts};
use flyover_core::{CpuSet, HugepageSize, Refusal, SwitchFacts, VswitchdFacts};
use flyover_plan::switch::{Release, SettledSwitch, Sizing, at, settle, size};

/// The switch of the second document: one uplink on node 0, guests on either node.
pub(crate) const DOCUMENT: &str = "\
bridges:
- name: br-dpdk0
  uplinks: [{name: dpdk0, device: \"0000:06:00.0\"}]
expectedPorts: [{count: 8}]
";

fn spec(yaml: &str) -> SwitchSpec {
    SwitchSpec::from_yaml(yaml).unwrap()
}

fn release() -> Release {
    Release::of(Some("3.1.0"))
}

/// The server of the documents, its first port with vfio-pci and so many pages of 1 GiB on each node.
fn server(pages: u64) -> HostFacts {
    let mut host = fixtures::server();
    host.pci[1].driver = Some("vfio-pci".parse().unwrap());
    host.pci[1].netdevs.clear();
    with_pages(host, pages)
}

fn with_pages(mut host: HostFacts, pages: u64) -> HostFacts {
    let all = host.numa.len() as u64 * pages;
    for node in &mut host.numa {
        node.hugepages.entry(HugepageSize::ONE_GIB).or_default().clone_from(&PoolFacts {
            total: pages,
            free: pages,
            surplus: 0,
        });
    }
    host.memory.hugepages.entry(HugepageSize::ONE_GIB).or_default().total = all;
    host
}

/// A switch without anything in it, whose daemon is of that version.
fn switch(spec: &SwitchSpec, host: &HostFacts, version: Option<&str>) -> SwitchFacts {
    let at = at(&spec.runtime, host);
    let daemon = version.map(|version| VswitchdFacts {
        pid: 1,
        version: version.into(),
        dpdk_version: Some("DPDK 22.11.11".into()),
        has_dpdk: true,
        dpdk_initialized: false,
        allowed_cpus: CpuSet::new(),
        control: at.rundir.join("ovs-vswitchd.1.ctl").unwrap(),
    });
    SwitchFacts {
        at,
        daemon,
        options: Some(BTreeMap::new()),
        bridges: BTreeMap::new(),
        mempool_driver: Some(true),
    }
}

fn sizing(yaml: &str, host: &HostFacts) -> Sizing {
    let (sizing, refusals) = size(&spec(yaml), host, &release());
    assert_eq!(refusals, []);
    sizing
}

fn settled(yaml: &str, host: &HostFacts) -> SettledSwitch {
    let spec = spec(yaml);
    settle(&spec, host, &switch(&spec, host, Some("3.1.0"))).unwrap()
}

fn told(refusals: &[Refusal]) -> String {
    let lines = refusals.iter().map(|refusal| {
        let hint = refusal.hint.as_ref().map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{:?}: {refusal}{hint}", refusal.kind)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The refusals as a person sees them.
fn refused(yaml: &str, host: &HostFacts) -> String {
    let spec = spec(yaml);
    told(&settle(&spec, host, &switch(&spec, host, Some("3.1.0"))).unwrap_err())
}
