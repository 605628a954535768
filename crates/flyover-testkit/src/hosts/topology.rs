//! Processors as sysfs shows them, in the orders in which firmware numbers them.

use flyover_core::CpuSet;
use flyover_host::tree::HostTree;

use super::builder::put;

/// Where sysfs shows processors.
const CPUS: &str = "/sys/devices/system/cpu";

/// Who made the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Intel.
    Intel,
    /// AMD.
    Amd,
    /// An ARM server.
    Arm,
}

/// In which order hardware threads are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Round the nodes, siblings last: even ones on node 0 and odd ones on node 1, as many servers do.
    RoundNodes,
    /// Node after node, siblings last.
    NodeByNode,
    /// Siblings side by side, as laptops and virtual machines do.
    SiblingsFirst,
}

/// The processors of a host.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Who made them.
    pub maker: Maker,
    /// How many sockets.
    pub sockets: u32,
    /// How many NUMA nodes a socket has.
    pub nodes_per_socket: u32,
    /// How many physical cores a node has.
    pub cores_per_node: u32,
    /// How many hardware threads a core has.
    pub threads: u32,
    /// How many cores share a cache of the third level.
    pub cores_per_l3: u32,
    /// In which order they are numbered.
    pub numbering: Numbering,
    /// Those that do not run.
    pub offline: CpuSet,
}

/// Where one hardware thread is.
struct Place {
    cpu: u32,
    node: u32,
    core: u32,
    thread: u32,
}

impl Topology {
    /// One socket with one node, and one thread a core.
    #[must_use]
    pub fn simple(maker: Maker, cores: u32) -> Self {
        Self {
            maker,
            sockets: 1,
            nodes_per_socket: 1,
            cores_per_node: cores,
            threads: 1,
            cores_per_l3: cores,
            numbering: Numbering::NodeByNode,
            offline: CpuSet::new(),
        }
    }

    /// How many NUMA nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.sockets * self.nodes_per_socket
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let cores = self.nodes() * self.cores_per_node;
        let all =
            (0..self.nodes()).flat_map(move |node| (0..self.cores_per_node).map(move |core| (node, core)));
        all.flat_map(move |(node, core)| {
            (0..self.threads).map(move |thread| {
                let cpu = match self.numbering {
                    Numbering::RoundNodes => thread * cores + core * self.nodes() + node,
                    Numbering::NodeByNode => thread * cores + node * self.cores_per_node + core,
                    Numbering::SiblingsFirst => (node * self.cores_per_node + core) * self.threads + thread,
                };
                Place { cpu, node, core, thread }
            })
        })
    }

    fn online(&self, wanted: impl Fn(&Place) -> bool) -> CpuSet {
        let running = self.places().filter(|place| !self.offline.contains(place.cpu));
        running.filter(wanted).map(|place| place.cpu).collect()
    }

    /// The running processors of a node.
    #[must_use]
    pub fn cpus_of_node(&self, node: u32) -> CpuSet {
        self.online(|place| place.node == node)
    }

    /// Writes what sysfs and procfs show of them.
    pub(super) fn write(&self, tree: &mut HostTree) {
        let all: CpuSet = self.places().map(|place| place.cpu).collect();
        put(tree, &format!("{CPUS}/possible"), &all);
        put(tree, &format!("{CPUS}/online"), self.online(|_| true));
        put(tree, &format!("{CPUS}/isolated"), "");
        let smt = self.places().any(|place| place.thread > 0 && !self.offline.contains(place.cpu));
        put(tree, &format!("{CPUS}/smt/active"), u8::from(smt));
        for place in self.places().filter(|place| !self.offline.contains(place.cpu)) {
            self.write_cpu(tree, &place);
        }
        for node in 0..self.nodes() {
            let dir = format!("/sys/devices/system/node/node{node}");
            put(tree, &format!("{dir}/cpulist"), self.cpus_of_node(node));
            put(tree, &format!("{dir}/distance"), self.distances(node));
        }
        put(tree, "/proc/cpuinfo", self.cpuinfo());
    }

    fn write_cpu(&self, tree: &mut HostTree, place: &Place) {
        let same_core = |other: &Place| (other.node, other.core) == (place.node, place.core);
        let same_l3 = |other: &Place| {
            other.node == place.node && other.core / self.cores_per_l3 == place.core / self.cores_per_l3
        };
        let (dir, siblings) = (format!("{CPUS}/cpu{}", place.cpu), self.online(same_core));
        let core = place.node % self.nodes_per_socket * self.cores_per_node + place.core;
        put(tree, &format!("{dir}/topology/physical_package_id"), place.node / self.nodes_per_socket);
        put(tree, &format!("{dir}/topology/core_id"), core);
        put(tree, &format!("{dir}/topology/thread_siblings_list"), &siblings);
        let caches = [
            (1, "Data", "48K", siblings.clone()),
            (1, "Instruction", "32K", siblings.clone()),
            (2, "Unified", "2048K", siblings),
            (3, "Unified", "32768K", self.online(same_l3)),
        ];
        for (index, (level, kind, size, cpus)) in caches.into_iter().enumerate() {
            let cache = format!("{dir}/cache/index{index}");
            put(tree, &format!("{cache}/level"), level);
            put(tree, &format!("{cache}/type"), kind);
            put(tree, &format!("{cache}/size"), size);
            put(tree, &format!("{cache}/shared_cpu_list"), cpus);
        }
    }

    fn distances(&self, from: u32) -> String {
        let distance = |to: u32| match () {
            () if to == from => "10",
            () if to / self.nodes_per_socket == from / self.nodes_per_socket => "12",
            () => "21",
        };
        (0..self.nodes()).map(distance).collect::<Vec<_>>().join(" ")
    }

    fn cpuinfo(&self) -> &'static str {
        match self.maker {
            Maker::Intel => {
                "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6126 CPU\n\
                 flags\t\t: pse vmx ht pdpe1gb x2apic constant_tsc nonstop_tsc aes avx2 avx512f"
            }
            Maker::Amd => {
                "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7543 32-Core Processor\n\
                 flags\t\t: pse svm ht pdpe1gb x2apic constant_tsc nonstop_tsc aes avx2"
            }
            Maker::Arm => {
                "processor\t: 0\nFeatures\t: fp asimd aes sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c"
            }
        }
    }
}
