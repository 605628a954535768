//! The lanes of a node, by the names they have in a `NodeState`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a node that one resource decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Lane {
    /// What the node is like: a `NodeProfile`.
    Profile,
    /// The primary network's bypass: a `FastPath`.
    FastPath,
    /// The switch in user space: a `Switch`.
    Switch,
}

impl Lane {
    /// All of them, in the order in which a node takes them up: a switch needs the hugepages of the profile.
    pub const ALL: [Self; 3] = [Self::Profile, Self::FastPath, Self::Switch];

    /// The kind of resource that decides it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Profile => "NodeProfile",
            Self::FastPath => "FastPath",
            Self::Switch => "Switch",
        }
    }

    /// The lane that a kind of resource decides.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.kind() == kind)
    }

    /// The plural of the kind, as it stands in the server's paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Profile => "nodeprofiles",
            Self::FastPath => "fastpaths",
            Self::Switch => "switches",
        }
    }

    /// How a resource is named to people and in annotations: `KIND/NAME`.
    #[must_use]
    pub fn title(self, name: &str) -> String {
        format!("{}/{name}", self.kind())
    }

    /// Its name in a `NodeState`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::FastPath => "fastPath",
            Self::Switch => "switch",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
