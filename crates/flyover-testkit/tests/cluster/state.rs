//! What the tests put into a cluster, and what of a machine a cluster could leave changed.

use std::fs;
use std::path::Path;

use flyover_host::cmd::Cmd;

/// Two web servers on two nodes behind one service, the first with a second interface.
pub(crate) fn pods() -> String {
    let pod = |name: &str, node: &str, networks: &str| {
        include_str!("web.yaml").replace("NAME", name).replace("NODE", node).replace("NETWORKS", networks)
    };
    [include_str!("networks.yaml"), &pod("web1", "node1", "second"), &pod("web2", "node2", "")].join("---\n")
}

/// What kubelet sets where it can, and what a rig borrows.
const SETTINGS: [&str; 7] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "vm/nr_hugepages",
];

/// A machine as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) settings: Vec<String>,
    links: String,
    routes: String,
    rules: String,
    namespaces: Vec<String>,
    groups: Vec<String>,
    mounts: Vec<String>,
    processes: Vec<String>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let ip = |arguments: &[&str]| Cmd::new("ip").args(arguments).run().unwrap();
        let setting = |name: &&str| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap();
        let commands = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        Self {
            settings: SETTINGS.iter().map(setting).collect(),
            links: ip(&["-o", "-br", "link"]),
            routes: ip(&["route", "show", "table", "all"]),
            rules: Cmd::new("nft").args(["list", "ruleset"]).run().unwrap(),
            namespaces: flyover_net::netns::Netns::list().unwrap(),
            groups: groups(Path::new("/sys/fs/cgroup")),
            mounts: mounts.lines().map(str::to_owned).collect(),
            processes: commands
                .flat_map(fs::read)
                .map(|c| String::from_utf8_lossy(&c).into_owned())
                .collect(),
        }
    }

    /// The same, of lists only what a rig with such names and such a folder can have made: others work here as well.
    pub(crate) fn of_rig(&self, name: &str, folder: &str) -> Self {
        let ours = |list: &[String]| {
            list.iter().filter(|item| item.contains(name) || item.contains(folder)).cloned().collect()
        };
        Self {
            namespaces: ours(&self.namespaces),
            groups: ours(&self.groups),
            mounts: ours(&self.mounts),
            processes: ours(&self.processes),
            ..self.clone()
        }
    }
}

fn groups(folder: &Path) -> Vec<String> {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let inside = inside.filter(|path| path.is_dir() && !path.is_symlink());
    inside.flat_map(|path| [vec![path.display().to_string()], groups(&path)].concat()).collect()
}
