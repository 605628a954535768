//! A node of a cluster of the rig: containerd, kubelet, kube-proxy and flannel in namespaces of their own, and its disk.
//!
//! Invariant: what a reboot loses is lost here too, and what is on its disk stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use nix::sys::signal::Signal;

use super::machine::Machine;
use super::{Cluster, network, settings};

/// For what is asked of a node.
const ANSWER: Duration = Duration::from_secs(60);
/// For unpacking one image, and for a daemon to be well. Longer than a script waits.
const LONG: Duration = Duration::from_secs(330);

/// A daemon of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// `containerd`.
    Containerd,
    /// `kubelet`.
    Kubelet,
    /// `kube-proxy`.
    Proxy,
    /// `flanneld`.
    Flannel,
}

impl Daemon {
    /// Its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Flannel => "flanneld",
        }
    }
}

/// A node, running or not.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) number: u8,
}

impl Node<'_> {
    pub(super) fn machine(&self) -> &Machine {
        &self.cluster.nodes[usize::from(self.number) - 1]
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        network::address(self.number)
    }

    /// Its network namespace, named as `ip netns` does.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.machine().full_name
    }

    /// What its daemons write.
    #[must_use]
    pub fn log(&self, daemon: Daemon) -> PathBuf {
        self.machine().log(daemon.name())
    }

    /// Runs a command in all of its namespaces; its standard output.
    pub fn exec(&self, command: &[&str]) -> anyhow::Result<String> {
        self.machine().run(command, b"", ANSWER)
    }

    /// The same, with something to read and a limit.
    pub fn exec_with(&self, command: &[&str], input: &[u8], limit: Duration) -> anyhow::Result<String> {
        self.machine().run(command, input, limit)
    }

    /// Packets that its overlay device has sent and received.
    pub fn overlay_packets(&self) -> anyhow::Result<[u64; 2]> {
        let files = ["tx", "rx"].map(|way| format!("/sys/class/net/flannel.1/statistics/{way}_packets"));
        let [sent, received] = files.map(|file| self.exec(&["cat", &file]));
        Ok([sent?.trim().parse()?, received?.trim().parse()?])
    }

    /// The process that holds it, in the eyes of this program: for `nsenter` and `/proc/ID/root`.
    #[must_use]
    pub fn init(&self) -> Option<u32> {
        self.machine().init()
    }

    /// A power failure: everything that runs in it is killed at once, and its links are gone. Its disk stays.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.machine().kill()?;
        network::delete_node(&self.cluster.control.full_name, self.namespace(), self.number)
    }

    /// Boots it, and waits until its pods' network is there.
    pub fn start(&self) -> anyhow::Result<()> {
        network::create_node(&self.cluster.control.full_name, self.namespace(), self.number)?;
        let fresh = !self.folder().join("disk").exists();
        let pause = self.cluster.record.tool("pause");
        self.machine().boot(&self.name(), Path::new(&pause), self.cluster.record.kept())?;
        self.write_settings()?;
        if fresh {
            self.install_plugins()?;
        }
        self.begin(Daemon::Containerd)?;
        if fresh {
            self.cluster.images().iter().try_for_each(|image| self.load_image(image))?;
        }
        self.begin(Daemon::Kubelet)?;
        self.begin(Daemon::Proxy)?;
        let range = self.cluster.range_of(*self)?;
        network::route_pods(&self.cluster.control.full_name, self.number, &range)?;
        self.begin(Daemon::Flannel)?;
        self.join_pods(&range)
    }

    /// Starts a daemon; containerd and kubelet are waited for. kubelet ends if containerd does not answer it at its start.
    pub fn begin(&self, daemon: Daemon) -> anyhow::Result<()> {
        self.machine().begin(daemon.name(), &self.command(daemon), true)?;
        let well = match daemon {
            Daemon::Containerd => "ctr version",
            Daemon::Kubelet => "busybox wget -qO- http://127.0.0.1:10248/healthz",
            Daemon::Proxy | Daemon::Flannel => return Ok(()),
        };
        let wait = format!(
            "for look in $(seq 3000); do {well} && exit; kill -0 $(cat /run/rig/$0) || exit; sleep 0.05; done"
        );
        let wait = format!("({wait}) >/dev/null 2>&1; {well}");
        self.exec_with(&["sh", "-c", &wait, daemon.name()], b"", LONG).with_context(|| {
            format!("{} is not well; see `{}`", daemon.name(), self.log(daemon).display())
        })?;
        Ok(())
    }

    /// Ends a daemon by a signal. Containers go on without containerd, and pods without kubelet.
    pub fn end(&self, daemon: Daemon, signal: Signal) -> anyhow::Result<()> {
        self.machine().end(daemon.name(), signal)
    }

    /// Ends a daemon and starts it again.
    pub fn restart(&self, daemon: Daemon, signal: Signal) -> anyhow::Result<()> {
        self.end(daemon, signal)?;
        self.begin(daemon)
    }

    /// Whether a daemon runs.
    pub fn runs(&self, daemon: Daemon) -> anyhow::Result<bool> {
        self.machine().runs(daemon.name())
    }

    /// Gives containerd an image: an archive of an OCI layout.
    pub fn load_image(&self, archive: &Path) -> anyhow::Result<()> {
        let archive = archive.display().to_string();
        self.exec_with(&["ctr", "--namespace", "k8s.io", "images", "import", &archive], b"", LONG)?;
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.cluster.record.machine(&self.name())
    }

    fn settings(&self, file: &str) -> String {
        self.folder().join("settings").join(file).display().to_string()
    }

    fn write_settings(&self) -> anyhow::Result<()> {
        fs::create_dir_all(self.folder().join("settings"))?;
        let pki = self.cluster.record.pki();
        let files = [
            ("containerd.toml", settings::containerd()),
            ("kubelet.yaml", settings::kubelet(self.number, &pki, &self.cluster.record.kubelet)),
            ("kube-proxy.yaml", settings::proxy(self.number, self.cluster.record.proxy, &pki)),
            ("flannel.json", settings::flannel()),
        ];
        for (file, text) in files {
            let path = self.settings(file);
            fs::write(&path, text).with_context(|| format!("failed to write `{path}`"))?;
        }
        Ok(())
    }

    /// The plugins' own copies, since whoever installs one more on the node writes to that folder.
    fn install_plugins(&self) -> anyhow::Result<()> {
        let install = "mkdir -p /opt/cni/bin /etc/cni/net.d/multus.d && cp -a /usr/lib/cni/. \"$0\" /opt/cni/bin/ \
                       && cp \"$1\" /etc/cni/net.d/multus.d/multus.kubeconfig";
        let record = &self.cluster.record;
        self.exec(&["sh", "-c", install, &record.tool("multus"), &record.pki().kubeconfig("multus")])?;
        Ok(())
    }

    fn command(&self, daemon: Daemon) -> Vec<String> {
        let pki = self.cluster.record.pki();
        let [name, address] = [self.name(), self.address()];
        let arguments = match daemon {
            Daemon::Containerd => {
                return vec!["containerd".into(), "--config".into(), self.settings("containerd.toml")];
            }
            Daemon::Kubelet => vec![
                format!("--config={}", self.settings("kubelet.yaml")),
                format!("--kubeconfig={}", pki.kubeconfig(&name)),
                format!("--hostname-override={name}"),
                format!("--node-ip={address}"),
                "--v=2".into(),
            ],
            Daemon::Proxy => vec![format!("--config={}", self.settings("kube-proxy.yaml")), "--v=2".into()],
            Daemon::Flannel => vec![
                "--kube-subnet-mgr".into(),
                format!("--kubeconfig-file={}", pki.kubeconfig("flannel")),
                format!("--net-config-path={}", self.settings("flannel.json")),
                "--iface=eth0".into(),
                "--ip-masq".into(),
            ],
        };
        let program = self.cluster.record.tool(daemon.name());
        // How flannel is told which node it is on; the others do not read it.
        let node = ["env".into(), format!("NODE_NAME={name}")];
        node.into_iter().chain([program]).chain(arguments).collect()
    }

    /// Waits for flannel, and gives pods a network that fits it.
    fn join_pods(&self, range: &str) -> anyhow::Result<()> {
        let wait = "for look in $(seq 3000); do grep -s MTU /run/flannel/subnet.env && exit; sleep 0.05; done; exit 1";
        let mtu = self.exec_with(&["sh", "-c", wait], b"", LONG).with_context(|| {
            format!(
                "flannel has not come up on {}; see `{}`",
                self.name(),
                self.log(Daemon::Flannel).display()
            )
        })?;
        let mtu = mtu.trim().strip_prefix("FLANNEL_MTU=").context("flannel wrote no size of packets")?;
        let text = settings::pods(range, mtu);
        // Not moved there: containerd 1.6 looks at files that are written, not at those that come.
        let write = "cat >/etc/cni/net.d/00-multus.conf";
        self.exec_with(&["sh", "-c", write], text.as_bytes(), ANSWER).map(drop)
    }
}
