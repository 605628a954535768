//! A real Kubernetes cluster on one machine: etcd, the control plane, and nodes with containerd, kubelet, kube-proxy,
//! flannel and Multus, each node in namespaces of its own.
//!
//! Invariants: nothing is simulated and nothing is pulled. The machine's network is not touched: its loopback has one
//! more port while a cluster is up. A cluster is written down before it is made, and taking it away leaves its logs only.

mod audit;
mod control;
mod groups;
mod images;
mod kubectl;
mod machine;
mod network;
mod node;
mod pki;
mod raise;
mod record;
mod settings;
mod userspace;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::thread;

use anyhow::Context;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

pub use self::audit::Asked;
pub use self::control::Control;
use self::groups::Groups;
pub use self::images::{BUSYBOX, busybox_files, libraries};
pub use self::kubectl::soon;
use self::machine::Machine;
pub use self::node::{Daemon, Node};
use self::record::Record;
pub use self::userspace::{LANE, Pod, READY};

/// The machine of the control plane.
const CONTROL: &str = "control";

/// What carries services to pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proxy {
    /// kube-proxy with iptables.
    Iptables,
    /// kube-proxy with nftables.
    Nftables,
}

/// A cluster as it is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes, 1 to 9.
    pub nodes: u8,
    /// What carries services.
    pub proxy: Proxy,
    /// Where disks, keys and logs go. What an earlier cluster left there goes.
    pub folder: PathBuf,
    /// Where `scripts/install-kubernetes` put the programs.
    pub tools: PathBuf,
    /// Hugepages of 2 MiB that the machine lends; all nodes see the same.
    pub hugepages: u64,
    /// More of kubelet's settings, as lines of YAML, e.g. `cpuManagerPolicy: static`.
    pub kubelet: String,
    /// Whether the API server writes down what pods ask it, as [`Cluster::asked`] tells.
    pub audited: bool,
    /// The name of one that outlives this program.
    pub keep: Option<String>,
}

impl Options {
    /// Two nodes with iptables, that die with this program.
    #[must_use]
    pub fn new(folder: &Path, tools: &Path) -> Self {
        let (folder, tools) = (folder.to_owned(), tools.to_owned());
        Self {
            nodes: 2,
            proxy: Proxy::Iptables,
            folder,
            tools,
            hugepages: 0,
            kubelet: String::new(),
            audited: false,
            keep: None,
        }
    }
}

/// A cluster that is up.
#[derive(Debug)]
pub struct Cluster {
    record: Record,
    control: Machine,
    nodes: Vec<Machine>,
    images: Mutex<Vec<PathBuf>>,
    down: bool,
}

impl Cluster {
    /// Raises one and waits until all its nodes are ready. What clusters of dead programs left is taken away first.
    pub fn up(options: &Options) -> anyhow::Result<Self> {
        for orphan in Record::orphans()? {
            Self::of(orphan)?.down()?;
        }
        let record = raise::prepare(options)?;
        record.claim()?;
        let kept = record.kept();
        let mut cluster = Self::of(record)?;
        let raised = cluster.raise(options.hugepages);
        if let Err(error) = raised {
            let logs = cluster.record.folder.display().to_string();
            // The first fault is the one to tell.
            let _second = cluster.take_down();
            return Err(error.context(format!("the cluster did not come up; its logs are below `{logs}`")));
        }
        // One that outlives this program is not taken down by forgetting it.
        cluster.down = kept;
        Ok(cluster)
    }

