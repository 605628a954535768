//! What is installed, as people and clusters get it.

use serde_json::Value;

use super::*;

fn named(wanted: &Installation) -> Vec<String> {
    objects(wanted).iter().map(|object| format!("{} {}", object.kind, object.name)).collect()
}

#[test]
fn what_others_need_comes_first_and_the_agents_last() {
    assert_eq!(
        named(&Installation::default()),
        [
            "Namespace flyover-system",
            "CustomResourceDefinition nodeprofiles.flyover.dev",
            "CustomResourceDefinition fastpaths.flyover.dev",
            "CustomResourceDefinition switches.flyover.dev",
            "CustomResourceDefinition nodestates.flyover.dev",
            "ServiceAccount flyover-operator",
            "ClusterRole flyover-operator",
            "ClusterRoleBinding flyover-operator",
            "ServiceAccount flyover-agent",
            "ClusterRole flyover-agent",
            "ClusterRoleBinding flyover-agent",
            "Role flyover-operator",
            "RoleBinding flyover-operator",
            "Role flyover-agent",
            "RoleBinding flyover-agent",
            "ValidatingAdmissionPolicy flyover-agent",
            "ValidatingAdmissionPolicyBinding flyover-agent",
            "Deployment flyover-operator",
            "PodDisruptionBudget flyover-operator",
            "DaemonSet flyover-agent",
        ]
    );
}

#[test]
fn every_object_can_be_found_again_by_its_label() {
    for object in objects(&Installation::default()) {
        assert_eq!(
            object.body["metadata"]["labels"][INSTALLED.0], INSTALLED.1,
            "{} {}",
            object.kind, object.name
        );
    }
}

#[test]
fn another_namespace_leaves_nothing_in_the_usual_one() {
    let wanted = Installation { namespace: "elsewhere".into(), ..Installation::default() };
    assert!(!stream(&objects(&wanted)).contains(NAMESPACE));
}

#[test]
fn the_workloads_are_as_committed() {
    let all = objects(&Installation::default());
    let golden = all.iter().filter(|object| object.kind != "CustomResourceDefinition");
    insta::assert_snapshot!(stream(golden));
}

#[test]
fn no_agent_is_privileged_and_each_capability_has_its_reason() {
    let all = objects(&Installation::default());
    let agent = &all.last().unwrap().body["spec"]["template"]["spec"]["containers"][0]["securityContext"];
    let reasons: Vec<&str> = privilege::CAPABILITIES.iter().map(|privilege| privilege.name).collect();
    assert_eq!(
        (&agent["privileged"], &agent["capabilities"]["add"]),
        (&Value::Bool(false), &serde_json::json!(reasons))
    );
    assert!(privilege::CAPABILITIES.iter().all(|privilege| privilege.reason.len() > 20));
}

#[test]
fn the_chart_with_its_own_values_is_what_the_command_installs() {
    let files = chart::files();
    let text = |name: &str| files.iter().find(|file| file.name == name).unwrap().text.clone();
    let values: Value = serde_saphyr::from_str(&text("values.yaml")).unwrap();
    let rendered = [text("templates/crds.yaml"), text("templates/flyover.yaml")].concat();
    let rendered: String = rendered.lines().map(|line| format!("{}\n", helm(line, &values))).collect();
    let mut rendered: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
    for object in &mut rendered {
        if object["kind"] == "CustomResourceDefinition" {
            object["metadata"].as_object_mut().unwrap().remove("annotations");
        }
    }
    let wanted = objects(&Installation { managed_by: "Helm".into(), ..Installation::default() });
    let wanted = wanted.iter().filter(|object| object.kind != "Namespace");
    let wanted: Vec<Value> = wanted.map(|object| serde_saphyr::from_str(&object.yaml()).unwrap()).collect();
    assert_eq!(rendered, wanted);
}

/// What Helm makes of a line, as far as our chart asks it.
fn helm(line: &str, values: &Value) -> String {
    let Some((before, rest)) = line.split_once("{{") else { return line.to_owned() };
    let (expression, after) = rest.split_once("}}").unwrap();
    let words: Vec<&str> =
        expression.split_whitespace().filter(|word| !["-", "|", "quote"].contains(word)).collect();
    let of_values = |path: &str| {
        let pointer = path.strip_prefix(".Values").unwrap().replace('.', "/");
        values.pointer(&pointer).unwrap().clone()
    };
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let done = match words.as_slice() {
        [".Release.Namespace"] => NAMESPACE.to_owned(),
        [".Release.Service"] => "Helm".to_owned(),
        ["toYaml", path, "nindent", indent] => {
            format!("\n{:indent$}{}", "", of_values(path), indent = indent.parse().unwrap())
        }
        [path] if expression.contains("quote") => format!("\"{}\"", text(of_values(path))),
        [path] => text(of_values(path)),
        other => panic!("an expression that this test does not know: {other:?}"),
    };
    helm(&format!("{before}{done}{after}"), values)
}
