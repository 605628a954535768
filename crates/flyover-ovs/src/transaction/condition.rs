//! Which rows, and how their columns change.

use std::fmt;

use serde_json::{Value, json};

use crate::datum::{Atom, Datum, Uuid};

/// What a row must be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    column: String,
    function: &'static str,
    value: Datum,
}

impl Condition {
    /// The column holds exactly this.
    pub fn equals(column: &str, value: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), function: "==", value: value.into() }
    }

    /// The column holds at least this: a map these pairs, a set these values.
    pub fn includes(column: &str, value: Datum) -> Self {
        Self { column: column.to_owned(), function: "includes", value }
    }

    /// It is the row with this name.
    #[must_use]
    pub fn is(uuid: &Uuid) -> Self {
        Self::equals("_uuid", Atom::Uuid(uuid.clone()))
    }

    /// As the protocol's JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!([self.column, self.function, self.value.json()])
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.column, self.function, self.value.json())
    }
}

/// How a column changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    column: String,
    mutator: &'static str,
    value: Datum,
}

impl Mutation {
    /// Values or pairs are added to a set or a map. A key that is there keeps its value: remove it first.
    pub fn insert(column: &str, value: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), mutator: "insert", value: value.into() }
    }

    /// Values, pairs, or the keys of a map are taken away.
    pub fn delete(column: &str, value: impl Into<Datum>) -> Self {
        Self { column: column.to_owned(), mutator: "delete", value: value.into() }
    }

    /// A key of a map gets a value, or goes.
    #[must_use]
    pub fn set_key(column: &str, key: &str, value: Option<&str>) -> Vec<Self> {
        let gone = Self::delete(column, Datum::Set(vec![Atom::String(key.to_owned())]));
        let came = value.map(|value| Self::insert(column, Datum::map([(key, value)])));
        std::iter::once(gone).chain(came).collect()
    }

    /// As the protocol's JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        // A single key to be deleted from a map must be told from a pair of one, so sets are written out here.
        let value = match (self.mutator, &self.value) {
            ("delete", Datum::Set(atoms)) => json!(["set", atoms.iter().map(Atom::json).collect::<Vec<_>>()]),
            (_, value) => value.json(),
        };
        json!([self.column, self.mutator, value])
    }
}
