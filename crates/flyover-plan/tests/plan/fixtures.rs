//! Hosts to think about: those of the documents, and those on which such tools go wrong.

use std::collections::BTreeMap;

use flyover_core::facts::{
    BootFacts, Cpu, CpuFacts, CpuVendor, Enablement, GrubGenerator, Guarded, HostFacts, Loader, MemoryFacts,
    NetDevice, NumaFacts, OsFacts, PciDevice, PoolFacts, ServiceFacts,
};
use flyover_core::{CpuSet, HugepageSize, IommuGroup, KernelArgs, Kib, NumaNode};

/// One gibibyte.
pub(crate) const GIB: u64 = 1 << 20;

/// What tells hosts apart.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) vendor: CpuVendor,
    pub(crate) nodes: u32,
    pub(crate) cores_per_node: u32,
    pub(crate) smt: bool,
    /// Whether neighbouring numbers are on different nodes, as some firmware has it.
    pub(crate) interleaved: bool,
    pub(crate) memory_per_node: Kib,
    pub(crate) sizes: &'static [&'static str],
    pub(crate) flags: &'static [&'static str],
}

const X86: Shape = Shape {
    vendor: CpuVendor::Intel,
    nodes: 1,
    cores_per_node: 4,
    smt: false,
    interleaved: false,
    memory_per_node: Kib(16 * GIB),
    sizes: &["2M", "1G"],
    flags: &["pse", "pdpe1gb"],
};

/// The server of the documents: two sockets, 48 CPUs, the even ones on node 0, siblings 24 apart. A bond over the
/// second port has the default route.
pub(crate) fn server() -> HostFacts {
    let shape = Shape {
        nodes: 2,
        cores_per_node: 12,
        smt: true,
        interleaved: true,
        memory_per_node: Kib(64 * GIB),
        ..X86
    };
    let mut host = host(shape);
    host.pci = vec![
        device("0000:00:01.0", "8086:2f02", "0x060400", Some("pcieport")),
        nic("0000:06:00.0", "ens1f0"),
        nic("0000:06:00.1", "ens1f1"),
        nic("0000:82:00.0", "ens2f0"),
        nic("0000:82:00.1", "ens2f1"),
        device("0000:84:00.0", "144d:a808", "0x010802", Some("nvme")),
    ];
    for at in 3..6 {
        host.pci[at].node = Some(NumaNode(1));
    }
    host.net = vec![
        NetDevice {
            lowers: vec!["ens1f1".parse().unwrap()],
            pci: None,
            driver: None,
            ..netdev("bond0", "06:00.1")
        },
        netdev("ens1f0", "06:00.0"),
        netdev("ens1f1", "06:00.1"),
        netdev("ens2f0", "82:00.0"),
        netdev("ens2f1", "82:00.1"),
    ];
    host.guarded = vec![Guarded {
        device: "06:00.1".parse().unwrap(),
        carries: "the default route".into(),
        path: "bond0 <- ens1f1 <- 0000:06:00.1".into(),
    }];
    host
}

/// The server with its IOMMU on, each function in a group of its own.
pub(crate) fn server_with_iommu() -> HostFacts {
    let mut host = server();
    for (device, group) in host.pci.iter_mut().zip(1..) {
        device.group = Some(IommuGroup(group));
    }
    host.boot.args = KernelArgs::parse("BOOT_IMAGE=/vmlinuz root=/dev/sda1 intel_iommu=on");
    host
}

/// A VM without pages of 1G.
pub(crate) fn vm() -> HostFacts {
    let shape = Shape { memory_per_node: Kib(2 * GIB), sizes: &["2M"], flags: &["pse", "hypervisor"], ..X86 };
    let mut host = host(shape);
    host.pci = vec![device("0000:00:03.0", "1af4:1041", "0x020000", Some("virtio-pci"))];
    host
}

/// One AMD socket, its IOMMU on as AMD's is.
pub(crate) fn amd() -> HostFacts {
    let shape = Shape {
        vendor: CpuVendor::Amd,
        cores_per_node: 16,
        smt: true,
        memory_per_node: Kib(64 * GIB),
        ..X86
    };
    let mut host = host(shape);
    host.pci = vec![nic("0000:41:00.0", "enp65s0f0"), nic("0000:41:00.1", "enp65s0f1")];
    for (device, group) in host.pci.iter_mut().zip(20..) {
        device.group = Some(IommuGroup(group));
    }
    host
}

