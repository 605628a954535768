//! NUMA nodes by their number in `/sys/devices/system/node`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A NUMA node. Documents hold it as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NumaNode(pub u32);

/// Why a string is not the number of a NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the number of a NUMA node (expected e.g. 0)")]
pub struct BadNumaNode(String);

impl FromStr for NumaNode {
    type Err = BadNumaNode;

    fn from_str(s: &str) -> Result<Self, BadNumaNode> {
        let digits = s.bytes().all(|b| b.is_ascii_digit());
        s.parse().ok().filter(|_| digits).map(Self).ok_or_else(|| BadNumaNode(s.to_owned()))
    }
}

impl fmt::Display for NumaNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_node_survives_printing_and_parsing(n: u32) {
            prop_assert_eq!(NumaNode(n).to_string().parse::<NumaNode>().unwrap(), NumaNode(n));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in ["", "-1", "+1", "node0", "4294967296"] {
            assert!(bad.parse::<NumaNode>().is_err(), "{bad:?}");
        }
    }
}
