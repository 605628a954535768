//! The hosts that plans must come to terms with.

use flyover_core::HugepageSize;
use flyover_host::tree::HostTree;

use super::{Function, HostTreeBuilder, Maker, Netdev, Numbering, System, Topology};

/// Builds a fixture.
type Build = fn() -> HostTree;

/// All fixtures, by name.
pub const FIXTURES: [(&str, Build); 8] = [
    ("two_socket_smt", two_socket_smt),
    ("one_node_vm", one_node_vm),
    ("amd_nps4", amd_nps4),
    ("snc2", snc2),
    ("offline_cpus", offline_cpus),
    ("isolated", isolated),
    ("arm64", arm64),
    ("laptop", laptop),
];

/// The fixture of that name.
#[must_use]
pub fn named(name: &str) -> Option<HostTree> {
    FIXTURES.iter().find(|(known, _)| *known == name).map(|(_, build)| build())
}

/// Two sockets with 12 cores of two threads each: even processors on node 0, odd ones on node 1, siblings 24
/// further.
fn two_sockets() -> Topology {
    Topology {
        sockets: 2,
        threads: 2,
        numbering: Numbering::RoundNodes,
        ..Topology::simple(Maker::Intel, 12)
    }
}

fn two_ports(topology: Topology, system: System) -> HostTreeBuilder {
    let port = |at: &str| Function::nic(at).driver("ixgbe").node(0);
    HostTreeBuilder::new(topology, system)
        .memory_per_node(96 << 20)
        .function(&Function::bridge("0000:00:02.0").group(20).node(0))
        .function(&port("0000:06:00.0").group(41).netdev("ens1f0"))
        .function(&port("0000:06:00.1").group(42).netdev("ens1f1"))
        .netdev(Netdev::new("bond0").upon(&["ens1f1"]))
        .route("default", "bond0")
}

/// The server of the document on OVS-DPDK with KubeVirt: its processors 2, 26, 3 and 27 are the mask 0xc00000c. The
/// first port is free, the second carries the default route.
#[must_use]
pub fn two_socket_smt() -> HostTree {
    two_ports(two_sockets(), System::Rhel).build()
}

/// A virtual machine with four processors and two virtio devices, without an IOMMU.
#[must_use]
pub fn one_node_vm() -> HostTree {
    let port = |at: &str| Function::nic(at).id("0x1af4", "0x1041").driver("virtio-pci");
    HostTreeBuilder::new(Topology::simple(Maker::Intel, 4), System::Debian)
        .memory_per_node(8 << 20)
        .function(&port("0000:00:03.0").netdev("eth0"))
        .function(&port("0000:00:04.0").netdev("eth1"))
        .route("default", "eth0")
        .build()
}

/// One socket of AMD's that shows four nodes, with two caches of the third level each.
#[must_use]
pub fn amd_nps4() -> HostTree {
    let topology =
        Topology { nodes_per_socket: 4, threads: 2, cores_per_l3: 4, ..Topology::simple(Maker::Amd, 8) };
    let port = |at: &str| Function::nic(at).id("0x8086", "0x1592").driver("ice").node(2);
    HostTreeBuilder::new(topology, System::Ubuntu)
        .memory_per_node(64 << 20)
        .function(&port("0000:41:00.0").group(61).netdev("enp65s0f0"))
        .function(&port("0000:41:00.1").group(62).netdev("enp65s0f1"))
        .route("default", "enp65s0f1")
        .build()
}

/// Two sockets of Intel's that show two nodes each.
#[must_use]
pub fn snc2() -> HostTree {
    let topology = Topology { nodes_per_socket: 2, cores_per_node: 8, cores_per_l3: 8, ..two_sockets() };
    two_ports(topology, System::Rhcos).build()
}

/// The two sockets, of which some siblings and one whole core do not run.
#[must_use]
pub fn offline_cpus() -> HostTree {
    let offline = "4,28,30,31".parse().expect("a list of processors");
    two_ports(Topology { offline, ..two_sockets() }, System::Debian).build()
}

/// The two sockets, most of which the kernel isolates already.
#[must_use]
pub fn isolated() -> HostTree {
    two_ports(two_sockets(), System::Debian).isolated("2-23,26-47").build()
}

/// An ARM server with a bifurcated driver, and the sizes of hugepages of its kernel.
#[must_use]
pub fn arm64() -> HostTree {
    let sizes = ["2M", "64K", "32M", "1G"].map(|size| size.parse().expect("a size of hugepages"));
    let sizes: [HugepageSize; 4] = sizes;
    let port = |at: &str| Function::nic(at).id("0x15b3", "0x101d").driver("mlx5_core").node(0);
    HostTreeBuilder::new(Topology::simple(Maker::Arm, 32), System::Ubuntu)
        .hugepages(&sizes)
        .function(&port("0001:01:00.0").group(5).netdev("enp1s0f0np0"))
        .function(&port("0001:01:00.1").group(6).netdev("enp1s0f1np1"))
        .route("default", "enp1s0f1np1")
        .build()
}

/// A laptop without an IOMMU, which is reached through its only wired port.
#[must_use]
pub fn laptop() -> HostTree {
    let topology =
        Topology { threads: 2, numbering: Numbering::SiblingsFirst, ..Topology::simple(Maker::Intel, 4) };
    HostTreeBuilder::new(topology, System::Debian)
        .function(&Function::nic("0000:00:1f.6").id("0x8086", "0x15d8").driver("e1000e").netdev("enp0s31f6"))
        .route("default", "enp0s31f6")
        .build()
}