    /// One that another program raised, and that is to stay up when this value goes.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        let record = Record::load(name)?.with_context(|| format!("there is no cluster {name}"))?;
        let mut cluster = Self::of(record)?;
        cluster.down = true;
        Ok(cluster)
    }

    /// Takes away the one of that name, also one that was left half up; none is no error.
    pub fn take_down_named(name: &str) -> anyhow::Result<()> {
        Record::load(name)?.map_or(Ok(()), |record| Self::of(record)?.down())
    }

    /// Takes it away, and all that it changed.
    pub fn down(mut self) -> anyhow::Result<()> {
        self.take_down()
    }

    /// Its administrator's kubeconfig, good on the machine itself.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.record.folder.join("kubeconfig")
    }

    /// Where its programs are, `kubectl` among them.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.record.tools
    }

    /// Where logs are: a folder `log` for each machine.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.record.folder
    }

    /// A node, counted from 1.
    #[must_use]
    pub fn node(&self, number: u8) -> Node<'_> {
        assert!((1..=self.record.nodes).contains(&number), "there is no node {number}");
        Node { cluster: self, number }
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (1..=self.record.nodes).map(|number| self.node(number))
    }

    /// The network namespace of the control plane, from where nodes, pods and services are reached.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.control.full_name
    }

    /// Gives all nodes images, now and whenever they get a new disk: an OCI layout, as a folder or an archive.
    pub fn load_image(&self, layout: &Path) -> anyhow::Result<()> {
        let mut image = layout.to_owned();
        if layout.is_dir() {
            let number = self.images().len();
            image = self.record.folder.join("images").join(format!("{number}.tar"));
            flyover_bundle::archive(layout, &image)?;
        }
        self.images.lock().expect("nobody panics with it").push(image.clone());
        on_all(self.nodes(), |node| node.load_image(&image))
    }

    /// Starts a daemon of the control plane; the API server is waited for.
    pub fn begin(&self, daemon: Control) -> anyhow::Result<()> {
        let data = self.record.machine(CONTROL).join("etcd").display().to_string();
        let mut command = vec![self.record.tool(daemon.name())];
        command.extend(daemon.arguments(&self.record.pki(), &data));
        if self.record.audited && daemon == Control::ApiServer {
            command.extend(audit::arguments(&self.record.machine(CONTROL))?);
        }
        self.control.begin(daemon.name(), &command, true)?;
        if daemon == Control::ApiServer { self.until_served() } else { Ok(()) }
    }

    /// Ends a daemon of the control plane by a signal.
    pub fn end(&self, daemon: Control, signal: Signal) -> anyhow::Result<()> {
        self.control.end(daemon.name(), signal)
    }

    /// Ends a daemon of the control plane and starts it again.
    pub fn restart(&self, daemon: Control, signal: Signal) -> anyhow::Result<()> {
        self.end(daemon, signal)?;
        self.begin(daemon)
    }

    /// Runs a command on a node, on this program's own standard streams; a shell if none is named.
    pub fn enter(&self, number: u8, command: &[String]) -> anyhow::Result<ExitStatus> {
        let shell = ["bash".to_owned()];
        self.node(number).machine().foreground(if command.is_empty() { &shell } else { command })
    }

    /// What programs in pods have asked the API server since it first began, in the order it was asked; nothing where it
    /// does not write that down.
    pub fn asked(&self) -> anyhow::Result<Vec<Asked>> {
        audit::read(&self.record.machine(CONTROL))
    }

    /// Waits until all nodes are ready.
    pub fn until_ready(&self) -> anyhow::Result<()> {
        for node in self.nodes() {
            self.until_registered(node)?;
        }
        self.until(&["--for=condition=Ready", "node", "--all"])
    }

    fn of(record: Record) -> anyhow::Result<Self> {
        let machine = |name: &str| -> anyhow::Result<Machine> {
            let full_name = record.full_name(name);
            let groups = Groups::of(&full_name, &record.above, record.huge_groups.as_deref())?;
            Ok(Machine::new(&full_name, &record.machine(name), groups))
        };
        let control = machine(CONTROL)?;
        let nodes =
            (1..=record.nodes).map(|n| machine(&format!("node{n}"))).collect::<anyhow::Result<_>>()?;
        let images = Mutex::new(vec![record.folder.join("images/rig.tar")]);
        Ok(Self { record, control, nodes, images, down: false })
    }

    fn images(&self) -> Vec<PathBuf> {
        self.images.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.down {
            // What is left stands in its record, for the next one to sweep.
            let _left = self.take_down();
        }
    }
}

/// Does something for all nodes at once; the first fault is told.
fn on_all<'a>(
    nodes: impl Iterator<Item = Node<'a>>,
    work: impl Fn(Node<'a>) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = nodes.map(|node| scope.spawn(move || work(node))).collect();
        let ended: Vec<_> =
            running.into_iter().map(|t| t.join().expect("a node's work does not panic")).collect();
        ended.into_iter().collect()
    })
}
