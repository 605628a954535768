//! Names of kernel drivers and of the modules that bring them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Longest name: modules have 55 bytes on 64-bit kernels (`MODULE_NAME_LEN`), drivers no bound of their own.
const MAX_LEN: usize = 63;

/// Name of a driver as `/sys/bus/pci/drivers` lists it, e.g. `vfio-pci`. Here `-` and `_` differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriverName(String);

/// Why a string is not the name of a driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a driver (expected 1 to 63 letters, digits, `-` and `_`, e.g. vfio-pci)")]
pub struct BadDriverName(String);

/// Name of a module. `vfio-pci` and `vfio_pci` are the same one, as for modprobe; it prints as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleName(String);

/// Why a string is not the name of a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a module (expected 1 to 63 letters, digits, `-` and `_`, e.g. vfio_pci)")]
pub struct BadModuleName(String);

fn is_name(s: &str) -> bool {
    (1..=MAX_LEN).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl DriverName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ModuleName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as `/proc/modules` and `/sys/module` write it: with `_` throughout.
    #[must_use]
    pub fn normalized(&self) -> String {
        self.0.replace('-', "_")
    }

    fn key(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|b| if b == b'-' { b'_' } else { b })
    }
}

impl PartialEq for ModuleName {
    fn eq(&self, other: &Self) -> bool {
        self.key().eq(other.key())
    }
}

impl Eq for ModuleName {}

impl PartialOrd for ModuleName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ModuleName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl Hash for ModuleName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized().hash(state);
    }
}

impl FromStr for DriverName {
    type Err = BadDriverName;

    fn from_str(s: &str) -> Result<Self, BadDriverName> {
        if is_name(s) { Ok(Self(s.to_owned())) } else { Err(BadDriverName(s.to_owned())) }
    }
}

impl FromStr for ModuleName {
    type Err = BadModuleName;

    fn from_str(s: &str) -> Result<Self, BadModuleName> {
        if is_name(s) { Ok(Self(s.to_owned())) } else { Err(BadModuleName(s.to_owned())) }
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

string_form!(DriverName, BadDriverName; ModuleName, BadModuleName);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_survives_printing_and_parsing(s in "[A-Za-z0-9_-]{1,63}") {
            prop_assert_eq!(s.parse::<DriverName>().unwrap().to_string(), &s[..]);
            prop_assert_eq!(s.parse::<ModuleName>().unwrap().to_string(), s);
        }
    }

    #[test]
    fn a_module_is_the_same_with_hyphens_and_with_underscores_and_a_driver_is_not() {
        let both: [ModuleName; 2] = ["vfio-pci", "vfio_pci"].map(|s| s.parse().unwrap());
        assert_eq!(both[0], both[1]);
        assert_eq!(both.iter().collect::<HashSet<_>>().len(), 1);
        assert_eq!(both[0].cmp(&both[1]), Ordering::Equal);
        assert_eq!(both[0].to_string(), "vfio-pci");
        assert_ne!("vfio-pci".parse::<DriverName>().unwrap(), "vfio_pci".parse().unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        for bad in ["", "a b", "a/b", "..", "a.ko", "ä", &long] {
            assert!(bad.parse::<DriverName>().is_err() && bad.parse::<ModuleName>().is_err(), "{bad:?}");
        }
    }
}
