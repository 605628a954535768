//! Sizes of huge pages in each of their spellings, and amounts of memory for people to read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;
use crate::{HostPath, NumaNode};

/// Size of a huge page, printed as the kernel's command line wants it: `2M`, `1G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HugepageSize {
    kib: u64,
}

/// Why a string is not the size of a huge page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the size of a huge page (expected a power of two from 64K to 16G, e.g. 2M or 1G)")]
pub struct BadHugepageSize(String);

const MIB: u64 = 1 << 10;
const GIB: u64 = 1 << 20;

impl HugepageSize {
    /// The file that holds how many pages there are: of one NUMA node, or of the whole host.
    #[must_use]
    pub fn pool(self, node: Option<NumaNode>) -> HostPath {
        let of_size = self.sysfs();
        HostPath::fixed(&match node {
            Some(node) => format!("/sys/devices/system/node/node{node}/hugepages/{of_size}/nr_hugepages"),
            None => format!("/sys/kernel/mm/hugepages/{of_size}/nr_hugepages"),
        })
    }

    /// 2 MiB: what x86 takes unless told otherwise.
    pub const TWO_MIB: Self = Self { kib: 2 * MIB };
    /// 1 GiB.
    pub const ONE_GIB: Self = Self { kib: GIB };

    /// The size of so many kibibytes, if there are such huge pages.
    #[must_use]
    pub fn from_kib(kib: u64) -> Option<Self> {
        (kib.is_power_of_two() && (64..=16 * GIB).contains(&kib)).then_some(Self { kib })
    }

    /// The size that sysfs calls so: `hugepages-2048kB`.
    pub fn from_sysfs(name: &str) -> Result<Self, BadHugepageSize> {
        let kib = || name.strip_prefix("hugepages-")?.strip_suffix("kB").and_then(number);
        kib().and_then(Self::from_kib).ok_or_else(|| BadHugepageSize(name.to_owned()))
    }

    /// The size in kibibytes.
    #[must_use]
    pub fn kib(self) -> u64 {
        self.kib
    }

    /// The directory in `/sys/kernel/mm/hugepages`: `hugepages-2048kB`.
    #[must_use]
    pub fn sysfs(self) -> String {
        format!("hugepages-{}kB", self.kib)
    }

    /// The value of `hugepagesz=`: `1G`.
    #[must_use]
    pub fn kernel_arg(self) -> String {
        let (n, unit) = self.in_units();
        format!("{n}{unit}")
    }

    /// The name of the resource in Kubernetes: `hugepages-1Gi`.
    #[must_use]
    pub fn kubernetes(self) -> String {
        let (n, unit) = self.in_units();
        format!("hugepages-{n}{unit}i")
    }

    fn in_units(self) -> (u64, char) {
        match self.kib {
            kib if kib >= GIB => (kib / GIB, 'G'),
            kib if kib >= MIB => (kib / MIB, 'M'),
            kib => (kib, 'K'),
        }
    }
}

fn number(s: &str) -> Option<u64> {
    s.parse().ok().filter(|_| s.bytes().all(|b| b.is_ascii_digit()))
}

impl FromStr for HugepageSize {
    type Err = BadHugepageSize;

    /// Reads the spellings of the kernel (`2M`, `2048kB`), of Kubernetes (`2Mi`) and of people (`2MB`, `2MiB`);
    /// all of them mean powers of 1024.
    fn from_str(s: &str) -> Result<Self, BadHugepageSize> {
        let parse = || {
            let (n, unit) = s.split_at(s.find(|c: char| !c.is_ascii_digit())?);
            let kib = match unit.to_ascii_lowercase().as_str() {
                "k" | "ki" | "kb" | "kib" => 1,
                "m" | "mi" | "mb" | "mib" => MIB,
                "g" | "gi" | "gb" | "gib" => GIB,
                _ => return None,
            };
            Self::from_kib(number(n)?.checked_mul(kib)?)
        };
        parse().ok_or_else(|| BadHugepageSize(s.to_owned()))
    }
}

impl fmt::Display for HugepageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.kernel_arg())
    }
}

string_form!(HugepageSize, BadHugepageSize);

/// An amount of memory in kibibytes. People read it in the largest unit it fills; documents hold the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kib(pub u64);

impl fmt::Display for Kib {
    /// `1 MiB`; what is not whole gets one decimal: `1.5 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", GIB << 10), ("GiB", GIB), ("MiB", MIB)];
        let (unit, kib) = units.into_iter().find(|(_, kib)| self.0 >= *kib).unwrap_or(("KiB", 1));
        let tenths = (u128::from(self.0) * 10 + u128::from(kib / 2)) / u128::from(kib);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => f.pad(&format!("{whole} {unit}")),
            (whole, tenth) => f.pad(&format!("{whole}.{tenth} {unit}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_size_survives_each_of_its_spellings(log in 6..=24u32) {
            let size = HugepageSize::from_kib(1 << log).unwrap();
            prop_assert_eq!(size.to_string().parse::<HugepageSize>().unwrap(), size);
            prop_assert_eq!(HugepageSize::from_sysfs(&size.sysfs()).unwrap(), size);
            let kubernetes = size.kubernetes();
            prop_assert_eq!(kubernetes.strip_prefix("hugepages-").unwrap().parse::<HugepageSize>().unwrap(), size);
        }
    }

    #[test]
    fn a_size_has_many_spellings_and_prints_as_one() {
        for text in ["2M", "2Mi", "2MB", "2MiB", "2048kB", "2048K", "2m"] {
            assert_eq!(text.parse::<HugepageSize>().unwrap(), HugepageSize::TWO_MIB, "{text}");
        }
        for (text, printed) in [("1GB", "1G"), ("1024M", "1G"), ("64K", "64K"), ("16G", "16G")] {
            assert_eq!(text.parse::<HugepageSize>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn a_size_that_no_huge_page_has_is_refused() {
        for bad in
            ["", "M", "3M", "32K", "32G", "0M", "2", "2T", "-2M", "2 M", "18446744073709551615G", "2MM"]
        {
            assert!(bad.parse::<HugepageSize>().is_err(), "{bad:?}");
        }
        assert!(HugepageSize::from_sysfs("hugepages-2M").is_err());
    }

    #[test]
    fn the_size_is_called_differently_everywhere() {
        let size = HugepageSize::ONE_GIB;
        assert_eq!(size.kernel_arg(), "1G");
        assert_eq!(size.sysfs(), "hugepages-1048576kB");
        assert_eq!(size.kubernetes(), "hugepages-1Gi");
    }

    #[test]
    fn an_amount_is_read_in_the_largest_unit_it_fills() {
        for (kib, text) in
            [(0, "0 KiB"), (1023, "1023 KiB"), (1024, "1 MiB"), (1536, "1.5 MiB"), (64 * GIB, "64 GiB")]
        {
            assert_eq!(Kib(kib).to_string(), text);
        }
        assert_eq!(Kib(u64::MAX).to_string(), "17179869184 TiB");
    }
}
