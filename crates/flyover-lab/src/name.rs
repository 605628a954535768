//! Names of labs, and of the namespaces they are made of.
//!
//! Invariant: a namespace's name tells its lab and its place in it, and no two labs can share one: the place is
//! what stands at the end.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name, so that every name made of it stays readable in a table.
const MAX_LEN: usize = 32;

/// Name of a lab: lower-case letters, digits and dashes, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

/// Why a string is not a lab's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a lab's name (1 to 32 of a-z, 0-9 and `-`, beginning with a letter, not ending with `-`)"
)]
pub struct BadLabName(String);

/// A namespace's place in its lab. Nodes and pods are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// What joins the nodes where a pair of devices does not.
    Wire,
    /// A node.
    Node(u8),
    /// A pod: its node, and its number there.
    Pod(u8, u8),
}

/// Why a string is not a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a place in a lab (expected a node such as n1 or a pod such as n1/p2)")]
pub struct BadPlace(String);

impl LabName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the namespace at that place.
    #[must_use]
    pub fn netns(&self, place: Place) -> String {
        match place {
            Place::Wire => format!("{self}-wire"),
            Place::Node(i) => format!("{self}-n{i}"),
            Place::Pod(i, j) => format!("{self}-n{i}-p{j}"),
        }
    }

    /// The lab and the place that a namespace's name tells, if it tells any.
    #[must_use]
    pub fn of_netns(netns: &str) -> Option<(Self, Place)> {
        let (head, last) = netns.rsplit_once('-')?;
        let (lab, place) = if last == "wire" {
            (head, Place::Wire)
        } else if let Some(node) = ordinal(last, 'n') {
            (head, Place::Node(node))
        } else {
            let (lab, node) = head.rsplit_once('-')?;
            (lab, Place::Pod(ordinal(node, 'n')?, ordinal(last, 'p')?))
        };
        Some((lab.parse().ok()?, place))
    }
}

/// The number in `n12`, if it is written as we write numbers.
fn ordinal(word: &str, letter: char) -> Option<u8> {
    let digits = word.strip_prefix(letter)?;
    digits.parse().ok().filter(|n: &u8| *n > 0 && n.to_string() == digits)
}

impl FromStr for LabName {
    type Err = BadLabName;

    fn from_str(s: &str) -> Result<Self, BadLabName> {
        let clean = s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let framed = s.starts_with(|c: char| c.is_ascii_lowercase()) && !s.ends_with('-');
        if clean && framed && s.len() <= MAX_LEN {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadLabName(s.to_owned()))
        }
    }
}

impl TryFrom<String> for LabName {
    type Error = BadLabName;

    fn try_from(s: String) -> Result<Self, BadLabName> {
        s.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> Self {
        name.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(s: &str) -> Result<Self, BadPlace> {
        let parse = || match s.split_once('/') {
            None if s == "wire" => Some(Self::Wire),
            None => ordinal(s, 'n').map(Self::Node),
            Some((node, pod)) => Some(Self::Pod(ordinal(node, 'n')?, ordinal(pod, 'p')?)),
        };
        parse().ok_or_else(|| BadPlace(s.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire => f.pad("wire"),
            Self::Node(i) => f.pad(&format!("n{i}")),
            Self::Pod(i, j) => f.pad(&format!("n{i}/p{j}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![
            Just(Place::Wire),
            (1..=255u8).prop_map(Place::Node),
            (1..=255u8, 1..=255u8).prop_map(|(i, j)| Place::Pod(i, j)),
        ]
    }

    proptest! {
        #[test]
        fn a_namespace_tells_its_lab_and_place(lab in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?", place in place()) {
            let lab: LabName = lab.parse().unwrap();
            prop_assert_eq!(LabName::of_netns(&lab.netns(place)), Some((lab, place)));
        }

        #[test]
        fn every_place_survives_printing_and_parsing(place in place()) {
            prop_assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
    }

    #[test]
    fn a_lab_named_like_a_node_of_another_is_told_apart() {
        assert_eq!(LabName::of_netns("a-n1-p1"), Some(("a".parse().unwrap(), Place::Pod(1, 1))));
        assert_eq!(LabName::of_netns("a-n1-n1"), Some(("a-n1".parse().unwrap(), Place::Node(1))));
    }

    #[test]
    fn names_that_no_lab_makes_are_of_no_lab() {
        for foreign in ["n1", "-n1", "lab", "lab-n01", "lab-n0", "lab-n1-p", "lab-n256", "Lab-n1", "lab-p1"] {
            assert_eq!(LabName::of_netns(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn names_that_would_escape_the_directory_are_refused() {
        for bad in ["", "-a", "a-", "1a", "A", "a/b", "a.b", "..", "a_b", "ä"] {
            assert!(bad.parse::<LabName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(33).parse::<LabName>().is_err());
    }
}
