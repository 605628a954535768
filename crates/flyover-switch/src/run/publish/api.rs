//! The one thing that is asked of the API server: that a pod has annotations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde_json::json;

use super::publication::Publication;

/// The name under which the annotations are ours.
const MANAGER: &str = "flyover-switch";

/// For one request, with connecting.
const LIMIT: Duration = Duration::from_secs(15);

/// Why annotations were not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("failed to read the kubeconfig `{path}`")]
    Kubeconfig { path: PathBuf, source: Box<KubeconfigError> },
    #[error("failed to make a client of the kubeconfig `{path}`")]
    Client { path: PathBuf, source: Box<kube::Error> },
    #[error("failed to annotate pod {pod}")]
    Pod { pod: String, source: Box<kube::Error> },
    #[error("failed to annotate pod {pod}: the API server gave no answer in {LIMIT:?}")]
    Late { pod: String },
    #[error("pod {pod} is not there any more")]
    Gone { pod: String },
}

/// A client by what a kubeconfig says now: its certificates and tokens are replaced while we run.
pub(super) async fn client(path: &Path) -> Result<Client, ApiError> {
    let wrong = |source| ApiError::Kubeconfig { path: path.to_owned(), source: Box::new(source) };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.map_err(wrong)?)
        .map_err(|source| ApiError::Client { path: path.to_owned(), source: Box::new(source) })
}

/// Has a pod have its annotations, whoever wrote them before; nothing else of it is touched.
pub(super) async fn annotate(client: &Client, publication: &Publication) -> Result<(), ApiError> {
    let pods: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &publication.pod.namespace, &pod_resource());
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(patch(publication));
    let applied = pods.patch_metadata(&publication.pod.name, &params, &patch);
    let pod = publication.pod.to_string();
    match tokio::time::timeout(LIMIT, applied).await {
        Err(_) => Err(ApiError::Late { pod }),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if is_gone(&error) => Err(ApiError::Gone { pod }),
        Ok(Err(source)) => Err(ApiError::Pod { pod, source: Box::new(source) }),
    }
}

/// With its uid, where that is known: what is applied to a pod that is not there would make one, and one of the same name
/// may be another.
fn patch(publication: &Publication) -> serde_json::Value {
    let mut patch = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": publication.pod.name, "annotations": publication.annotations}});
    if let Some(uid) = &publication.pod.uid {
        patch["metadata"]["uid"] = json!(uid);
    }
    patch
}

/// Not found; or found to be another one; or, where no uid was told, about to be made without a container.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409 | 422))
}

fn pod_resource() -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
    }
}
