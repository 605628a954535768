//! What columns hold: atoms, sets of them, and maps (RFC 7047, 5.1).

mod column;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

pub use column::{Column, Scalar};

/// The name of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub String);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Atom {
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// Yes or no.
    Boolean(bool),
    /// Text.
    String(String),
    /// A row.
    Uuid(Uuid),
    /// A row that the same transaction inserts.
    Named(String),
}

/// What a column of a row holds. A single value is a set of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Values.
    Set(Vec<Atom>),
    /// Values by key.
    Map(Vec<(Atom, Atom)>),
}

/// Columns by name.
pub type Row = BTreeMap<String, Datum>;

impl Atom {
    /// From the protocol's JSON.
    #[must_use]
    pub fn of(json: &Value) -> Option<Self> {
        Some(match json {
            Value::Bool(b) => Self::Boolean(*b),
            Value::String(s) => Self::String(s.clone()),
            Value::Number(n) => n.as_i64().map(Self::Integer).or_else(|| n.as_f64().map(Self::Real))?,
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(kind), Value::String(id)] if kind == "uuid" => Self::Uuid(Uuid(id.clone())),
                [Value::String(kind), Value::String(id)] if kind == "named-uuid" => Self::Named(id.clone()),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// As the protocol's JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Integer(i) => json!(i),
            Self::Real(r) => json!(r),
            Self::Boolean(b) => json!(b),
            Self::String(s) => json!(s),
            Self::Uuid(uuid) => json!(["uuid", uuid.0]),
            Self::Named(name) => json!(["named-uuid", name]),
        }
    }
}

impl Datum {
    /// The empty set: how an optional column says nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::Set(Vec::new())
    }

    /// A map of strings.
    pub fn map<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs =
            pairs.into_iter().map(|(key, value)| (Atom::String(key.into()), Atom::String(value.into())));
        Self::Map(pairs.collect())
    }

    /// From the protocol's JSON.
    #[must_use]
    pub fn of(json: &Value) -> Option<Self> {
        if let Value::Array(pair) = json
            && let [Value::String(kind), Value::Array(items)] = pair.as_slice()
        {
            match kind.as_str() {
                "set" => return items.iter().map(Atom::of).collect::<Option<_>>().map(Self::Set),
                "map" => return items.iter().map(pair_of).collect::<Option<_>>().map(Self::Map),
                _ => {}
            }
        }
        Atom::of(json).map(|atom| Self::Set(vec![atom]))
    }

    /// As the protocol's JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Set(atoms) => match atoms.as_slice() {
                [one] => one.json(),
                atoms => json!(["set", atoms.iter().map(Atom::json).collect::<Vec<_>>()]),
            },
            Self::Map(pairs) => {
                json!(["map", pairs.iter().map(|(k, v)| json!([k.json(), v.json()])).collect::<Vec<_>>()])
            }
        }
    }
}

fn pair_of(json: &Value) -> Option<(Atom, Atom)> {
    match json.as_array()?.as_slice() {
        [key, value] => Some((Atom::of(key)?, Atom::of(value)?)),
        _ => None,
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Set(vec![Atom::String(text.to_owned())])
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Set(vec![Atom::String(text)])
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Self::Set(vec![Atom::Integer(number)])
    }
}

impl From<bool> for Datum {
    fn from(yes: bool) -> Self {
        Self::Set(vec![Atom::Boolean(yes)])
    }
}

impl From<Atom> for Datum {
    fn from(atom: Atom) -> Self {
        Self::Set(vec![atom])
    }
}
