//! The agents: one on each node, which work in the host's own mount namespace.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, Container, PodSpec, SELinuxOptions, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{AGENT, Installation, Object, meta, pod, privilege};

pub(super) fn daemon_set(wanted: &Installation) -> Object {
    let rolling =
        RollingUpdateDaemonSet { max_unavailable: Some(share(&wanted.max_unavailable)), max_surge: None };
    Object::of(&DaemonSet {
        metadata: meta::in_namespace(wanted, AGENT, AGENT),
        spec: Some(DaemonSetSpec {
            selector: meta::selector(AGENT),
            template: pod::template(wanted, AGENT, "agent", spec(wanted)),
            // Datapaths go on without the agent, so several at once may be away.
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(rolling),
            }),
            revision_history_limit: Some(3),
            ..DaemonSetSpec::default()
        }),
        status: None,
    })
}

fn share(text: &str) -> IntOrString {
    text.parse().map_or_else(|_| IntOrString::String(text.into()), IntOrString::Int)
}

fn spec(wanted: &Installation) -> PodSpec {
    PodSpec {
        service_account_name: Some(AGENT.into()),
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        host_network: Some(true),
        host_pid: Some(true),
        // The API server is reached by the address in the environment; nothing else is looked up.
        dns_policy: Some("Default".into()),
        priority_class_name: Some("system-node-critical".into()),
        node_selector: Some(wanted.node_selector.clone()),
        tolerations: Some(wanted.tolerations.clone()),
        containers: vec![container(wanted)],
        // A step that has begun is ended; what follows it is done by the next agent.
        termination_grace_period_seconds: Some(60),
        ..PodSpec::default()
    }
}

fn container(wanted: &Installation) -> Container {
    Container {
        name: "agent".into(),
        image: Some(wanted.image_agent.clone()),
        image_pull_policy: Some(wanted.pull_policy.clone()),
        env: Some(vec![
            pod::from_field("NODE_NAME", "spec.nodeName"),
            pod::from_field("HOST_IP", "status.hostIP"),
            pod::from_field("POD_NAME", "metadata.name"),
            pod::env("FLYOVER_LOG", &wanted.log),
            pod::env("FLYOVER_CNI_BIN_DIR", &wanted.cni_bin_dir),
            pod::env("FLYOVER_KUBELET_DIR", &wanted.kubelet_dir),
        ]),
        // No limit of memory: the host's tools it starts are counted with it, and an agent that is killed heals nothing.
        resources: Some(pod::resources(&[("cpu", "20m"), ("memory", "48Mi")], &[])),
        security_context: Some(security()),
        ..Container::default()
    }
}

fn security() -> SecurityContext {
    let capabilities = privilege::CAPABILITIES.iter().map(|privilege| privilege.name.to_owned()).collect();
    SecurityContext {
        privileged: Some(false),
        run_as_user: Some(0),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { add: Some(capabilities), drop: Some(vec!["ALL".into()]) }),
        app_armor_profile: Some(AppArmorProfile { type_: "Unconfined".into(), localhost_profile: None }),
        seccomp_profile: Some(SeccompProfile { type_: "Unconfined".into(), localhost_profile: None }),
        se_linux_options: Some(SELinuxOptions { type_: Some("spc_t".into()), ..SELinuxOptions::default() }),
        ..SecurityContext::default()
    }
}
