//! A directory for a kubelet, a plugin in it, and the shortest way to say what it is to have.

use std::fs;
use std::path::PathBuf;

use flyover_core::NumaNode;
use flyover_kubelet::wire::device::{self as wire, HEALTHY, ListAndWatchResponse, UNHEALTHY};
use flyover_kubelet::{
    Allocation, Device, Health, Plugin, Registration, Resource, ResourceName, Resources, States,
};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::kubelet::{Kubelet, LIMIT, Manners};

pub(crate) const BR0: &str = "flyover.dev/switch-br0";
pub(crate) const BR1: &str = "flyover.dev/switch-br1";

/// A machine with a directory for kubelet, which need not be there yet.
pub(crate) struct Stage {
    root: tempfile::TempDir,
}

/// A plugin that runs.
pub(crate) struct Running {
    pub(crate) plugin: Plugin,
    pub(crate) wanted: watch::Sender<Resources>,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().join("device-plugins")
    }

    pub(crate) fn kubelet(&self) -> Kubelet {
        self.kubelet_with(Manners::default())
    }

    pub(crate) fn kubelet_with(&self, manners: Manners) -> Kubelet {
        Kubelet::start(&self.directory(), manners)
    }

    pub(crate) fn plugin(&self, resources: Resources) -> Running {
        let (wanted, resources) = watch::channel(resources);
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let (plugin, task) = Plugin::start(self.directory(), resources, stopped).unwrap();
        Running { plugin, wanted, task, stop: Some(stop) }
    }

    /// The sockets in kubelet's directory but for its own, in order.
    pub(crate) fn sockets(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "kubelet.sock");
        names.sort();
        names
    }
}

impl Running {
    /// Waits until the registration of br0 is as wanted, and gives all states.
    pub(crate) async fn until(&self, holds: impl Fn(&Registration) -> bool) -> States {
        let mut states = self.plugin.states();
        let br0 = name(BR0);
        let found =
            states.wait_for(|states| states.get(&br0).is_some_and(|state| holds(&state.registration)));
        let found = tokio::time::timeout(LIMIT, found).await.map(|states| states.unwrap().clone());
        found.unwrap_or_else(|_| panic!("it came to {:#?}", self.plugin.state()))
    }

    pub(crate) async fn registered(&self) {
        self.until(|registration| *registration == Registration::Registered).await;
    }

    /// Ends it as a signal would, and waits for that.
    pub(crate) async fn end(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(LIMIT, &mut self.task).await.expect("ends in time").unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn name(name: &str) -> ResourceName {
    name.parse().unwrap()
}

/// Devices written as `id` for a healthy one, `!id` for one that is not, and `id@1` for one on NUMA node 1.
pub(crate) fn resource(devices: &[&str]) -> Resource {
    let device = |text: &&str| {
        let (text, numa) = text.split_once('@').map_or((*text, None), |(id, numa)| (id, Some(numa)));
        let (id, health) =
            text.strip_prefix('!').map_or((text, Health::Healthy), |id| (id, Health::Unhealthy));
        (id.parse().unwrap(), Device { health, numa: numa.map(|node| NumaNode(node.parse().unwrap())) })
    };
    Resource { devices: devices.iter().map(device).collect(), allocation: Allocation::default() }
}

pub(crate) fn one(resource_name: &str, devices: &[&str]) -> Resources {
    [(name(resource_name), resource(devices))].into()
}

/// The same as kubelet is told it.
pub(crate) fn list(devices: &[&str]) -> ListAndWatchResponse {
    let device = |(id, device): (flyover_kubelet::DeviceId, Device)| wire::Device {
        id: id.to_string(),
        health: if device.health == Health::Healthy { HEALTHY.into() } else { UNHEALTHY.into() },
        topology: device
            .numa
            .map(|node| wire::TopologyInfo { nodes: vec![wire::NumaNode { id: node.0.into() }] }),
    };
    ListAndWatchResponse { devices: resource(devices).devices.into_iter().map(device).collect() }
}
