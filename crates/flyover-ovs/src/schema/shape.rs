//! What a column can hold (RFC 7047, 3.2).

use std::fmt;

use serde_json::Value;

use crate::datum::{Atom, Datum, Uuid};

/// A kind of atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Another number.
    Real,
    /// Yes or no.
    Boolean,
    /// Text.
    String,
    /// A row.
    Uuid,
}

/// What a column can hold. Bounds of values are the server's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Of its values, or of the keys of a map.
    pub key: Kind,
    /// Of the values of a map.
    pub value: Option<Kind>,
    /// Whether it may be empty.
    pub optional: bool,
    /// Whether it may hold more than one.
    pub many: bool,
}

impl Kind {
    fn of(json: &Value) -> Option<Self> {
        let word = json.as_str().or_else(|| json.get("type")?.as_str())?;
        Some(match word {
            "integer" => Self::Integer,
            "real" => Self::Real,
            "boolean" => Self::Boolean,
            "string" => Self::String,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    /// What a column holds that nobody has set.
    fn default(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(0.0),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String(String::new()),
            Self::Uuid => Atom::Uuid(Uuid("00000000-0000-0000-0000-000000000000".to_owned())),
        }
    }
}

impl Shape {
    /// From the `type` of a column.
    #[must_use]
    pub fn of(json: &Value) -> Option<Self> {
        if json.is_string() {
            return Some(Self { key: Kind::of(json)?, value: None, optional: false, many: false });
        }
        let value = match json.get("value") {
            Some(value) => Some(Kind::of(value)?),
            None => None,
        };
        let many = json.get("max").is_some_and(|max| max.as_u64() != Some(1));
        let optional = json.get("min").and_then(Value::as_u64) == Some(0);
        Some(Self { key: Kind::of(json.get("key")?)?, value, optional, many })
    }

    /// Whether it holds atoms of a kind, one or more, and no map.
    #[must_use]
    pub fn is_set_of(&self, kind: Kind) -> bool {
        self.key == kind && self.value.is_none()
    }

    /// What a column holds that nobody has set. Updates leave such columns out.
    #[must_use]
    pub fn default(&self) -> Datum {
        match (self.optional, self.value) {
            (true, None) => Datum::empty(),
            (true, Some(_)) => Datum::Map(Vec::new()),
            (false, None) => Datum::Set(vec![self.key.default()]),
            (false, Some(value)) => Datum::Map(vec![(self.key.default(), value.default())]),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "row",
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.value, self.many) {
            (Some(value), _) => write!(f, "a map of {}s to {value}s", self.key),
            (None, true) => write!(f, "a set of {}s", self.key),
            (None, false) if self.optional => write!(f, "one {} or none", self.key),
            (None, false) => write!(f, "one {}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_can_be_a_word_or_say_more() {
        let one = Shape { key: Kind::Integer, value: None, optional: false, many: false };
        assert_eq!(Shape::of(&json!("integer")), Some(one));
        assert_eq!(Shape::of(&json!({"key": {"type": "integer", "minInteger": 0}})), Some(one));
        let few = json!({"key": {"type": "integer"}, "min": 0, "max": 4096});
        assert_eq!(Shape::of(&few), Some(Shape { optional: true, many: true, ..one }));
        let map = json!({"key": "string", "value": "uuid", "min": 0, "max": "unlimited"});
        let map_of = Shape { key: Kind::String, value: Some(Kind::Uuid), optional: true, many: true };
        assert_eq!(Shape::of(&map), Some(map_of));
        assert_eq!(Shape::of(&json!({"key": "blob"})), None);
    }

    #[test]
    fn a_column_that_nobody_has_set_is_empty_or_nought() {
        let default = |json| Shape::of(&json).map(|shape| shape.default());
        assert_eq!(default(json!("string")), Some("".into()));
        assert_eq!(default(json!({"key": "integer", "min": 0})), Some(Datum::empty()));
        let map = json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"});
        assert_eq!(default(map), Some(Datum::Map(Vec::new())));
    }
}
