//! The demo's cluster, and what is asked of it again and again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use flyover_host::cmd::Cmd;
use flyover_testkit::cluster::{Cluster, Options};
use flyover_testkit::hugepages::Found;

use super::interrupt;
use crate::demo::say;

/// The pods that the tests of the cluster use: one answers ping-pong, and serves 64 MiB behind a service of its name.
const POD: &str = include_str!("../../../flyover/tests/scenarios/pod.yaml");
const IMAGES: [&str; 2] = ["flyover-agent", "flyover-operator"];

/// The cluster.
pub(super) struct Stage {
    cluster: Cluster,
    flyover: PathBuf,
    images: PathBuf,
    /// Where kubectl finds its plugin.
    path: PathBuf,
    /// Nodes share hugepages with the machine: a demo that fails must not leave theirs.
    _found: Found,
}

impl Stage {
    /// Raises it.
    pub(super) fn raise(root: &Path, programs: &Path, images: &Path) -> anyhow::Result<Self> {
        let flyover = programs.join("flyover");
        let mut needed = [flyover.clone()].into_iter().chain(IMAGES.map(|image| images.join(image)));
        if let Some(path) = needed.find(|path| !path.exists()) {
            anyhow::bail!("there is no `{}`\n  hint: `make demo-cluster` builds it", path.display());
        }
        let folder = root.join("target/demo-cluster");
        let options = Options::new(&folder, &root.join("target/tools/kubernetes"));
        let found = Found::now()?;
        let cluster = Cluster::up(&Options { audited: true, ..options })?;
        let path = folder.join("bin");
        let images = images.to_owned();
        Ok(Self { cluster, flyover: flyover.canonicalize()?, images, path, _found: found })
    }

    /// Gives the nodes the images, and kubectl its plugin.
    pub(super) fn load(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.path)?;
        let plugin = self.path.join("kubectl-flyover");
        drop(fs::remove_file(&plugin));
        symlink(&self.flyover, &plugin).with_context(|| format!("failed to link `{}`", plugin.display()))?;
        interrupt::check()?;
        IMAGES.iter().try_for_each(|image| self.cluster.load_image(&self.images.join(image)))
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where its daemons' logs are, and stay.
    pub(super) fn logs(&self) -> &Path {
        self.cluster.logs()
    }

    /// Takes it away.
    pub(super) fn take_down(self) -> anyhow::Result<()> {
        let unlinked = fs::remove_dir_all(&self.path);
        self.cluster.down()?;
        unlinked.with_context(|| format!("failed to remove `{}`", self.path.display()))
    }

    /// Has the viewer see a verb of `kubectl flyover`, as its user does.
    pub(super) fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        interrupt::check()?;
        say(format!("== kubectl flyover {}", arguments.join(" ")));
        let status = self.plugin(arguments).foreground()?;
        interrupt::check()?;
        ensure!(status.success(), "`kubectl flyover {}` ended with {status}", arguments.join(" "));
        Ok(())
    }

    fn plugin(&self, arguments: &[&str]) -> Cmd {
        let path = std::env::var("PATH").unwrap_or_default();
        Cmd::new(self.cluster.tools().join("kubectl"))
            .args(["flyover"])
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.path.display()))
            .env("KUBECONFIG", self.cluster.kubeconfig())
    }

    /// That nothing is left on the nodes either, by their own words.
    pub(super) fn verify_nodes(&self) -> anyhow::Result<()> {
        let flyover = self.flyover.display().to_string();
        self.cluster
            .nodes()
            .try_for_each(|node| node.exec(&[&flyover, "verify", "--removed", "--node"]).map(drop))
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        interrupt::check()?;
        self.cluster.kubectl(arguments)
    }

    /// A pod on a node, with a service.
    pub(super) fn pod(&self, name: &str, node: &str) -> anyhow::Result<()> {
        self.cluster.apply(&POD.replace("NAME", name).replace("NODE", node))
    }

    /// Packets that the first node's overlay device has carried, both ways.
    pub(super) fn carried(&self) -> anyhow::Result<u64> {
        Ok(self.cluster.node(1).overlay_packets()?.iter().sum())
    }
}
