//! How a cluster of the rig comes up, and how it goes.
//!
//! Invariant: all is decided and written down before anything is made; what goes, goes whatever fails on the way.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use flyover_net::netns::Netns;

use super::pki::Pki;
use super::record::Record;
use super::{
    CONTROL, Cluster, Control, Daemon, Node, Options, audit, groups, images, machine, network, on_all,
};
use crate::hugepages::Hugepages;

/// From the start of the API server until it serves.
const SERVE: Duration = Duration::from_secs(600);
/// What a cluster has beside Kubernetes.
const MANIFEST: &str = include_str!("cluster.yaml");

/// Trees that `machine.sh` gives each machine a view of its own of. The rig's folder has to be the same for all.
const OWN_TREES: [&str; 10] =
    ["/boot", "/dev", "/etc", "/opt", "/proc", "/run", "/sys", "/usr", "/var/lib", "/var/log"];

impl Cluster {
    pub(super) fn raise(&mut self, hugepages: u64) -> anyhow::Result<()> {
        self.machines().try_for_each(|machine| remove(&self.record.machine(&machine)))?;
        if hugepages > 0 {
            Hugepages::raise(hugepages)?;
            self.record.hugepages = hugepages;
            self.record.save()?;
        }
        if let Some(place) = self.record.huge_groups.clone() {
            groups::mount_huge(&place)?;
        }
        let pki = Pki::create(&self.record.folder.join("pki"), self.record.nodes, self.record.door)?;
        fs::copy(pki.kubeconfig("admin"), self.kubeconfig())?;
        let pause = self.record.tool("pause");
        images::create(&self.record.folder.join("images"), &pause)?;
        network::filter_bridges()?;
        network::create_control(&self.control.full_name)?;
        self.control.boot(CONTROL, Path::new(&pause), self.record.kept())?;
        self.open_door()?;
        for daemon in Control::ALL {
            self.begin(daemon)?;
        }
        self.apply(MANIFEST)?;
        on_all(self.nodes(), |node| node.start())?;
        self.until_ready()?;
        // Pods are refused before it.
        self.until(&["--for=create", "serviceaccount/default"])
    }

    /// Leads a port of the machine's loopback to the API server, for as long as the control plane stands.
    fn open_door(&self) -> anyhow::Result<()> {
        let listen = format!("TCP-LISTEN:{},bind=127.0.0.1,fork,reuseaddr", self.record.door);
        let api = network::API_PORT;
        // The first process of the machine is in the network that the door leads to.
        let lead = format!("EXEC:nsenter --target=1 --net socat STDIO TCP\\:127.0.0.1\\:{api},nofork");
        self.control.begin("door", &["socat".into(), listen, lead], false)
    }

    pub(super) fn until_served(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SERVE;
        while let Err(error) = self.kubectl(&["get", "--raw", "/readyz"]) {
            if Instant::now() > deadline {
                let log = self.control.log(Control::ApiServer.name());
                bail!("the API server does not serve after {SERVE:?}: {error:#}; see `{}`", log.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn until_registered(&self, node: Node<'_>) -> anyhow::Result<()> {
        let name = format!("node/{}", node.name());
        self.until(&["--for=create", &name])
            .with_context(|| format!("{name} has not come; see `{}`", node.log(Daemon::Kubelet).display()))
    }

    /// The addresses of a node's pods, once the cluster has given it some.
    pub(super) fn range_of(&self, node: Node<'_>) -> anyhow::Result<String> {
        self.until_registered(node)?;
        let name = format!("node/{}", node.name());
        self.until(&["--for=jsonpath={.spec.podCIDR}", &name])?;
        self.kubectl(&["get", &name, "--output=jsonpath={.spec.podCIDR}"])
    }

    /// Goes on whatever fails, and tells all of it.
    pub(super) fn take_down(&mut self) -> anyhow::Result<()> {
        self.down = true;
        let mut faults = Vec::new();
        let mut note = |done: anyhow::Result<()>| faults.extend(done.err().map(|error| format!("{error:#}")));
        for machine in self.nodes.iter().chain([&self.control]) {
            note(machine.kill());
            note(Netns::delete(&machine.full_name).map_err(Into::into));
        }
        if let Some(place) = &self.record.huge_groups {
            note(groups::unmount_huge(place));
        }
        if self.record.hugepages > 0 {
            note(Hugepages(self.record.hugepages).give_back());
        }
        note(groups::take_back(&self.record.lent));
        note(self.remove_files());
        ensure!(faults.is_empty(), "cluster {} is not all gone: {}", self.record.name, faults.join("; "));
        self.record.forget()
    }

    fn remove_files(&self) -> anyhow::Result<()> {
        let folder = &self.record.folder;
        let mut paths =
            vec![folder.join("pki"), folder.join("images"), folder.join("huge"), self.kubeconfig()];
        for machine in self.machines() {
            let parts = ["disk", "etcd", "settings", "sysctl", "ready", "init", "machine.sh", audit::FILE];
            paths.extend(parts.map(|part| self.record.machine(&machine).join(part)));
        }
        paths.iter().try_for_each(|path| remove(path))
    }

    fn machines(&self) -> impl Iterator<Item = String> {
        [CONTROL.to_owned()].into_iter().chain((1..=self.record.nodes).map(|n| format!("node{n}")))
    }
}

/// Everything about a cluster that is decided before it is made.
pub(super) fn prepare(options: &Options) -> anyhow::Result<Record> {
    ensure!((1..=9).contains(&options.nodes), "a cluster of the rig has 1 to 9 nodes");
    let stamp = options.tools.join("version");
    ensure!(
        stamp.exists(),
        "there is no Kubernetes in `{}`\n  hint: `make setup-cluster` builds it",
        options.tools.display()
    );
    fs::create_dir_all(&options.folder)?;
    let folder = options.folder.canonicalize()?;
    let spaced = folder.to_string_lossy().contains(char::is_whitespace);
    ensure!(!spaced, "`{}` has a space in it, which not all daemons can bear", folder.display());
    let hidden = OWN_TREES.iter().find(|tree| folder.starts_with(tree));
    ensure!(
        hidden.is_none(),
        "`{}` is where nodes have a view of their own: choose another",
        folder.display()
    );
    let own = process::id();
    let name = options.keep.clone().unwrap_or_else(|| format!("{own}-{}", count()));
    let door = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let place = folder.join("huge");
    let huge_groups = groups::huge_known()?.then_some(place);
    Ok(Record {
        name,
        owner: options.keep.is_none().then_some((own, machine::start_of(own).context("this program runs")?)),
        folder,
        tools: options.tools.canonicalize()?,
        nodes: options.nodes,
        proxy: options.proxy,
        kubelet: options.kubelet.clone(),
        audited: options.audited,
        door,
        hugepages: 0,
        above: groups::own()?,
        huge_groups,
        lent: groups::lacking()?,
    })
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

fn count() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
