//! CPU sets as hexadecimal masks: the form of Open vSwitch and that of `/proc/irq/*/smp_affinity`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CpuSet;
use crate::cpuset::MAX_CPUS;
use crate::word::string_form;

/// A set of CPUs printed as Open vSwitch wants it in `pmd-cpu-mask`: `0xc00000c`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuMask(CpuSet);

/// Why a string is not a mask of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a CPU mask below CPU 8192 (expected e.g. 0xc00000c or 00000001,00000000)")]
pub struct BadCpuMask(String);

impl CpuMask {
    pub(crate) fn of(cpus: CpuSet) -> Self {
        Self(cpus)
    }

    /// The CPUs whose bits are set.
    #[must_use]
    pub fn cpus(&self) -> CpuSet {
        self.0.clone()
    }

    /// The mask as the kernel writes bitmaps: groups of 32 bits with commas, e.g. `00000001,00000000`.
    #[must_use]
    pub fn kernel(&self) -> String {
        let groups: Vec<String> = self.groups().iter().rev().map(|g| format!("{g:08x}")).collect();
        groups.join(",")
    }

    /// Groups of 32 bits, the lowest first; at least one.
    fn groups(&self) -> Vec<u32> {
        let last = self.0.iter().next_back().unwrap_or(0) / 32;
        let mut groups = vec![0; last as usize + 1];
        for cpu in self.0.iter() {
            groups[cpu as usize / 32] |= 1 << (cpu % 32);
        }
        groups
    }
}

impl FromStr for CpuMask {
    type Err = BadCpuMask;

    /// Reads both forms, with and without `0x`. A group between commas has 1 to 8 digits.
    fn from_str(s: &str) -> Result<Self, BadCpuMask> {
        let bad = || BadCpuMask(s.to_owned());
        let digits = s.strip_prefix("0x").unwrap_or(s);
        let mut joined = String::with_capacity(digits.len());
        for group in digits.split(',') {
            if group.is_empty() || digits.contains(',') && group.len() > 8 {
                return Err(bad());
            }
            joined += &format!("{group:0>8}");
        }
        let mut cpus = Vec::new();
        for (place, digit) in (0u32..).step_by(4).zip(joined.chars().rev()) {
            let bits = digit.to_digit(16).ok_or_else(bad)?;
            cpus.extend((0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| place + bit));
        }
        let fits = cpus.last().is_none_or(|cpu| *cpu < MAX_CPUS);
        if fits { Ok(Self(cpus.into_iter().collect())) } else { Err(bad()) }
    }
}

impl fmt::Display for CpuMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.kernel().replace(',', "");
        let digits = digits.trim_start_matches('0');
        f.pad(&format!("0x{}", if digits.is_empty() { "0" } else { digits }))
    }
}

string_form!(CpuMask, BadCpuMask);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mask_survives_printing_and_parsing_in_both_forms(cpus in proptest::collection::vec(0..MAX_CPUS, 0..64)) {
            let mask = cpus.into_iter().collect::<CpuSet>().mask();
            prop_assert_eq!(mask.to_string().parse::<CpuMask>().unwrap(), mask.clone());
            prop_assert_eq!(mask.kernel().parse::<CpuMask>().unwrap(), mask);
        }
    }

    #[test]
    fn the_mask_of_the_document_is_printed_without_leading_zeros() {
        let mask = "2-3,26-27".parse::<CpuSet>().unwrap().mask();
        assert_eq!(mask.to_string(), "0xc00000c");
        assert_eq!(mask.kernel(), "0c00000c");
        assert_eq!(mask.cpus().to_string(), "2-3,26-27");
    }

    #[test]
    fn a_mask_above_32_cpus_has_groups_for_the_kernel_and_none_for_open_vswitch() {
        let mask = "32".parse::<CpuSet>().unwrap().mask();
        assert_eq!((mask.to_string().as_str(), mask.kernel().as_str()), ("0x100000000", "00000001,00000000"));
        assert_eq!("1,0".parse::<CpuMask>().unwrap(), mask);
    }

    #[test]
    fn the_empty_mask_is_zero() {
        let mask = CpuSet::new().mask();
        assert_eq!((mask.to_string().as_str(), mask.kernel().as_str()), ("0x0", "00000000"));
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let high = format!("1{}", "0".repeat(2048));
        for bad in ["", "0x", "g", "1,", ",1", "123456789,0", "0x0x1", "-1", &high] {
            assert!(bad.parse::<CpuMask>().is_err(), "{bad:?}");
        }
    }
}
