//! The schema of a kind, and each of its fields in words, like `kubectl explain`.
//!
//! Invariant: both come from the doc comments of the types; there is no second text to forget.

use std::fmt::Write as _;

use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value};

use crate::near::nearest;

/// Columns of a terminal.
const WIDTH: usize = 100;

/// The JSON Schema (draft 2020-12) of a kind's spec.
#[must_use]
pub fn schema<S: JsonSchema>() -> Value {
    schema_for!(S).to_value()
}

/// A path that leads to no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no field `{field}` in `{path}`")]
pub struct NoSuchField {
    /// The part that is not there.
    pub field: String,
    /// Where it was looked for.
    pub path: String,
    /// What was meant, perhaps, or else what there is.
    pub hint: String,
}

/// A field and all below it: name, type, default and meaning. Without a path, all fields.
pub fn explain<S: JsonSchema>(path: Option<&str>) -> Result<String, NoSuchField> {
    let root = schema::<S>();
    let explainer = Explainer { definitions: root["$defs"].clone() };
    let path = path.unwrap_or_default().trim_matches('.');
    let path =
        path.strip_prefix("spec").filter(|rest| rest.is_empty() || rest.starts_with('.')).unwrap_or(path);
    let mut at = root.clone();
    let mut walked = "spec".to_owned();
    let mut text = String::new();
    for field in path.split('.').filter(|part| !part.is_empty()) {
        let field = field.split('[').next().unwrap_or(field);
        let fields = explainer.fields(&at);
        let Some(next) = fields.get(field) else { return Err(no_such_field(field, &walked, &fields)) };
        text = explainer.head(
            &format!("{walked}.{field}"),
            next,
            is_required(&at_object(&explainer, &at), field),
            0,
        );
        at = next.clone();
        walked = format!("{walked}.{field}");
    }
    if text.is_empty() {
        text = explainer.head("spec", &root, false, 0);
    }
    explainer.tree(&at, 1, &mut text);
    Ok(text)
}

fn no_such_field(field: &str, path: &str, fields: &Map<String, Value>) -> NoSuchField {
    let names = || fields.keys().map(String::as_str);
    let hint = match nearest(field, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if fields.is_empty() => "it has no fields".to_owned(),
        None => format!("the fields here are {}", names().collect::<Vec<_>>().join(", ")),
    };
    NoSuchField { field: field.to_owned(), path: path.to_owned(), hint }
}

fn at_object(explainer: &Explainer, node: &Value) -> Value {
    let node = explainer.resolved(node);
    if node["items"].is_null() { node } else { explainer.resolved(&node["items"]) }
}

