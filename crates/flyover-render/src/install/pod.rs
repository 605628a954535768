//! What the pods of operator and agents have in common.

use k8s_openapi::api::core::v1::{
    ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Installation, meta};

/// A variable with a value.
pub(super) fn env(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

/// A variable that kubelet fills in.
pub(super) fn from_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector { field_path: path.into(), api_version: Some("v1".into()) };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value: None, value_from: Some(source) }
}

/// What it is given at least, and at most.
pub(super) fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        let named = pairs.iter().map(|(what, much)| ((*what).to_owned(), Quantity((*much).to_owned())));
        (!pairs.is_empty()).then(|| named.collect())
    };
    ResourceRequirements { requests: quantities(requests), limits: quantities(limits), claims: None }
}

/// A port with a name.
pub(super) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort { name: Some(name.into()), container_port: number, ..ContainerPort::default() }
}

/// A question that is asked by HTTP; three answers that do not come are too many.
pub(super) fn probe(path: &str, port: i32) -> Probe {
    let get =
        HTTPGetAction { path: Some(path.into()), port: IntOrString::Int(port), ..HTTPGetAction::default() };
    Probe {
        http_get: Some(get),
        period_seconds: Some(5),
        timeout_seconds: Some(3),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// A pod with our labels.
pub(super) fn template(wanted: &Installation, name: &str, container: &str, spec: PodSpec) -> PodTemplateSpec {
    let logs = ("kubectl.kubernetes.io/default-container".to_owned(), container.to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(meta::labels(wanted, name)),
            annotations: Some([logs].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}
