//! An object of Kubernetes with what a client must know to send it.
//!
//! Invariant: keys are sorted wherever it is written, as the API server itself writes them, so the same object is the same text.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// An object, and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The API's version.
    pub version: &'static str,
    /// `DaemonSet`.
    pub kind: &'static str,
    /// `daemonsets`.
    pub plural: &'static str,
    /// None where it belongs to the cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The object itself.
    pub body: Value,
}

impl Object {
    pub(super) fn of<T: Metadata<Ty = ObjectMeta> + Serialize>(typed: &T) -> Self {
        let body = serde_json::to_value(typed).expect("a typed object is JSON");
        Self {
            group: <T as Resource>::GROUP,
            version: <T as Resource>::VERSION,
            kind: <T as Resource>::KIND,
            plural: <T as Resource>::URL_PATH_SEGMENT,
            namespace: typed.metadata().namespace.clone(),
            name: typed.metadata().name.clone().unwrap_or_default(),
            body,
        }
    }

    /// As a document.
    #[must_use]
    pub fn yaml(&self) -> String {
        // A long line is left whole: folded, it would have to be unfolded by eye.
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        serde_saphyr::to_string_with_options(&Sorted(&self.body), options)
            .expect("JSON can be written as YAML")
    }
}

/// Objects as a stream of documents.
#[must_use]
pub fn stream<'a>(objects: impl IntoIterator<Item = &'a Object>) -> String {
    objects.into_iter().map(|object| format!("---\n{}", object.yaml())).collect()
}

struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, Sorted<'_>> =
                    fields.iter().map(|(k, v)| (k, Sorted(v))).collect();
                serializer.collect_map(sorted)
            }
            Value::Array(values) => serializer.collect_seq(values.iter().map(Sorted)),
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                // Bounds in schemas are written as people write them.
                Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => {
                    serializer.serialize_i64(whole(float))
                }
                _ => number.serialize(serializer),
            },
            other => other.serialize(serializer),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller asked whether it is whole and small")]
fn whole(float: f64) -> i64 {
    float as i64
}