/// Two sockets, each cut in two (sub-NUMA clustering).
pub(crate) fn snc2() -> HostFacts {
    host(Shape { nodes: 4, cores_per_node: 8, smt: true, memory_per_node: Kib(32 * GIB), ..X86 })
}

/// Two AMD sockets of four nodes each.
pub(crate) fn nps4() -> HostFacts {
    let vendor = CpuVendor::Amd;
    host(Shape { vendor, nodes: 8, cores_per_node: 8, smt: true, memory_per_node: Kib(32 * GIB), ..X86 })
}

/// The server with SMT turned off at run time: the second threads are there, and offline.
pub(crate) fn offline() -> HostFacts {
    let mut host = server();
    host.cpu.online = "0-23".parse().unwrap();
    host.cpu.smt = false;
    host.cpu.cpus.retain(|cpu| cpu.id < 24);
    for cpu in &mut host.cpu.cpus {
        cpu.siblings = [cpu.id].into_iter().collect();
    }
    host
}

/// The server on which somebody has isolated other CPUs.
pub(crate) fn isolated() -> HostFacts {
    let mut host = server();
    host.cpu.isolated = "4-7,28-31".parse().unwrap();
    host.boot.args = KernelArgs::parse("root=/dev/sda1 isolcpus=4-7,28-31 quiet");
    host
}

/// ARM64 with pages of 64K and no flags of the processor.
pub(crate) fn arm() -> HostFacts {
    let sizes: &[&str] = &["64K", "2M", "32M", "1G"];
    let mut host = host(Shape {
        vendor: CpuVendor::Arm,
        cores_per_node: 8,
        sizes,
        flags: &[],
        memory_per_node: Kib(32 * GIB),
        ..X86
    });
    host.boot.arch = "aarch64".into();
    host
}

/// A laptop whose firmware has the IOMMU off.
pub(crate) fn laptop() -> HostFacts {
    let mut host = host(Shape { cores_per_node: 4, smt: true, ..X86 });
    host.pci = vec![nic("0000:00:1f.6", "enp0s31f6")];
    host
}

/// As large as we promise to be quick on: 512 CPUs, 8 NUMA nodes, 200 PCI functions.
pub(crate) fn large() -> HostFacts {
    let mut host = host(Shape {
        nodes: 8,
        cores_per_node: 32,
        smt: true,
        interleaved: true,
        memory_per_node: Kib(128 * GIB),
        ..X86
    });
    for n in 0..200u32 {
        let address = format!("0000:{:02x}:{:02x}.{}", n / 8, 1, n % 8);
        let mut device = nic(&address, &format!("eth{n}"));
        device.group = Some(IommuGroup(n));
        host.pci.push(device);
    }
    host
}

/// A host of that shape with GRUB and systemd, and nothing on its bus.
pub(crate) fn host(shape: Shape) -> HostFacts {
    let intel = !matches!(shape.vendor, CpuVendor::Arm);
    let cpu = cpus(shape);
    let pools: BTreeMap<HugepageSize, PoolFacts> =
        shape.sizes.iter().map(|size| (size.parse().unwrap(), PoolFacts::default())).collect();
    let numa = (0..shape.nodes).map(NumaNode).map(|id| NumaFacts {
        id,
        cpus: cpu.cpus.iter().filter(|c| c.node == id).map(|c| c.id).collect(),
        memory: shape.memory_per_node,
        free: Kib(shape.memory_per_node.0 / 4 * 3),
        distances: (0..shape.nodes).map(|other| if other == id.0 { 10 } else { 21 }).collect(),
        hugepages: pools.clone(),
    });
    let total = shape.memory_per_node.0 * u64::from(shape.nodes);
    HostFacts {
        os: OsFacts {
            id: "debian".into(),
            version: "12".into(),
            like: Vec::new(),
            managed: None,
            systemd: true,
            driverctl: false,
        },
        boot: boot(if intel { "x86_64" } else { "aarch64" }),
        numa: numa.collect(),
        memory: MemoryFacts {
            total: Kib(total),
            available: Kib(total / 5 * 4),
            default_hugepage: "2M".parse().ok(),
            hugepages: pools,
            mounts: Vec::new(),
        },
        cpu,
        pci: Vec::new(),
        net: Vec::new(),
        guarded: Vec::new(),
        services: services(),
        kubelet: None,
        taints: Vec::new(),
    }
}

