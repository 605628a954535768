//! Asks kubelet which container holds which devices.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::KubeletError;
use crate::rpc;
use crate::wire::pods::{LIST, ListPodResourcesRequest, ListPodResourcesResponse};

/// How long kubelet may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Kubelet's list of who holds what.
#[derive(Clone, Debug)]
pub struct PodResources {
    socket: PathBuf,
}

/// A container that holds devices of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// The resource. It may be anybody's.
    pub resource: String,
    /// The devices.
    pub devices: Vec<String>,
}

impl PodResources {
    /// The kubelet that answers at this socket.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Every container that holds devices, in order. Kubelet allows 100 such questions a second from all who ask.
    pub async fn holders(&self) -> Result<Vec<Holder>, KubeletError> {
        let listed = list(&self.socket).await.map_err(|source| KubeletError::PodResources {
            socket: self.socket.clone(),
            source: Box::new(source),
        })?;
        let mut holders = holders(listed);
        holders.sort();
        Ok(holders)
    }
}

async fn list(socket: &Path) -> Result<ListPodResourcesResponse, tonic::Status> {
    let asked = async {
        let channel = rpc::connect(socket).await?;
        rpc::ask(channel, LIST, ListPodResourcesRequest {}, LIMIT).await
    };
    let late = |_| Err(tonic::Status::deadline_exceeded("kubelet does not accept a connection"));
    tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(late)
}

/// The devices of one resource stand apart by NUMA node; they are put together again.
fn holders(listed: ListPodResourcesResponse) -> Vec<Holder> {
    let mut holders: Vec<Holder> = Vec::new();
    for pod in listed.pod_resources {
        for container in pod.containers {
            let first = holders.len();
            for held in container.devices {
                if held.device_ids.is_empty() {
                    continue;
                }
                match holders[first..].iter_mut().find(|holder| holder.resource == held.resource_name) {
                    Some(holder) => holder.devices.extend(held.device_ids),
                    None => holders.push(Holder {
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                        resource: held.resource_name,
                        devices: held.device_ids,
                    }),
                }
            }
            holders[first..].iter_mut().for_each(|holder| holder.devices.sort());
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pods::{ContainerDevices, ContainerResources, PodResources as Pod};

    fn devices(resource: &str, ids: &[&str]) -> ContainerDevices {
        let device_ids = ids.iter().map(|&id| id.to_owned()).collect();
        ContainerDevices { resource_name: resource.into(), device_ids, topology: None }
    }

    #[test]
    fn devices_of_one_container_are_together_whatever_numa_node_they_are_on() {
        let held =
            vec![devices("a/b", &["2"]), devices("c/d", &["9"]), devices("a/b", &["1"]), devices("e/f", &[])];
        let container = |name: &str, devices| ContainerResources { name: name.into(), devices };
        let containers = vec![container("one", held), container("two", vec![devices("a/b", &["3"])])];
        let pod = Pod { name: "pod".into(), namespace: "ns".into(), containers };
        let holder = |container: &str, resource: &str, ids: &[&str]| Holder {
            namespace: "ns".into(),
            pod: "pod".into(),
            container: container.into(),
            resource: resource.into(),
            devices: ids.iter().map(|&id| id.to_owned()).collect(),
        };
        assert_eq!(
            holders(ListPodResourcesResponse { pod_resources: vec![pod] }),
            [holder("one", "a/b", &["1", "2"]), holder("one", "c/d", &["9"]), holder("two", "a/b", &["3"])]
        );
    }
}
