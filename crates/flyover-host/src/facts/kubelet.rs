//! How kubelet divides the host, as its configuration file says. What is overridden by flags is not seen.

use flyover_core::HostPath;
use flyover_core::facts::KubeletFacts;
use serde::Deserialize;

use crate::root::HostRoot;

/// Where kubeadm puts it.
const CONFIG: &str = "/var/lib/kubelet/config.yaml";

/// The fields that matter, of a KubeletConfiguration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    cpu_manager_policy: Option<String>,
    topology_manager_policy: Option<String>,
    memory_manager_policy: Option<String>,
    #[serde(rename = "reservedSystemCPUs")]
    reserved_system_cpus: Option<String>,
}

/// Reads kubelet's configuration.
pub(super) fn read(host: &HostRoot) -> Option<KubeletFacts> {
    let path = HostPath::fixed(CONFIG);
    let text = host.text(&path)?;
    let config: Config = serde_saphyr::from_str(&text)
        .inspect_err(|error| tracing::warn!(%path, %error, "kubelet's configuration is not read"))
        .ok()?;
    Some(KubeletFacts {
        config: path,
        cpu_manager: config.cpu_manager_policy,
        topology_manager: config.topology_manager_policy,
        memory_manager: config.memory_manager_policy,
        reserved_cpus: config.reserved_system_cpus.and_then(|cpus| cpus.parse().ok()),
    })
}