fn cpus(shape: Shape) -> CpuFacts {
    let cores = shape.nodes * shape.cores_per_node;
    let threads = if shape.smt { 2 } else { 1 };
    let cpu = |id: u32| {
        let core = id % cores;
        let node = if shape.interleaved { core % shape.nodes } else { core / shape.cores_per_node };
        let siblings: CpuSet = (0..threads).map(|thread| core + thread * cores).collect();
        Cpu { id, node: NumaNode(node), package: node, core: core / shape.nodes, siblings }
    };
    let all: CpuSet = (0..cores * threads).collect();
    CpuFacts {
        vendor: shape.vendor,
        model: "a fixture".into(),
        flags: shape.flags.iter().map(ToString::to_string).collect(),
        possible: all.clone(),
        cpus: all.iter().map(cpu).collect(),
        online: all,
        isolated: CpuSet::new(),
        nohz_full: CpuSet::new(),
        smt: shape.smt,
        caches: Vec::new(),
    }
}

fn boot(arch: &str) -> BootFacts {
    BootFacts {
        release: "6.1.0-18-amd64".into(),
        arch: arch.into(),
        boot_id: "b".into(),
        args: KernelArgs::parse("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet"),
        loader: Some(Loader::Grub {
            defaults: "/etc/default/grub".parse().unwrap(),
            drop_ins: Some("/etc/default/grub.d".parse().unwrap()),
            config: "/boot/grub/grub.cfg".parse().unwrap(),
            generator: GrubGenerator::UpdateGrub,
        }),
        secure_boot: None,
        lockdown: None,
        cgroup: 2,
    }
}

fn services() -> BTreeMap<flyover_core::UnitName, ServiceFacts> {
    let chrony = ServiceFacts {
        unit: "chrony.service".parse().unwrap(),
        enablement: Enablement::Enabled,
        active: true,
        fragment: "/lib/systemd/system/chrony.service".parse().ok(),
    };
    let irqbalance = ServiceFacts { unit: "irqbalance.service".parse().unwrap(), ..chrony.clone() };
    let local = ServiceFacts {
        unit: "local.service".parse().unwrap(),
        fragment: "/etc/systemd/system/local.service".parse().ok(),
        ..chrony.clone()
    };
    let fixed = ServiceFacts {
        unit: "fixed.service".parse().unwrap(),
        enablement: Enablement::Static,
        ..chrony.clone()
    };
    let ssh = ServiceFacts { unit: "ssh.service".parse().unwrap(), ..chrony.clone() };
    [
        ("chronyd", &chrony),
        ("chrony", &chrony),
        ("irqbalance", &irqbalance),
        ("local", &local),
        ("fixed", &fixed),
        ("ssh", &ssh),
    ]
    .map(|(name, facts)| (name.parse().unwrap(), facts.clone()))
    .into()
}

/// A PCI function in no IOMMU group.
pub(crate) fn device(address: &str, id: &str, class: &str, driver: Option<&str>) -> PciDevice {
    PciDevice {
        address: address.parse().unwrap(),
        id: id.parse().unwrap(),
        class: class.parse().unwrap(),
        driver: driver.map(|name| name.parse().unwrap()),
        forced: None,
        node: Some(NumaNode(0)),
        group: None,
        physical: None,
        netdevs: Vec::new(),
        elsewhere: false,
        held_by: Vec::new(),
    }
}

/// A port of an 82599 with its network device.
pub(crate) fn nic(address: &str, name: &str) -> PciDevice {
    let device = device(address, "8086:10fb", "0x020000", Some("ixgbe"));
    PciDevice { netdevs: vec![name.parse().unwrap()], ..device }
}

fn netdev(name: &str, pci: &str) -> NetDevice {
    NetDevice {
        name: name.parse().unwrap(),
        mac: None,
        up: true,
        carrier: Some(true),
        speed: Some(10_000),
        mtu: 1500,
        pci: pci.parse().ok(),
        driver: "ixgbe".parse().ok(),
        lowers: Vec::new(),
    }
}