fn is_required(object: &Value, field: &str) -> bool {
    object["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field))
}

struct Explainer {
    definitions: Value,
}

impl Explainer {
    /// The schema a reference or a choice with null stands for.
    fn resolved(&self, node: &Value) -> Value {
        let reference = |node: &Value| {
            let name = node["$ref"].as_str()?.strip_prefix("#/$defs/")?;
            Some(self.definitions[name].clone())
        };
        let choices = node["anyOf"].as_array().into_iter().flatten();
        reference(node).or_else(|| choices.into_iter().find_map(reference)).unwrap_or_else(|| node.clone())
    }

    fn fields(&self, node: &Value) -> Map<String, Value> {
        at_object(self, node)["properties"].as_object().cloned().unwrap_or_default()
    }

    fn head(&self, name: &str, node: &Value, required: bool, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let mut kind = self.kind(node);
        if required {
            kind += ", required";
        }
        let default =
            node.get("default").filter(|value| value.is_string() || value.is_number() || value.is_boolean());
        if let Some(default) = default {
            kind += &format!(", default {}", default.to_string().trim_matches('"'));
        }
        let mut text = format!("{indent}{name} <{kind}>\n");
        let meaning = node["description"].as_str().map(str::to_owned);
        let meaning = meaning.or_else(|| self.resolved(node)["description"].as_str().map(str::to_owned));
        wrap(&meaning.unwrap_or_default(), &format!("{indent}    "), &mut text);
        for value in self.resolved(node)["oneOf"].as_array().into_iter().flatten() {
            let (name, meaning) = (value["const"].as_str(), value["description"].as_str());
            if let (Some(name), Some(meaning)) = (name, meaning) {
                wrap(&format!("{name}: {meaning}"), &format!("{indent}    - "), &mut text);
            }
        }
        text
    }

    fn tree(&self, node: &Value, depth: usize, text: &mut String) {
        let object = at_object(self, node);
        for (name, field) in self.fields(node) {
            text.push('\n');
            text.push_str(&self.head(&name, &field, is_required(&object, &name), depth));
            self.tree(&field, depth + 1, text);
        }
    }

    fn kind(&self, node: &Value) -> String {
        let node = self.resolved(node);
        if let Some(values) = node["oneOf"].as_array() {
            let names: Vec<&str> = values.iter().filter_map(|value| value["const"].as_str()).collect();
            return names.join(" | ");
        }
        let name = match &node["type"] {
            Value::Array(types) => {
                types.iter().find_map(|t| t.as_str().filter(|t| *t != "null")).unwrap_or("any")
            }
            one => one.as_str().unwrap_or("any"),
        };
        match name {
            "array" if node["items"].is_null() => format!("list of {}", self.kind(&node["prefixItems"][0])),
            "array" => format!("list of {}", self.kind(&node["items"])),
            "object" if node["properties"].is_null() => {
                format!("map to {}", self.kind(&node["additionalProperties"]))
            }
            _ => name.to_owned(),
        }
    }
}

/// Writes words in lines; the first line has the indentation as given, the others blanks instead.
fn wrap(words: &str, indent: &str, text: &mut String) {
    let mut line = indent.to_owned();
    let mut empty = true;
    for word in words.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(text, "{line}").expect("strings take all that is written");
            line = " ".repeat(indent.len());
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    if !empty {
        writeln!(text, "{line}").expect("strings take all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeProfileSpec, SwitchSpec};

    #[test]
    fn the_schema_refuses_unknown_fields_and_says_its_draft() {
        let schema = schema::<NodeProfileSpec>();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["sysctls"]["additionalProperties"]["type"], "string");
    }

    #[test]
    fn every_field_has_a_meaning() {
        for schema in [schema::<NodeProfileSpec>(), schema::<SwitchSpec>()] {
            let objects = schema["$defs"].as_object().unwrap().values().chain([&schema]);
            for (name, field) in objects.filter_map(|o| o["properties"].as_object()).flatten() {
                assert!(field["description"].is_string(), "{name}");
            }
        }
    }

    #[test]
    fn a_field_is_explained_with_all_below_it() {
        let text = explain::<NodeProfileSpec>(Some("hugepages.pages")).unwrap();
        assert_eq!(
            text,
            "spec.hugepages.pages <list of object>\n    How many of which size, and where.\n\n\
             \x20 count <integer, required>\n\
             \x20     How many: on `node` if it is named, else on the whole host, spread evenly over its NUMA nodes.\n\n\
             \x20 node <integer>\n      The NUMA node they are to be on.\n\n\
             \x20 size <string, required>\n      `2M`, `1G`, or another size this processor has.\n\n\
             \x20 when <runtime | boot, default runtime>\n\
             \x20     When they are taken: `boot` never fails for want of contiguous memory but needs a reboot to\n\
             \x20     change.\n\
             \x20     - runtime: From the running kernel, now and after each boot.\n\
             \x20     - boot: By the kernel's command line.\n"
        );
        assert_eq!(explain::<NodeProfileSpec>(Some("spec.hugepages.pages[0]")).unwrap(), text);
    }

    #[test]
    fn without_a_path_all_fields_are_explained() {
        let text = explain::<NodeProfileSpec>(None).unwrap();
        for line in [
            "  iommu <off | on | passthrough>",
            "  sysctls <map to string>",
            "    coresPerNode <integer, default 1>",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn a_path_to_nowhere_is_refused_with_what_was_meant() {
        let error = explain::<NodeProfileSpec>(Some("hugepages.page")).unwrap_err();
        assert_eq!(error.to_string(), "there is no field `page` in `spec.hugepages`");
        assert_eq!(error.hint, "did you mean `pages`?");
        assert_eq!(explain::<NodeProfileSpec>(Some("iommu.x")).unwrap_err().hint, "it has no fields");
    }
}
