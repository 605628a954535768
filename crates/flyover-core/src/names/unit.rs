//! Names of systemd's units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Longest name: `UNIT_NAME_MAX` of systemd less the closing zero.
const MAX_LEN: usize = 255;

const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// Name of a unit with its suffix, e.g. `openvswitch.service`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

/// Why a string is not the name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a unit (expected letters, digits and `:-_.\\@`, e.g. openvswitch.service)")]
pub struct BadUnitName(String);

impl UnitName {
    /// The name with its suffix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = BadUnitName;

    /// As systemctl: a name without one of the suffixes means the service.
    fn from_str(s: &str) -> Result<Self, BadUnitName> {
        let stem = SUFFIXES.iter().find_map(|suffix| s.strip_suffix(suffix));
        let name = if stem.is_some() { s.to_owned() } else { format!("{s}.service") };
        let stem = stem.unwrap_or(s);
        let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b));
        let fits = !stem.is_empty() && !stem.starts_with('@') && name.len() <= MAX_LEN;
        if clean && fits { Ok(Self(name)) } else { Err(BadUnitName(s.to_owned())) }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

string_form!(UnitName, BadUnitName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_survives_printing_and_parsing(s in r"[a-z][a-zA-Z0-9:_.\\@-]{0,40}") {
            let name: UnitName = s.parse().unwrap();
            prop_assert_eq!(name.to_string().parse::<UnitName>().unwrap(), name);
        }
    }

    #[test]
    fn a_name_without_a_suffix_means_the_service() {
        for (text, name) in [
            ("kubelet", "kubelet.service"),
            ("a.b", "a.b.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("dev-hugepages1G.mount", "dev-hugepages1G.mount"),
        ] {
            assert_eq!(text.parse::<UnitName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_systemd_refuses_is_refused() {
        let long = "a".repeat(248);
        for bad in ["", ".service", "@a.service", "a/b.service", "a b", "ä", "a*", &long] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad:?}");
        }
    }
}
