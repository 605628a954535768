//! The operator: two replicas of which one works, without any privilege on the node it runs on.

use flyover_api::resource::marks::OPERATOR_PORT;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Toleration,
    TopologySpreadConstraint,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Installation, OPERATOR, Object, meta, pod};

/// The user that images without users give to those that are nobody.
const NOBODY: i64 = 65532;
/// Where it says how it is, unless told otherwise.
const PORT: i32 = OPERATOR_PORT as i32;

pub(super) fn objects(wanted: &Installation) -> Vec<Object> {
    vec![deployment(wanted), budget(wanted)]
}

fn deployment(wanted: &Installation) -> Object {
    Object::of(&Deployment {
        metadata: meta::in_namespace(wanted, OPERATOR, OPERATOR),
        spec: Some(DeploymentSpec {
            replicas: Some(wanted.replicas),
            selector: meta::selector(OPERATOR),
            template: pod::template(wanted, OPERATOR, "operator", spec(wanted)),
            revision_history_limit: Some(3),
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}

fn spec(wanted: &Installation) -> PodSpec {
    PodSpec {
        service_account_name: Some(OPERATOR.into()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        // A cluster whose operator is gone goes on as it is, but changes nothing any more.
        priority_class_name: Some("system-cluster-critical".into()),
        node_selector: Some([("kubernetes.io/os".to_owned(), "linux".to_owned())].into()),
        // A small cluster has control planes only.
        tolerations: Some(vec![Toleration {
            key: Some("node-role.kubernetes.io/control-plane".into()),
            operator: Some("Exists".into()),
            effect: Some("NoSchedule".into()),
            ..Toleration::default()
        }]),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".into(),
            when_unsatisfiable: "ScheduleAnyway".into(),
            label_selector: Some(meta::selector(OPERATOR)),
            ..TopologySpreadConstraint::default()
        }]),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(wanted)],
        // Long enough to give the lease away, which lets the other replica begin at once.
        termination_grace_period_seconds: Some(15),
        ..PodSpec::default()
    }
}

fn container(wanted: &Installation) -> Container {
    Container {
        name: "operator".into(),
        image: Some(wanted.image_operator.clone()),
        image_pull_policy: Some(wanted.pull_policy.clone()),
        env: Some(vec![
            pod::from_field("POD_NAME", "metadata.name"),
            pod::from_field("POD_NAMESPACE", "metadata.namespace"),
            pod::env("FLYOVER_LOG", &wanted.log),
        ]),
        ports: Some(vec![pod::port("metrics", PORT)]),
        liveness_probe: Some(pod::probe("/healthz", PORT)),
        readiness_probe: Some(pod::probe("/readyz", PORT)),
        resources: Some(pod::resources(&[("cpu", "20m"), ("memory", "64Mi")], &[("memory", "512Mi")])),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn budget(wanted: &Installation) -> Object {
    Object::of(&PodDisruptionBudget {
        metadata: meta::in_namespace(wanted, OPERATOR, OPERATOR),
        spec: Some(PodDisruptionBudgetSpec {
            // Not `minAvailable: 1`, which would keep a single replica on its node for ever.
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(meta::selector(OPERATOR)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
