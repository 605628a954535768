//! Pods as kubelet and Multus make them, as far as the plugin sees: a directory, a namespace, an environment.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;
use nix::mount::{MsFlags, mount, umount};
use serde_json::Value;

use super::private::Private;

/// The plugin and the node it is installed on.
#[derive(Debug)]
pub(super) struct Plugin {
    program: PathBuf,
    root: PathBuf,
    pods: RefCell<Vec<Pod>>,
}

/// A pod with one attachment.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    name: String,
    container: String,
    uid: String,
    netns: String,
    nad: String,
    /// Where the pod has mounted its volume.
    mounted: PathBuf,
}

/// An attachment, as the pod gets to know it.
#[derive(Debug)]
pub(super) struct Attached {
    /// The socket, where the pod sees it.
    pub(super) socket: PathBuf,
    /// Its address, if there is IPAM.
    pub(super) address: Option<String>,
}

impl Plugin {
    /// Writes the node's configuration.
    pub(super) fn install(place: &Private, program: &Path) -> anyhow::Result<Self> {
        let root = place.folder().join("node");
        fs::create_dir_all(root.join("etc/flyover"))?;
        let config = serde_json::json!({
            "database": place.folder().join("ovs/db.sock"),
            "rundir": place.folder().join("ovs"),
            "socketRoot": place.folder().join("vhost"),
        });
        fs::write(root.join("etc/flyover/cni.json"), config.to_string())?;
        Ok(Self { program: program.to_owned(), root, pods: RefCell::default() })
    }

    /// Makes a pod with a volume `shared-dir` and attaches it by a network that is taken as it is.
    pub(super) fn attach(&self, name: &str, nad: &str) -> anyhow::Result<Attached> {
        let number = self.pods.borrow().len() + 1;
        let pod = Pod {
            name: name.to_owned(),
            container: format!("{number:x}").repeat(64),
            uid: format!("00000000-0000-4000-8000-{number:012x}"),
            netns: format!("fo-demo-{}-{number}", std::process::id()),
            nad: nad.to_owned(),
            mounted: self.root.join(format!("p{number}")),
        };
        let volume = self
            .root
            .join(format!("var/lib/kubelet/pods/{}/volumes/kubernetes.io~empty-dir/shared-dir", pod.uid));
        fs::create_dir_all(&volume)?;
        fs::create_dir_all(&pod.mounted)?;
        mount(Some(&volume), &pod.mounted, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Netns::create(&pod.netns)?;
        self.pods.borrow_mut().push(pod.clone());
        let result = self.call("ADD", &pod).with_context(|| format!("failed to attach {name}"))?;
        let result: Value = serde_json::from_str(&result)?;
        let address = result.pointer("/ips/0/address").and_then(Value::as_str).map(str::to_owned);
        let socket = pod.mounted.join(format!("{}-net1", &pod.container[..12]));
        Ok(Attached { socket, address })
    }

    /// Detaches all pods, and goes on after a fault.
    pub(super) fn detach_all(&self) -> anyhow::Result<()> {
        let mut ended = Ok(());
        for pod in self.pods.borrow_mut().drain(..) {
            let gone = self.call("DEL", &pod).with_context(|| format!("failed to detach {}", pod.name));
            let unmounted = umount(&pod.mounted).context("failed to unmount a pod's volume");
            let deleted = Netns::delete(&pod.netns).context("failed to delete a pod's namespace");
            ended = ended.and(gone.map(drop)).and(unmounted).and(deleted);
        }
        ended
    }

    fn call(&self, verb: &str, pod: &Pod) -> anyhow::Result<String> {
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=demo;K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};K8S_POD_UID={}",
            pod.name, pod.container, pod.uid
        );
        let environment = [
            ("FLYOVER_ROOT", self.root.display().to_string()),
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_CONTAINERID", pod.container.clone()),
            ("CNI_NETNS", format!("/run/netns/{}", pod.netns)),
            ("CNI_IFNAME", "net1".to_owned()),
            ("CNI_PATH", "/usr/lib/cni".to_owned()),
            ("CNI_ARGS", args),
        ];
        let command = Cmd::new(&self.program).stdin(pod.nad.as_bytes());
        let command =
            environment.into_iter().fold(command, |command, (name, value)| command.env(name, value));
        let ended = command.end()?;
        anyhow::ensure!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
        Ok(ended.stdout)
    }
}
