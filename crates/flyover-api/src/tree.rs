//! A document of any form, its keys in the order they were written.
//!
//! Invariant: nothing is lost but comments: a key that is there twice is there twice.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

/// A document or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// Parts in order.
    List(Vec<Tree>),
    /// Parts by name, in order.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The part at a path of names; of several of one name the last, which is the one that others read.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |at, name| match at {
            Self::Map(parts) => parts.iter().rev().find(|(key, _)| key == name).map(|(_, part)| part),
            _ => None,
        })
    }

    /// The text at a path of names.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.get(path)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The parts of a list at a path; none where there is no list.
    #[must_use]
    pub fn items(&self, path: &[&str]) -> &[Self] {
        match self.get(path) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    /// The names and parts of a map at a path; none where there is no map.
    #[must_use]
    pub fn parts(&self, path: &[&str]) -> &[(String, Self)] {
        match self.get(path) {
            Some(Self::Map(parts)) => parts,
            _ => &[],
        }
    }

    /// Puts a part at a path, making maps on the way; what is there already goes. Does nothing below what is no map.
    pub fn set(&mut self, path: &[&str], part: Self) {
        let Some((name, rest)) = path.split_first() else {
            *self = part;
            return;
        };
        let Self::Map(parts) = self else { return };
        let place = parts.iter().rposition(|(key, _)| key == name).unwrap_or_else(|| {
            parts.push(((*name).to_owned(), Self::Map(Vec::new())));
            parts.len() - 1
        });
        parts[place].1.set(rest, part);
    }

    /// Takes away what is at a path; says whether it was there.
    pub fn remove(&mut self, path: &[&str]) -> bool {
        let (Some((name, rest)), Self::Map(parts)) = (path.split_first(), self) else { return false };
        let before = parts.len();
        if rest.is_empty() {
            parts.retain(|(key, _)| key != name);
            return parts.len() < before;
        }
        parts.iter_mut().filter(|(key, _)| key == name).fold(false, |any, (_, part)| part.remove(rest) || any)
    }

    /// The same with each name once, in every map: the last of several.
    #[must_use]
    pub fn without_repeats(&self) -> Self {
        match self {
            Self::List(items) => Self::List(items.iter().map(Self::without_repeats).collect()),
            Self::Map(parts) => {
                let last = |i: usize, key: &str| !parts[i + 1..].iter().any(|(other, _)| other == key);
                let kept = parts.iter().enumerate().filter(|(i, (key, _))| last(*i, key));
                Self::Map(kept.map(|(_, (key, part))| (key.clone(), part.without_repeats())).collect())
            }
            other => other.clone(),
        }
    }

    /// All texts in it, with the path of each: `spec.volumes[0].name`. A name of a map counts too.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, &str)> {
        let mut texts = Vec::new();
        self.gather(String::new(), &mut texts);
        texts
    }

    fn gather<'a>(&'a self, path: String, texts: &mut Vec<(String, &'a str)>) {
        match self {
            Self::Text(text) => texts.push((path, text)),
            Self::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    item.gather(format!("{path}[{i}]"), texts);
                }
            }
            Self::Map(parts) => {
                for (key, part) in parts {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    texts.push((below.clone(), key));
                    part.gather(below, texts);
                }
            }
            Self::Null | Self::Flag(_) | Self::Number(_) => {}
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Map(parts) => {
                let mut map = serializer.serialize_map(Some(parts.len()))?;
                for (key, part) in parts {
                    map.serialize_entry(key, part)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        // Infinity is a number of YAML's alone.
        Ok(Number::from_f64(number).map_or_else(|| Tree::Text(number.to_string()), Tree::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut parts = Vec::new();
        while let Some(entry) = map.next_entry()? {
            parts.push(entry);
        }
        Ok(Tree::Map(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_document_is_written_as_it_was_read() {
        let json = r#"{"z":1,"a":[true,null,-2,1.5,{"z":"x","a":{}}],"z":[]}"#;
        assert_eq!(serde_json::to_string(&tree(json)).unwrap(), json);
    }

    #[test]
    fn a_part_is_found_put_and_taken_away_by_its_path() {
        let mut host = tree(r#"{"vhost":{"mode":"server"},"list":[1]}"#);
        assert_eq!(host.text(&["vhost", "mode"]), Some("server"));
        host.set(&["vhost", "mode"], "client".into());
        host.set(&["bridge", "bridgeName"], "br0".into());
        assert!(host.remove(&["list"]) && !host.remove(&["list"]) && !host.remove(&["vhost", "x", "y"]));
        host.set(&["vhost", "mode", "below", "text"], "nowhere".into());
        assert_eq!(host, tree(r#"{"vhost":{"mode":"client"},"bridge":{"bridgeName":"br0"}}"#));
    }

    #[test]
    fn of_several_parts_of_one_name_the_last_counts() {
        let mut host = tree(r#"{"a":1,"b":{"c":1,"c":2},"a":"x"}"#);
        assert_eq!(host.text(&["a"]), Some("x"));
        assert_eq!(host.without_repeats(), tree(r#"{"b":{"c":2},"a":"x"}"#));
        assert!(host.remove(&["a"]) && host.remove(&["b", "c"]));
        assert_eq!(host, tree(r#"{"b":{}}"#));
    }

    #[test]
    fn every_text_has_its_path() {
        let texts = tree(r#"{"a":[{"b":"x"},"y"]}"#);
        let texts: Vec<String> = texts.texts().iter().map(|(path, text)| format!("{path} {text}")).collect();
        assert_eq!(texts, ["a a", "a[0].b b", "a[0].b x", "a[1] y"]);
    }
}
