//! Sets of CPUs in the kernel's list form: `0-3,8,10-20:2/4`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CpuMask;
use crate::word::string_form;

/// One more than the highest number of a CPU: the greatest `NR_CPUS` a kernel can be built with on x86.
pub(crate) const MAX_CPUS: u32 = 8192;

/// A set of CPUs, printed as the kernel prints it: `0-3,8`; blank if empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuSet(BTreeSet<u32>);

/// Why a string is not a list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCpuSet {
    /// A part is neither a number nor a range.
    #[error("`{part}` in `{list}` is no CPU and no range of CPUs (expected e.g. 0-3,8 or 10-20:2/4)")]
    Part {
        /// The part that is wrong.
        part: String,
        /// The whole list.
        list: String,
    },
    /// A number is above what kernels know.
    #[error("`{part}` in `{list}` names a CPU above 8191")]
    TooHigh {
        /// The part that is too high.
        part: String,
        /// The whole list.
        list: String,
    },
    /// The list depends on how many CPUs the machine has.
    #[error("`{0}` means another set on every machine (expected the CPUs by number, e.g. 0-3,8)")]
    Relative(String),
}

impl CpuSet {
    /// The set of no CPU.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The CPUs in rising order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// How many CPUs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `cpu` is one of them.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// The lowest of them.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// The CPUs of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(&self.0 | &other.0)
    }

    /// The CPUs of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(&self.0 & &other.0)
    }

    /// The CPUs that are not among the other's.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Whether all are among the other's.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether none is among the other's.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    /// Adds `cpu`; says whether it was new. A number above 8191, which no kernel has, is left out.
    pub fn insert(&mut self, cpu: u32) -> bool {
        cpu < MAX_CPUS && self.0.insert(cpu)
    }

    /// The same set as a mask.
    #[must_use]
    pub fn mask(&self) -> CpuMask {
        CpuMask::of(self.clone())
    }
}

impl FromIterator<u32> for CpuSet {
    /// Numbers above 8191, which no kernel has, are left out.
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self(cpus.into_iter().filter(|cpu| *cpu < MAX_CPUS).collect())
    }
}

impl FromStr for CpuSet {
    type Err = BadCpuSet;

    /// As `bitmap_parselist()`: parts end at commas and blanks, of which there may be several. `N` and `all`,
    /// which 5.12 brought, are refused: the same text must mean the same CPUs everywhere.
    fn from_str(s: &str) -> Result<Self, BadCpuSet> {
        let mut cpus = BTreeSet::new();
        for part in s.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|p| !p.is_empty()) {
            if part.contains('N') || part.eq_ignore_ascii_case("all") {
                return Err(BadCpuSet::Relative(s.to_owned()));
            }
            let region = Region::parse(part)
                .ok_or_else(|| BadCpuSet::Part { part: part.to_owned(), list: s.to_owned() })?;
            if region.end >= MAX_CPUS {
                return Err(BadCpuSet::TooHigh { part: part.to_owned(), list: s.to_owned() });
            }
            cpus.extend(region.cpus());
        }
        Ok(Self(cpus))
    }
}

/// A range of which the first `used` of every `group` CPUs count.
struct Region {
    start: u32,
    end: u32,
    used: u32,
    group: u32,
}

impl Region {
    fn parse(part: &str) -> Option<Self> {
        let number = |s: &str| s.parse().ok().filter(|_| s.bytes().all(|b| b.is_ascii_digit()));
        let Some((start, rest)) = part.split_once('-') else {
            let cpu = number(part)?;
            return Some(Self { start: cpu, end: cpu, used: 1, group: 1 });
        };
        let (end, pattern) = rest.split_once(':').unwrap_or((rest, "1/1"));
        let (used, group) = pattern.split_once('/')?;
        let region =
            Self { start: number(start)?, end: number(end)?, used: number(used)?, group: number(group)? };
        // What bitmap_check_region() refuses.
        (region.start <= region.end && region.group > 0 && region.used <= region.group).then_some(region)
    }

    fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        (self.start..=self.end).filter(|cpu| (cpu - self.start) % self.group < self.used)
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for cpu in self.iter() {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == cpu => *end = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        let print = |(a, b): &(u32, u32)| if a == b { a.to_string() } else { format!("{a}-{b}") };
        f.pad(&ranges.iter().map(print).collect::<Vec<_>>().join(","))
    }
}

string_form!(CpuSet, BadCpuSet);

#[cfg(test)]
mod tests;
