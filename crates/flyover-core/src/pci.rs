//! PCI functions as the kernel writes them: where they sit, who made them, and which group guards their memory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Address of a PCI function, e.g. `0000:06:00.1`. Ordered as `lspci` orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddr {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

/// Why a string is not a PCI address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a PCI address (expected e.g. 0000:06:00.1)")]
pub struct BadPciAddr(String);

impl PciAddr {
    /// The function at that place, if a bus has so many devices and a device so many functions.
    #[must_use]
    pub fn new(domain: u32, bus: u8, device: u8, function: u8) -> Option<Self> {
        (device <= 31 && function <= 7).then_some(Self { domain, bus, device, function })
    }

    /// The domain; above `ffff` behind Intel's VMD.
    #[must_use]
    pub fn domain(self) -> u32 {
        self.domain
    }

    /// The bus within the domain.
    #[must_use]
    pub fn bus(self) -> u8 {
        self.bus
    }

    /// The device on the bus, at most 31.
    #[must_use]
    pub fn device(self) -> u8 {
        self.device
    }

    /// The function of the device, at most 7.
    #[must_use]
    pub fn function(self) -> u8 {
        self.function
    }
}

/// Reads `s` as hexadecimal digits alone, so many as `len` allows.
fn hex(s: &str, len: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let digits = len.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(s, 16).ok().filter(|_| digits)
}

fn byte(s: &str, len: usize) -> Option<u8> {
    u8::try_from(hex(s, len..=len)?).ok()
}

fn bare(s: &str) -> &str {
    s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")).unwrap_or(s)
}

impl FromStr for PciAddr {
    type Err = BadPciAddr;

    /// Accepts the short form of `lspci` too: `06:00.1` is in domain 0.
    fn from_str(s: &str) -> Result<Self, BadPciAddr> {
        let parse = || {
            let (slot, function) = s.rsplit_once('.')?;
            let (bus, device) = slot.rsplit_once(':')?;
            let (domain, bus) = bus.split_once(':').unwrap_or(("0000", bus));
            Self::new(hex(domain, 4..=8)?, byte(bus, 2)?, byte(device, 2)?, byte(function, 1)?)
        };
        parse().ok_or_else(|| BadPciAddr(s.to_owned()))
    }
}

impl fmt::Display for PciAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        f.pad(&format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
    }
}

/// Who made a device and which one it is, e.g. `8086:10fb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciId {
    /// The vendor, as the PCI-SIG numbers them.
    pub vendor: u16,
    /// The device, as its vendor numbers them.
    pub device: u16,
}

/// Why a string is not a pair of vendor and device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a PCI vendor and device (expected e.g. 8086:10fb)")]
pub struct BadPciId(String);

impl FromStr for PciId {
    type Err = BadPciId;

    /// Accepts both halves as sysfs writes them too: `0x8086:0x10fb`.
    fn from_str(s: &str) -> Result<Self, BadPciId> {
        let half = |h: &str| u16::try_from(hex(bare(h), 4..=4)?).ok();
        let parse = || {
            let (vendor, device) = s.split_once(':')?;
            Some(Self { vendor: half(vendor)?, device: half(device)? })
        };
        parse().ok_or_else(|| BadPciId(s.to_owned()))
    }
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04x}:{:04x}", self.vendor, self.device))
    }
}

/// Number of an IOMMU group: the devices that only go to a guest together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IommuGroup(pub u32);

/// Why a string is not the number of an IOMMU group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the number of an IOMMU group (expected e.g. 12)")]
pub struct BadIommuGroup(String);

impl FromStr for IommuGroup {
    type Err = BadIommuGroup;

    fn from_str(s: &str) -> Result<Self, BadIommuGroup> {
        let digits = s.bytes().all(|b| b.is_ascii_digit());
        s.parse().ok().filter(|_| digits).map(Self).ok_or_else(|| BadIommuGroup(s.to_owned()))
    }
}

impl fmt::Display for IommuGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

string_form!(PciAddr, BadPciAddr; PciId, BadPciId; IommuGroup, BadIommuGroup);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pci_word_survives_printing_and_parsing(domain: u32, bus: u8, device in 0..32u8, function in 0..8u8, v: u16) {
            let addr = PciAddr::new(domain, bus, device, function).unwrap();
            prop_assert_eq!(addr.to_string().parse::<PciAddr>().unwrap(), addr);
            let id = PciId { vendor: v, device: v.rotate_left(3) };
            prop_assert_eq!(id.to_string().parse::<PciId>().unwrap(), id);
            prop_assert_eq!(IommuGroup(domain).to_string().parse::<IommuGroup>().unwrap(), IommuGroup(domain));
        }
    }

    #[test]
    fn the_short_form_is_in_domain_zero() {
        assert_eq!("06:00.1".parse::<PciAddr>().unwrap().to_string(), "0000:06:00.1");
        assert_eq!("10000:E1:00.0".parse::<PciAddr>().unwrap().to_string(), "10000:e1:00.0");
    }

    #[test]
    fn a_device_above_31_a_function_above_7_and_loose_digits_are_refused() {
        for bad in ["0000:00:20.0", "0000:00:00.8", "0:06:00.1", "06:0.1", "06:00", "+6:00.1", "06:00.1 ", ""]
        {
            assert!(bad.parse::<PciAddr>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_vendor_and_device_may_carry_the_prefix_of_sysfs() {
        assert_eq!("0x8086:0x10fb".parse::<PciId>().unwrap().to_string(), "8086:10fb");
        for bad in ["8086", "8086:", "8086:10fbb", "086:10fb", "0x:10fb"] {
            assert!(bad.parse::<PciId>().is_err(), "{bad:?}");
        }
    }
}
