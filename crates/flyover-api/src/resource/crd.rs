//! The definitions of the custom resources, as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

use super::{FastPath, NodeProfile, NodeState, Switch};

/// Columns of resources that people write: is it working, where, and if not, where to look.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("Nodes", "string", ".status.summary"),
    ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
    ("Degraded", "string", ".status.conditions[?(@.type==\"Degraded\")].status"),
    ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
    ("Failing", "string", ".status.firstFailing"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

/// Columns of a node.
const NODE_COLUMNS: [(&str, &str, &str); 7] = [
    ("Profile", "string", ".status.lanes.profile.phase"),
    ("FastPath", "string", ".status.lanes.fastPath.phase"),
    ("Switch", "string", ".status.lanes.switch.phase"),
    ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
    ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
    ("Version", "string", ".status.version"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

/// All of them, in the order in which they are installed.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        with_columns(NodeProfile::crd(), &COLUMNS),
        with_columns(FastPath::crd(), &COLUMNS),
        with_columns(Switch::crd(), &COLUMNS),
        with_columns(NodeState::crd(), &NODE_COLUMNS),
    ]
}

fn with_columns(
    mut crd: CustomResourceDefinition,
    columns: &[(&str, &str, &str)],
) -> CustomResourceDefinition {
    let definition = |(name, kind, path): &(&str, &str, &str)| CustomResourceColumnDefinition {
        name: (*name).to_owned(),
        type_: (*kind).to_owned(),
        json_path: (*path).to_owned(),
        ..CustomResourceColumnDefinition::default()
    };
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.iter().map(definition).collect());
    }
    tidied(crd)
}

/// Without what a server of Kubernetes warns of or refuses, and JSON Schema knows: numbers without a sign, and `false` for
/// what may stand besides (unknown fields are the server's own matter).
fn tidied(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(crd).expect("a definition is JSON");
    tidy(&mut value);
    serde_json::from_value(value).expect("it is still a definition")
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields
                .get("format")
                .is_some_and(|format| format.as_str().is_some_and(|f| f.starts_with("uint")))
            {
                fields.remove("format");
            }
            if fields.get("default").is_some_and(Value::is_null) {
                fields.remove("default");
            }
            // The server takes `true` for "of nothing that is known", and empties what is below.
            if fields.get("additionalProperties").is_some_and(Value::is_boolean) {
                fields.remove("additionalProperties");
            }
            // No time is not a time.
            if fields.get("format") == Some(&json!("date-time")) && fields.get("default") == Some(&json!(""))
            {
                fields.remove("default");
            }
            // A list of so many of the same, which a server wants said once.
            if let Some(Value::Array(each)) = fields.get("items") {
                let first = each.first().cloned().unwrap_or_default();
                fields.insert("items".to_owned(), first);
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}
