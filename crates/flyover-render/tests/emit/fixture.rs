//! The document's server as a settled profile, with one of everything.

use std::collections::BTreeMap;

use flyover_api::{HugepageMountSpec, Iommu, When};
use flyover_core::facts::Enablement;
use flyover_core::{ArgEdit, NumaNode};
use flyover_plan::{CpuChoice, DriverChoice, OwnFile, Pool, Settled};
use flyover_render::Meta;

pub(crate) fn meta() -> Meta {
    Meta { name: "ovs-dpdk".to_owned(), role: "worker".to_owned() }
}

fn args() -> (ArgEdit, Vec<String>) {
    let (set, why): (Vec<_>, Vec<_>) = [
        ("default_hugepagesz=1G", "1G is the size that is meant where none is named"),
        ("hugepagesz=1G", "4 pages of 1G on each NUMA node"),
        ("hugepages=0:4,1:4", "4 pages of 1G on each NUMA node"),
        ("intel_iommu=on", "vfio-pci needs the IOMMU"),
        ("iommu=pt", "the host's own devices are not slowed down"),
        ("isolcpus=2-3,26-27", "the scheduler leaves polling threads alone"),
        ("nohz_full=2-3,26-27", "the tick leaves polling threads alone"),
        ("rcu_nocbs=2-3,26-27", "RCU callbacks run elsewhere"),
        ("dyndbg=\"file drivers/vfio/* +p\"", "asked for by name"),
    ]
    .map(|(arg, why)| (arg.parse().unwrap(), why.to_owned()))
    .into_iter()
    .unzip();
    (ArgEdit { set, unset: vec!["quiet".parse().unwrap(), "intel_iommu=off".parse().unwrap()] }, why)
}

fn pool(size: &str, node: Option<u32>, count: u64, when: When) -> Pool {
    Pool { size: size.parse().unwrap(), node: node.map(NumaNode), count, when }
}

fn options(module: &[(&str, &str)]) -> BTreeMap<String, String> {
    module.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn file() -> OwnFile {
    OwnFile {
        content: "# it's 100% \"ours\"\nEND\n$HOME `x` \\\n".to_owned(),
        mode: "0640".parse().unwrap(),
        why: "read by the switch".to_owned(),
    }
}

pub(crate) fn nothing() -> Settled {
    Settled {
        args: ArgEdit::default(),
        args_why: Vec::new(),
        iommu: None,
        cpu: None,
        default_size: None,
        pools: Vec::new(),
        mounts: Vec::new(),
        drivers: Vec::new(),
        modules: BTreeMap::new(),
        sysctls: BTreeMap::new(),
        services: BTreeMap::new(),
        files: BTreeMap::new(),
        unsafe_noiommu: false,
        notes: Vec::new(),
    }
}

pub(crate) fn everything() -> Settled {
    let (args, args_why) = args();
    Settled {
        args,
        args_why,
        iommu: Some(Iommu::Passthrough),
        cpu: Some(CpuChoice {
            reserved: "0-1,24-25".parse().unwrap(),
            isolated: "2-3,26-27".parse().unwrap(),
            kubelet_reserved: "0-3,24-27".parse().unwrap(),
            online: "0-47".parse().unwrap(),
            why: vec!["the first core of each node is the host's".to_owned()],
        }),
        default_size: Some("1G".parse().unwrap()),
        pools: vec![
            pool("1G", Some(0), 4, When::Boot),
            pool("1G", Some(1), 4, When::Boot),
            pool("2M", Some(0), 512, When::Runtime),
        ],
        mounts: vec![HugepageMountSpec {
            path: "/dev/hugepages-2M".parse().unwrap(),
            page_size: "2M".parse().unwrap(),
            mode: Some("0770".parse().unwrap()),
            gid: Some(107),
            size: None,
        }],
        drivers: vec![DriverChoice {
            device: "0000:06:00.0".parse().unwrap(),
            id: "8086:10fb".parse().unwrap(),
            driver: "vfio-pci".parse().unwrap(),
            why: "asked for by address".to_owned(),
        }],
        modules: BTreeMap::from([
            (
                "vfio-pci".parse().unwrap(),
                options(&[("disable_idle_d3", "1"), ("ids", "8086:10fb,8086:1572")]),
            ),
            ("openvswitch".parse().unwrap(), BTreeMap::new()),
        ]),
        sysctls: BTreeMap::from([
            ("vm.max_map_count".parse().unwrap(), "262144".to_owned()),
            ("net/ipv4/conf/eth0.100/forwarding".parse().unwrap(), "1".to_owned()),
        ]),
        services: BTreeMap::from([
            ("chrony.service".parse().unwrap(), Enablement::Disabled),
            ("irqbalance.service".parse().unwrap(), Enablement::Masked),
        ]),
        files: BTreeMap::from([
            ("/etc/ovs/it's ours.conf".parse().unwrap(), file()),
            ("/var/lib/flyover/hello".parse().unwrap(), OwnFile { content: "hello".to_owned(), ..file() }),
        ]),
        unsafe_noiommu: false,
        notes: vec!["`chronyd` is `chrony.service` here".to_owned()],
    }
}
