//! What pods of the plugin before us read from their annotations.
//!
//! Invariant: it is written for them and never read back. Nothing is published unless the network names a kubeconfig that
//! the node allows and that is there. The plugin itself does not speak to the API server, which would make it several times
//! as large and ADD wait for it: the payload lies in the state, and `flyover switch run` publishes it by server-side apply.

use serde_json::{Value, json};

use crate::netconf::Mode;
use crate::node::Node;
use crate::state::State;

/// Where a pod has its `shared-dir` unless it says otherwise.
const MAPPED_DIR: &str = "/var/lib/cni/usrspcni";

/// What is to be published of an attachment, without its addresses.
#[must_use]
pub fn publication(node: &Node, state: &State) -> Option<Value> {
    let port = state.port.as_ref()?;
    let kubeconfig = port.wish.kubeconfig.as_ref()?;
    let allowed = node.kubeconfigs.iter().any(|path| path.as_os_str() == kubeconfig.as_str());
    let there = allowed && std::path::Path::new(kubeconfig).is_file();
    let pod = state.pod.as_ref().filter(|_| there)?;
    let mode = match port.wish.mode {
        Mode::Client => "server",
        Mode::Server => "client",
    };
    let file = state.sockets.file.as_ref()?;
    Some(json!({
        "kubeconfig": kubeconfig,
        "pod": pod.name,
        "configuration-data": {
            "containerId": state.attachment.container,
            "ifName": state.attachment.ifname,
            "name": state.attachment.network,
            "config": {
                "engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "interface", "memif": {},
                "vhost": {"mode": mode, "socketfile": file}, "bridge": {}
            },
            "ipResult": {"dns": {}}
        },
        "mapped-dir": MAPPED_DIR
    }))
}

/// Adds what ADD answered, in the form of the newest version.
pub fn complete(publication: &mut Value, result: &Value) {
    let mut result = result.clone();
    if let Some(fields) = result.as_object_mut() {
        fields.remove("cniVersion");
        fields.entry("dns").or_insert_with(|| json!({}));
    }
    publication["configuration-data"]["ipResult"] = result;
}
