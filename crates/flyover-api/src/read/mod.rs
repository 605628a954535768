//! Reads a profile that a person wrote: the spec alone, or the whole object as kubectl takes it.
//!
//! Invariants: what is not understood is refused with its place; nothing is guessed, but what was meant is said.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::{Error, Options};

use crate::NodeProfileSpec;
use crate::near::nearest;

const API_VERSION: &str = "flyover.dev/v1alpha1";
const KIND: &str = "NodeProfile";

/// Why a text is not a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProfile {
    /// A field that there is not.
    #[error("line {line}, column {column}: unknown field `{field}`")]
    UnknownField {
        /// Its name.
        field: String,
        /// The fields there are.
        known: Vec<&'static str>,
        /// Its line, from 1.
        line: u64,
        /// Its column, from 1.
        column: u64,
    },
    /// A field that is there twice.
    #[error("line {line}, column {column}: `{field}` is there already")]
    Repeated {
        /// Its name.
        field: String,
        /// The second one's line.
        line: u64,
        /// The second one's column.
        column: u64,
    },
    /// A field that must be there.
    #[error("line {line}, column {column}: the field `{field}` is missing")]
    Missing {
        /// Its name.
        field: String,
        /// The line where it might stand.
        line: u64,
        /// The column where it might stand.
        column: u64,
    },
    /// A value that is not one of the field's, or a text that is not YAML.
    #[error("line {line}, column {column}: {what}")]
    Value {
        /// What is wrong.
        what: String,
        /// Its line.
        line: u64,
        /// Its column.
        column: u64,
    },
    /// Another kind of object.
    #[error("this is a {kind} of {api_version}, not a {KIND} of {API_VERSION}")]
    OtherKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// More than one profile in a file.
    #[error("there is more than one document")]
    Several,
}

impl BadProfile {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownField { field, known, .. } => Some(match nearest(field, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!(
                    "the fields here are {}; `flyover node explain` says what they mean",
                    known.join(", ")
                ),
            }),
            Self::Repeated { .. } => Some("keep one of them".to_owned()),
            Self::OtherKind { .. } => {
                Some(format!("`apiVersion: {API_VERSION}` and `kind: {KIND}`, or the spec alone"))
            }
            Self::Several => Some("put one profile into a file".to_owned()),
            Self::Missing { .. } | Self::Value { .. } => None,
        }
    }
}

/// Enough of a document to tell an object from a spec.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
}

/// The object as kubectl takes and gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Object {
    api_version: String,
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
    spec: NodeProfileSpec,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

impl NodeProfileSpec {
    /// Reads the spec alone, or an object whose spec it is.
    pub fn from_yaml(text: &str) -> Result<Self, BadProfile> {
        let head: Head = parse(text)?;
        if head.api_version.is_none() && head.kind.is_none() {
            return parse(text);
        }
        let object: Object = parse(text)?;
        if object.api_version != API_VERSION || object.kind != KIND {
            return Err(BadProfile::OtherKind { api_version: object.api_version, kind: object.kind });
        }
        Ok(object.spec)
    }
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, BadProfile> {
    let mut options = Options::default();
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| bad(&error))
}

fn bad(error: &Error) -> BadProfile {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            BadProfile::UnknownField { field: field.clone(), known: expected.clone(), line, column }
        }
        Error::DuplicateMappingKey { key, .. } => {
            BadProfile::Repeated { field: key.clone().unwrap_or_default(), line, column }
        }
        Error::SerdeMissingField { field, .. } => {
            BadProfile::Missing { field: (*field).to_owned(), line, column }
        }
        Error::MultipleDocuments { .. } => BadProfile::Several,
        Error::Message { msg, .. } => match msg.strip_prefix("duplicate field `") {
            Some(field) => {
                BadProfile::Repeated { field: field.trim_end_matches('`').to_owned(), line, column }
            }
            None => BadProfile::Value { what: msg.clone(), line, column },
        },
        _ => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
            BadProfile::Value { what, line, column }
        }
    }
}

#[cfg(test)]
mod tests;
