//! Writes a host as a tree.

use std::fmt::Display;
use std::net::IpAddr;

use flyover_core::{HostPath, HugepageSize};
use flyover_host::tree::{HostTree, Node};

use super::{Function, Maker, Netdev, System, Topology, links, systems};

/// A host that is being written.
pub struct HostTreeBuilder {
    tree: HostTree,
    topology: Topology,
    system: System,
    memory_per_node: u64,
    hugepages: Vec<HugepageSize>,
    services: Vec<(&'static str, &'static str, bool)>,
    routes: Vec<(String, String)>,
    sessions: Vec<IpAddr>,
    netdevs: u8,
    files: Vec<(HostPath, String)>,
}

/// Writes a line to a file.
pub(super) fn put(tree: &mut HostTree, path: &str, value: impl Display) {
    tree.put_text(HostPath::fixed(path), &format!("{value}\n"));
}

/// Makes a symbolic link.
pub(super) fn link(tree: &mut HostTree, path: &str, target: &str) {
    tree.put(HostPath::fixed(path), Node::Link(target.to_owned()));
}

impl HostTreeBuilder {
    /// A host with those processors: 16 GiB a node, pages of 2 MiB and 1 GiB, and no device.
    #[must_use]
    pub fn new(topology: Topology, system: System) -> Self {
        Self {
            tree: HostTree::default(),
            topology,
            system,
            memory_per_node: 16 << 20,
            hugepages: vec![HugepageSize::TWO_MIB, HugepageSize::ONE_GIB],
            services: vec![("chrony.service", "enabled", true), ("irqbalance.service", "enabled", true)],
            routes: Vec::new(),
            sessions: Vec::new(),
            netdevs: 0,
            files: Vec::new(),
        }
        .kernel_args("BOOT_IMAGE=/vmlinuz root=/dev/mapper/vg-root ro quiet")
        .netdev(Netdev::new("lo"))
    }

    /// Memory of each node, in KiB.
    #[must_use]
    pub fn memory_per_node(mut self, kib: u64) -> Self {
        self.memory_per_node = kib;
        self
    }

    /// The sizes of hugepages that the kernel offers.
    #[must_use]
    pub fn hugepages(mut self, sizes: &[HugepageSize]) -> Self {
        self.hugepages = sizes.to_vec();
        self
    }

    /// The command line of the running kernel.
    #[must_use]
    pub fn kernel_args(self, line: &str) -> Self {
        self.file("/proc/cmdline", &format!("{line}\n"))
    }

    /// Processors that the kernel isolates, in the form of `isolcpus=`.
    #[must_use]
    pub fn isolated(self, cpus: &str) -> Self {
        let mut host =
            self.kernel_args(&format!("root=/dev/mapper/vg-root ro isolcpus={cpus} nohz_full={cpus}"));
        host.services.retain(|(unit, ..)| *unit != "irqbalance.service");
        host.file("/sys/devices/system/cpu/nohz_full", &format!("{cpus}\n"))
            .file("/sys/devices/system/cpu/isolated", &format!("{cpus}\n"))
    }

    /// Any other file, in place of what the rest of the host has there.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((HostPath::fixed(path), text.to_owned()));
        self
    }

    /// A unit, the word for whether it starts at boot, and whether it runs.
    #[must_use]
    pub fn service(mut self, unit: &'static str, enablement: &'static str, active: bool) -> Self {
        self.services.retain(|(known, ..)| *known != unit);
        self.services.push((unit, enablement, active));
        self
    }

    /// A PCI function.
    #[must_use]
    pub fn function(mut self, function: &Function) -> Self {
        function.write(&mut self.tree);
        match &function.netdev {
            Some(name) => self.netdev(Netdev::new(name).behind(&function.netdev_parent())),
            None => self,
        }
    }

    /// A network device.
    #[must_use]
    pub fn netdev(mut self, netdev: Netdev) -> Self {
        netdev.write(&mut self.tree, self.netdevs);
        self.netdevs += 1;
        self
    }

    /// A route: `default`, `10.0.0.0/24`, `fd00::/64`, `default6`.
    #[must_use]
    pub fn route(mut self, to: &str, device: &str) -> Self {
        self.routes.push((to.to_owned(), device.to_owned()));
        self
    }

    /// The peer of an established SSH session.
    #[must_use]
    pub fn ssh_session(mut self, peer: &str) -> Self {
        self.sessions.push(peer.parse().expect("the peer of a fixture is an address"));
        self
    }

    /// The API server of kubelet's kubeconfig.
    #[must_use]
    pub fn api_server(self, url: &str) -> Self {
        let text = format!("apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: {url}\n");
        self.file("/etc/kubernetes/kubelet.conf", &text)
    }

    /// The tree.
    #[must_use]
    pub fn build(mut self) -> HostTree {
        self.topology.write(&mut self.tree);
        self.write_memory();
        self.write_kernel();
        systems::write(&mut self.tree, self.system);
        if systems::has_systemd(self.system) {
            systems::write_services(&mut self.tree, &self.services);
        }
        links::write_routes(&mut self.tree, &self.routes);
        links::write_sessions(&mut self.tree, &self.sessions);
        for (path, text) in &self.files {
            self.tree.put_text(path.clone(), text);
        }
        self.tree
    }

    fn write_kernel(&mut self) {
        let arch = if self.topology.maker == Maker::Arm { "aarch64" } else { "x86_64" };
        put(&mut self.tree, "/proc/sys/kernel/arch", arch);
        put(&mut self.tree, "/proc/sys/kernel/osrelease", "6.1.0");
        put(&mut self.tree, "/proc/sys/kernel/random/boot_id", "00000000-0000-0000-0000-000000000001");
        put(&mut self.tree, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids");
        put(&mut self.tree, "/proc/self/mounts", "proc /proc proc rw 0 0");
    }

    fn write_memory(&mut self) {
        let (nodes, kib) = (self.topology.nodes(), self.memory_per_node);
        let total = kib * u64::from(nodes);
        let default = self.hugepages.first().map_or(0, |size| size.kib());
        let meminfo = format!(
            "MemTotal: {total} kB\nMemFree: {total} kB\nMemAvailable: {total} kB\nHugepagesize: {default} kB"
        );
        put(&mut self.tree, "/proc/meminfo", meminfo);
        let mut pools = vec!["/sys/kernel/mm/hugepages".to_owned()];
        for node in 0..nodes {
            let dir = format!("/sys/devices/system/node/node{node}");
            let meminfo = format!("Node {node} MemTotal: {kib} kB\nNode {node} MemFree: {kib} kB");
            put(&mut self.tree, &format!("{dir}/meminfo"), meminfo);
            pools.push(format!("{dir}/hugepages"));
        }
        for (pool, size) in pools.iter().flat_map(|pool| self.hugepages.iter().map(move |size| (pool, size)))
        {
            for counter in ["nr_hugepages", "free_hugepages", "surplus_hugepages"] {
                put(&mut self.tree, &format!("{pool}/{}/{counter}", size.sysfs()), 0);
            }
        }
    }
}
