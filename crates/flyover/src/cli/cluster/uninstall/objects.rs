//! Removing what was installed, in the order in which nobody makes it anew.

use std::time::Duration;

use kube::Client;
use kube::api::DeleteParams;

use super::super::left::{self, Found};
use super::super::progress::Progress;
use super::super::told;

/// Removes all with our marks; hands back what keeps the namespace from being removed.
pub(super) async fn remove(
    client: &Client,
    purge: bool,
    progress: &mut Progress,
) -> anyhow::Result<Vec<String>> {
    let found = left::objects(client).await?;
    let mut kept = Vec::new();
    for object in found.iter().filter(|object| object.kind != "Namespace" && object.kind != "Pod") {
        delete(object).await?;
        // Whoever works for us must be gone before what it works on.
        if ["Deployment", "DaemonSet", "CustomResourceDefinition"].contains(&object.kind) {
            gone(object, progress).await?;
        }
    }
    for namespace in found.iter().filter(|object| object.kind == "Namespace") {
        let foreign = if purge { Vec::new() } else { left::foreign(client, &namespace.name).await? };
        if foreign.is_empty() && !is_of_cluster(&namespace.name) {
            delete(namespace).await?;
            gone(namespace, progress).await?;
        } else {
            kept.extend(foreign);
        }
    }
    Ok(kept)
}

/// Namespaces that Kubernetes itself needs are never ours, whatever label they bear.
pub(in crate::cli::cluster) fn is_of_cluster(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-")
}

async fn delete(object: &Found) -> anyhow::Result<()> {
    // A workload is gone only when its pods are; nothing else of ours owns anything.
    let owns_pods = ["Deployment", "DaemonSet"].contains(&object.kind);
    let how = if owns_pods { DeleteParams::foreground() } else { DeleteParams::background() };
    match object.api.delete(&object.name, &how).await {
        Err(error) if !told::is_absent(&error) => {
            Err(told::error(&format!("failed to delete {}", object.title()), error))
        }
        _ => Ok(()),
    }
}

async fn gone(object: &Found, progress: &mut Progress) -> anyhow::Result<()> {
    let failed = |error| told::error(&format!("failed to look at {}", object.title()), error);
    while object.api.get_metadata_opt(&object.name).await.map_err(failed)?.is_some() && !progress.is_over() {
        progress.say(&format!("waiting until {} is gone", object.title()));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
