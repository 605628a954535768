//! What a node has for its pods: resources, their devices, and what a container gets with them.
//!
//! Invariant: nothing here does I/O; what can be asked of a resource is answered from what stands here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flyover_core::NumaNode;

use crate::name::{DeviceId, ResourceName};
use crate::wire::device as wire;

/// All resources of a node.
pub type Resources = BTreeMap<ResourceName, Resource>;

/// A resource. How many devices stand for something that can be shared is its owner's decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its devices.
    pub devices: BTreeMap<DeviceId, Device>,
    /// What a container gets that has one or more of them.
    pub allocation: Allocation,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whether it can be given. A container that has it keeps it.
    pub health: Health,
    /// Where it is, if it is nearer to some processors.
    pub numa: Option<NumaNode>,
}

/// Whether a device can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Healthy,
    /// No.
    Unhealthy,
}

/// What a container gets. A variable replaces one of the image, and one of the pod's spec replaces it: nothing is ever appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Variables of its environment.
    pub envs: BTreeMap<String, String>,
    /// Directories and files of the host.
    pub mounts: Vec<Mount>,
    /// Device nodes of the host.
    pub nodes: Vec<DeviceNode>,
    /// Annotations for the runtime.
    pub annotations: BTreeMap<String, String>,
    /// Names of devices of the Container Device Interface.
    pub cdi: Vec<String>,
}

/// A directory or file of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is.
    pub host: PathBuf,
    /// Where the container sees it.
    pub container: PathBuf,
    /// Whether the container may only read.
    pub read_only: bool,
}

/// A device node of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where it is.
    pub host: PathBuf,
    /// Where the container sees it.
    pub container: PathBuf,
    /// What the container may do: `r`, `w`, `m`.
    pub permissions: String,
}

/// Why devices are not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotGiven {
    #[error("{resource} has no device {id}")]
    Unknown { resource: ResourceName, id: String },
    #[error("device {id} of {resource} is not healthy")]
    Unhealthy { resource: ResourceName, id: String },
}

/// More characters of an id that is none of ours are not repeated: what is said of it goes into a header.
const SHOWN: usize = 80;

impl Resource {
    /// The same without devices.
    pub(crate) fn emptied(&self) -> Self {
        Self { devices: BTreeMap::new(), allocation: self.allocation.clone() }
    }

    pub(crate) fn list(&self) -> wire::ListAndWatchResponse {
        let device = |(id, device): (&DeviceId, &Device)| wire::Device {
            id: id.to_string(),
            health: match device.health {
                Health::Healthy => wire::HEALTHY.to_owned(),
                Health::Unhealthy => wire::UNHEALTHY.to_owned(),
            },
            topology: device
                .numa
                .map(|node| wire::TopologyInfo { nodes: vec![wire::NumaNode { id: node.0.into() }] }),
        };
        wire::ListAndWatchResponse { devices: self.devices.iter().map(device).collect() }
    }

    /// What a container gets, if all of `ids` can be given.
    pub(crate) fn allocate(
        &self,
        name: &ResourceName,
        ids: &[String],
    ) -> Result<wire::ContainerAllocateResponse, NotGiven> {
        for id in ids {
            let shown = || format!("{:?}", id.chars().take(SHOWN).collect::<String>());
            match self.devices.get(id.as_str()).map(|device| device.health) {
                Some(Health::Healthy) => {}
                Some(Health::Unhealthy) => {
                    return Err(NotGiven::Unhealthy { resource: name.clone(), id: shown() });
                }
                None => return Err(NotGiven::Unknown { resource: name.clone(), id: shown() }),
            }
        }
        Ok(self.allocation.said())
    }

    /// Which of `available` go together best: those that must be among them, then those on the same NUMA node, then those on
    /// the node that has most of them.
    pub(crate) fn preferred(&self, available: &[String], must: &[String], count: usize) -> Vec<String> {
        let numa = |id: &String| self.devices.get(id.as_str()).and_then(|device| device.numa);
        let near = |id: &String| must.iter().any(|must| numa(must) == numa(id));
        let neighbours = |id: &String| available.iter().filter(|other| numa(other) == numa(id)).count();
        let mut rest: Vec<&String> = available.iter().filter(|id| !must.contains(id)).collect();
        rest.sort_by_cached_key(|id| (!near(id), usize::MAX - neighbours(id), numa(id), (*id).clone()));
        must.iter().chain(rest).take(count).cloned().collect()
    }
}

impl Allocation {
    fn said(&self) -> wire::ContainerAllocateResponse {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mounts = self.mounts.iter().map(|mount| wire::Mount {
            container_path: text(&mount.container),
            host_path: text(&mount.host),
            read_only: mount.read_only,
        });
        let nodes = self.nodes.iter().map(|node| wire::DeviceSpec {
            container_path: text(&node.container),
            host_path: text(&node.host),
            permissions: node.permissions.clone(),
        });
        wire::ContainerAllocateResponse {
            envs: self.envs.clone(),
            mounts: mounts.collect(),
            devices: nodes.collect(),
            annotations: self.annotations.clone(),
            cdi_devices: self.cdi.iter().map(|name| wire::CdiDevice { name: name.clone() }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(devices: &[(&str, Health, Option<u32>)]) -> Resource {
        let device = |&(id, health, numa): &(&str, Health, Option<u32>)| {
            (id.parse().unwrap(), Device { health, numa: numa.map(NumaNode) })
        };
        Resource { devices: devices.iter().map(device).collect(), allocation: Allocation::default() }
    }

    fn ids(these: &[&str]) -> Vec<String> {
        these.iter().map(|&id| id.to_owned()).collect()
    }

    #[test]
    fn what_is_not_there_or_not_healthy_is_not_given_and_named() {
        let name: ResourceName = "flyover.dev/switch-br0".parse().unwrap();
        let resource = resource(&[("a", Health::Healthy, None), ("b", Health::Unhealthy, None)]);
        let refused = |these: &[&str]| resource.allocate(&name, &ids(these)).unwrap_err().to_string();
        assert!(resource.allocate(&name, &ids(&["a"])).is_ok());
        assert_eq!(refused(&["a", "b"]), "device \"b\" of flyover.dev/switch-br0 is not healthy");
        assert_eq!(refused(&["c", "b"]), "flyover.dev/switch-br0 has no device \"c\"");
        assert_eq!(refused(&["a\n\0"]), "flyover.dev/switch-br0 has no device \"a\\n\\0\"");
        let long = format!("flyover.dev/switch-br0 has no device \"{}\"", "x".repeat(80));
        assert_eq!(refused(&[&"x".repeat(1 << 20)]), long);
    }

    #[test]
    fn devices_of_one_numa_node_are_preferred() {
        let healthy = Health::Healthy;
        let resource = resource(&[
            ("a", healthy, Some(0)),
            ("b", healthy, Some(1)),
            ("c", healthy, Some(1)),
            ("d", healthy, None),
        ]);
        let all = ids(&["d", "c", "b", "a"]);
        assert_eq!(resource.preferred(&all, &[], 2), ids(&["b", "c"]));
        assert_eq!(resource.preferred(&all, &ids(&["a"]), 2), ids(&["a", "b"]));
        assert_eq!(resource.preferred(&all, &ids(&["c"]), 2), ids(&["c", "b"]));
        assert_eq!(resource.preferred(&all, &[], 9), ids(&["b", "c", "d", "a"]));
        assert_eq!(resource.preferred(&ids(&["stranger"]), &[], 1), ids(&["stranger"]));
    }
}
