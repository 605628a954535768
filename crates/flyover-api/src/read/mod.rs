//! Reads what a person wrote, of any kind: the spec alone, or the whole object as kubectl takes it.
//!
//! Invariants: what is not understood is refused with its place; nothing is guessed, but what was meant is said.

mod documents;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_saphyr::{Error, Options};

use crate::near::nearest;
use crate::{NodeProfileSpec, SwitchSpec};

pub use documents::documents;

const API_VERSION: &str = "flyover.dev/v1alpha1";

/// A kind of object, in the words errors need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its `kind`.
    pub name: &'static str,
    /// What people call it: `profile`.
    pub word: &'static str,
    /// The command that says what its fields mean.
    pub explain: &'static str,
}

/// A node's profile.
const NODE_PROFILE: Kind = Kind { name: "NodeProfile", word: "profile", explain: "flyover node explain" };

/// A switch.
const SWITCH: Kind = Kind { name: "Switch", word: "switch", explain: "flyover switch explain" };

/// Why a text is not a spec of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// A field that there is not.
    #[error("line {line}, column {column}: unknown field `{field}`")]
    UnknownField {
        /// Its name.
        field: String,
        /// The fields there are.
        known: Vec<&'static str>,
        /// Of which kind they are.
        of: Kind,
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
    #[error("this is a {kind} of {api_version}, not a {} of {API_VERSION}", wanted.name)]
    OtherKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
        /// The kind that is read here.
        wanted: Kind,
    },
    /// More than one object in a file.
    #[error("there is more than one document")]
    Several {
        /// The kind that is read here.
        wanted: Kind,
    },
}

impl BadSpec {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownField { field, known, of, .. } => {
                Some(match nearest(field, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!(
                        "the fields here are {}; `{}` says what they mean",
                        known.join(", "),
                        of.explain
                    ),
                })
            }
            Self::Repeated { .. } => Some("keep one of them".to_owned()),
            Self::OtherKind { wanted, .. } => {
                Some(format!("`apiVersion: {API_VERSION}` and `kind: {}`, or the spec alone", wanted.name))
            }
            Self::Several { wanted } => Some(format!("put one {} into a file", wanted.word)),
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
struct Object<S> {
    api_version: String,
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
    spec: S,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

impl NodeProfileSpec {
    /// Reads the spec alone, or an object whose spec it is.
    pub fn from_yaml(text: &str) -> Result<Self, BadSpec> {
        read(text, NODE_PROFILE)
    }
}

impl SwitchSpec {
    /// Reads the spec alone, or an object whose spec it is.
    pub fn from_yaml(text: &str) -> Result<Self, BadSpec> {
        read(text, SWITCH)
    }
}

fn read<S: DeserializeOwned>(text: &str, wanted: Kind) -> Result<S, BadSpec> {
    let head: Head = parse(text, wanted)?;
    if head.api_version.is_none() && head.kind.is_none() {
        return parse(text, wanted);
    }
    let object: Object<S> = parse(text, wanted)?;
    if object.api_version != API_VERSION || object.kind != wanted.name {
        return Err(BadSpec::OtherKind { api_version: object.api_version, kind: object.kind, wanted });
    }
    Ok(object.spec)
}

fn parse<T: DeserializeOwned>(text: &str, of: Kind) -> Result<T, BadSpec> {
    let mut options = Options::default();
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| bad(&error, of))
}

fn bad(error: &Error, of: Kind) -> BadSpec {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            BadSpec::UnknownField { field: field.clone(), known: expected.clone(), of, line, column }
        }
        Error::DuplicateMappingKey { key, .. } => {
            BadSpec::Repeated { field: key.clone().unwrap_or_default(), line, column }
        }
        Error::SerdeMissingField { field, .. } => {
            BadSpec::Missing { field: (*field).to_owned(), line, column }
        }
        Error::MultipleDocuments { .. } => BadSpec::Several { wanted: of },
        Error::Message { msg, .. } => match msg.strip_prefix("duplicate field `") {
            Some(field) => BadSpec::Repeated { field: field.trim_end_matches('`').to_owned(), line, column },
            None => BadSpec::Value { what: msg.clone(), line, column },
        },
        _ => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
            BadSpec::Value { what, line, column }
        }
    }
}

#[cfg(test)]
mod tests;
