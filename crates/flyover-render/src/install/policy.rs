//! One node's agent may not write another node's state.
//!
//! RBAC cannot say that, since all agents share an account. But a token that kubelet fetched for a pod is bound to it, and the
//! API server says of such a token on which node the pod is. So a token that was stolen from a node is worth that node, and
//! a token of the account that is bound to no pod is worth nothing.

use flyover_api::resource::GROUP;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation, Variable,
};

use super::{AGENT, Installation, Object, meta};

const NODE_OF_TOKEN: &str =
    "request.userInfo.extra[?'authentication.kubernetes.io/node-name'][0].orValue('')";
const MESSAGE: &str =
    "'the agent on node \"' + variables.node + '\" may not write the NodeState of \"' + request.name + '\"'";

pub(super) fn objects(wanted: &Installation) -> Vec<Object> {
    vec![policy(wanted), binding(wanted)]
}

fn policy(wanted: &Installation) -> Object {
    let account = format!("system:serviceaccount:{}:{AGENT}", wanted.namespace);
    let own = Validation {
        expression: "variables.node != '' && request.name == variables.node".into(),
        message: Some("an agent writes the NodeState of its own node only".into()),
        message_expression: Some(MESSAGE.into()),
        reason: Some("Forbidden".into()),
    };
    Object::of(&ValidatingAdmissionPolicy {
        metadata: meta::of_cluster(wanted, AGENT, AGENT),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".into()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![written()]),
                ..MatchResources::default()
            }),
            match_conditions: Some(vec![MatchCondition {
                name: "an-agent-asks".into(),
                expression: format!("request.userInfo.username == '{account}'"),
            }]),
            variables: Some(vec![Variable { name: "node".into(), expression: NODE_OF_TOKEN.into() }]),
            validations: Some(vec![own]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    })
}

fn written() -> NamedRuleWithOperations {
    NamedRuleWithOperations {
        api_groups: Some(vec![GROUP.into()]),
        api_versions: Some(vec!["*".into()]),
        operations: Some(["CREATE", "UPDATE", "DELETE"].map(Into::into).into()),
        resources: Some(["nodestates", "nodestates/*"].map(Into::into).into()),
        ..NamedRuleWithOperations::default()
    }
}

fn binding(wanted: &Installation) -> Object {
    Object::of(&ValidatingAdmissionPolicyBinding {
        metadata: meta::of_cluster(wanted, AGENT, AGENT),
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(AGENT.into()),
            validation_actions: Some(vec!["Deny".into()]),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        }),
    })
}
