//! Documents as trees, written as YAML, JSON or TOML.
//!
//! Invariant: keys stay in the order they were given in, which `serde_json::Map` promises only under a feature
//! that another crate may turn on or off.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A value in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<Node>),
    Map(Map),
}

/// Keys and values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Map(Vec<(String, Node)>);

impl Map {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a value, unless it is a list or a map of nothing.
    pub(crate) fn with(self, key: impl Into<String>, value: impl Into<Node>) -> Self {
        let value = value.into();
        match &value {
            Node::List(items) if items.is_empty() => self,
            Node::Map(map) if map.0.is_empty() => self,
            _ => self.with_even_empty(key, value),
        }
    }

    /// Adds a value, whatever it is.
    pub(crate) fn with_even_empty(mut self, key: impl Into<String>, value: impl Into<Node>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Adds a value, if there is one.
    pub(crate) fn with_some(self, key: &str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl<K: Into<String>, V: Into<Node>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Node {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(items) => items.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The document in YAML 1.1, which is what Kubernetes reads: `on` and `0644` are quoted where they are text.
pub(crate) fn yaml(map: &Map) -> String {
    // A long line is left whole: folded, it would have to be unfolded by eye.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(map, options).expect("text, numbers, lists and maps can be written")
}

/// The document in JSON.
pub(crate) fn json(map: &Map) -> String {
    let text = serde_json::to_string_pretty(map).expect("text, numbers, lists and maps can be written");
    format!("{text}\n")
}

/// The document in TOML.
pub(crate) fn toml(map: &Map) -> String {
    toml::to_string(map).expect("text, small numbers, lists and maps can be written")
}
