//! What a PCI function is for: its class, and prefixes of classes by which people select.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Class of a PCI function: base class, subclass and programming interface, a byte each, e.g. `0x020000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciClass(u32);

/// Why a string is not a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a PCI class (expected 2, 4 or 6 hexadecimal digits, e.g. 0x020000 or 0200)")]
pub struct BadPciClass(String);

/// Base class of network controllers.
const NETWORK: u8 = 0x02;
/// Base class of bridges.
const BRIDGE: u8 = 0x06;

impl PciClass {
    /// The class of that number, if it has no more than 24 bits.
    #[must_use]
    pub fn new(class: u32) -> Option<Self> {
        (class <= 0x00ff_ffff).then_some(Self(class))
    }

    /// The number, 24 bits.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The base class.
    #[must_use]
    pub fn base(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Whether this is a network controller.
    #[must_use]
    pub fn is_network(self) -> bool {
        self.base() == NETWORK
    }

    /// Whether this is a bridge; it shares its IOMMU group with what is behind it.
    #[must_use]
    pub fn is_bridge(self) -> bool {
        self.base() == BRIDGE
    }

    /// Whether the class begins as the prefix does.
    #[must_use]
    pub fn starts_with(self, prefix: PciClassPrefix) -> bool {
        prefix.matches(self)
    }
}

impl FromStr for PciClass {
    type Err = BadPciClass;

    /// What is left out at the end is zero: `0200` is `0x020000`.
    fn from_str(s: &str) -> Result<Self, BadPciClass> {
        s.parse::<PciClassPrefix>().map(|p| Self(p.class)).map_err(|_| BadPciClass(s.to_owned()))
    }
}

impl fmt::Display for PciClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#08x}", self.0))
    }
}

/// The first one, two or three bytes of a class, e.g. `0200` for Ethernet controllers of any interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciClassPrefix {
    /// The bytes, followed by zeros.
    class: u32,
    /// How many bytes are given: 1 to 3.
    bytes: u8,
}

/// Why a string is not a prefix of classes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a prefix of PCI classes (expected 2, 4 or 6 hexadecimal digits, e.g. 02 or 0200)")]
pub struct BadPciClassPrefix(String);

impl PciClassPrefix {
    /// Whether `class` begins so.
    #[must_use]
    pub fn matches(self, class: PciClass) -> bool {
        (class.0 ^ self.class) >> self.missing_bits() == 0
    }

    fn missing_bits(self) -> u32 {
        24 - 8 * u32::from(self.bytes)
    }
}

impl FromStr for PciClassPrefix {
    type Err = BadPciClassPrefix;

    fn from_str(s: &str) -> Result<Self, BadPciClassPrefix> {
        let digits = s.strip_prefix("0x").unwrap_or(s);
        let bytes = match digits.len() {
            2 => 1,
            4 => 2,
            6 => 3,
            _ => 0,
        };
        let clean = bytes > 0 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| clean);
        let prefix = number.map(|n| Self { class: n << (24 - 8 * u32::from(bytes)), bytes });
        prefix.ok_or_else(|| BadPciClassPrefix(s.to_owned()))
    }
}

impl fmt::Display for PciClassPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = 2 * usize::from(self.bytes);
        f.pad(&format!("{:0width$x}", self.class >> self.missing_bits()))
    }
}

string_form!(PciClass, BadPciClass; PciClassPrefix, BadPciClassPrefix);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_class_survives_printing_and_parsing_and_begins_as_itself(n in 0..=0x00ff_ffffu32, len in 1..=3usize) {
            let class = PciClass::new(n).unwrap();
            prop_assert_eq!(class.to_string().parse::<PciClass>().unwrap(), class);
            let text = format!("{n:06x}");
            let prefix: PciClassPrefix = text[..2 * len].parse().unwrap();
            prop_assert_eq!(prefix.to_string(), &text[..2 * len]);
            prop_assert!(class.starts_with(prefix));
        }
    }

    #[test]
    fn a_class_is_read_as_sysfs_and_as_lspci_write_it() {
        for text in ["0x020000", "020000", "0200", "02"] {
            assert_eq!(text.parse::<PciClass>().unwrap().to_string(), "0x020000");
        }
        for bad in ["", "0x", "2", "20000", "0x02000", "0x1020000", "zz", "+2"] {
            assert!(bad.parse::<PciClass>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_means_the_classes_that_begin_with_it() {
        let ethernet: PciClass = "0x020000".parse().unwrap();
        let infiniband: PciClass = "0x020700".parse().unwrap();
        let network: PciClassPrefix = "02".parse().unwrap();
        assert!(network.matches(ethernet) && network.matches(infiniband));
        assert!(!"0200".parse::<PciClassPrefix>().unwrap().matches(infiniband));
        assert!(ethernet.is_network() && !ethernet.is_bridge());
        assert!("0x060400".parse::<PciClass>().unwrap().is_bridge());
    }
}
