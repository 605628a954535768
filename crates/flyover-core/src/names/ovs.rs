//! Names of a switch's bridges and ports.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Name of a bridge, port or interface of Open vSwitch. Stricter than the switch itself, which takes nearly
/// anything: it becomes part of paths, and other programs give it to `ovs-vsctl` as an argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OvsName(String);

/// Why a string is not a name in a switch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name of a bridge or port (1 to 63 letters, digits, `.`, `_`, `-`, the first a letter or digit)"
)]
pub struct BadOvsName(String);

/// The longest name: a port's is part of its socket's path, which has 107 bytes.
const LONGEST: usize = 63;

impl OvsName {
    /// The name as the switch writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OvsName {
    type Err = BadOvsName;

    fn from_str(s: &str) -> Result<Self, BadOvsName> {
        let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        let starts = s.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if clean && starts && s.len() <= LONGEST {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadOvsName(s.to_owned()))
        }
    }
}

impl fmt::Display for OvsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

string_form!(OvsName, BadOvsName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_options_paths_or_two_words_are_refused() {
        for good in ["br0", "br-dpdk0", "0123456789ab-net1", "dpdk0.100"] {
            assert_eq!(good.parse::<OvsName>().unwrap().as_str(), good);
        }
        for bad in ["", "-x", "--", "..", ".a", "a/b", "a b", "a\nb", "a\\b", "a=b", &"x".repeat(64)] {
            assert!(bad.parse::<OvsName>().is_err(), "{bad:?}");
        }
    }
}
