//! Huge pages on the command line: `hugepages=` means the size named before it.
//!
//! Source: `hugepages_setup()`, `hugepagesz_setup()` and `default_hugepagesz_setup()` of mm/hugetlb.c since 5.8.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::arg::KernelArg;
use crate::word::string_form;
use crate::{HugepageSize, NumaNode};

/// The arguments whose order among one another counts.
pub(super) const FAMILY: [&str; 3] = ["default_hugepagesz", "hugepagesz", "hugepages"];

/// What a command line says of huge pages; what the kernel ignores is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HugepageArgs {
    /// The size that `default_hugepagesz=` names. Without it x86 keeps 2 MiB.
    pub default: Option<HugepageSize>,
    /// The pools in order.
    pub pools: Vec<HugepagePool>,
}

/// Huge pages of one size that are set aside at boot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HugepagePool {
    /// Their size; the default size if none was named before them.
    pub size: Option<HugepageSize>,
    /// How many.
    pub count: HugepageCount,
}

/// How many huge pages: `64`, or `0:24,1:40` by NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HugepageCount {
    /// So many in all; the kernel spreads them.
    Total(u64),
    /// So many on each node.
    PerNode(BTreeMap<NumaNode, u64>),
}

/// Why a string is no number of huge pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of huge pages (expected e.g. 64, or 0:24,1:40 by NUMA node)")]
pub struct BadHugepageCount(String);

impl HugepageArgs {
    /// The size `hugepages=` means when none is named before it, on x86.
    #[must_use]
    pub fn default_size(&self) -> HugepageSize {
        self.default.unwrap_or(HugepageSize::TWO_MIB)
    }

    /// How many pages of that size are set aside. A number given without a size, which comes first, overrules.
    #[must_use]
    pub fn count(&self, size: HugepageSize) -> Option<&HugepageCount> {
        let pool = self.pools.iter().find(|p| p.size.unwrap_or(self.default_size()) == size);
        pool.map(|p| &p.count)
    }

    pub(super) fn of(args: &[KernelArg]) -> Self {
        let mut all = Self::default();
        for (role, arg) in roles(args).into_iter().zip(args) {
            match role {
                Some(Role { kind: Kind::DefaultSize, size, effective: true, .. }) => all.default = size,
                Some(Role { kind: Kind::Count, size, effective: true, .. }) => {
                    all.pools.extend(count_in(arg).map(|count| HugepagePool { size, count }));
                }
                _ => {}
            }
        }
        all
    }
}

/// What a token is to the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) kind: Kind,
    /// The size it names, or that its head names.
    pub(super) size: Option<HugepageSize>,
    /// The place of the token that names the size a count is for.
    pub(super) head: Option<usize>,
    /// Whether the kernel heeds it.
    pub(super) effective: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    DefaultSize,
    Size,
    Count,
}

/// The role of each token; none for tokens of other families.
pub(super) fn roles(args: &[KernelArg]) -> Vec<Option<Role>> {
    let mut roles: Vec<Option<Role>> = Vec::new();
    let mut head = None;
    for arg in args {
        let key = arg.key();
        let known = roles.iter().flatten().filter(|r| r.effective);
        let has = |kind, size| known.clone().any(|r| r.kind == kind && r.size == size);
        let role = match FAMILY.iter().position(|name| *name == key) {
            Some(0) => {
                let first = !known.clone().any(|r| r.kind == Kind::DefaultSize);
                let size = size_in(arg);
                Some(Role { kind: Kind::DefaultSize, size, head: None, effective: first && size.is_some() })
            }
            Some(1) => {
                // The default size may be named again as long as nothing is counted for it.
                let size = size_in(arg);
                let again = has(Kind::Size, size) || has(Kind::Count, size);
                Some(Role { kind: Kind::Size, size, head: None, effective: size.is_some() && !again })
            }
            Some(_) => {
                let owner: Option<Role> = head.and_then(|at: usize| roles[at]);
                let size = owner.and_then(|r| r.size);
                let heeded = owner.is_none_or(|r| r.effective) && !has(Kind::Count, size);
                Some(Role { kind: Kind::Count, size, head, effective: heeded && count_in(arg).is_some() })
            }
            None => None,
        };
        if role.is_some_and(|r| r.kind != Kind::Count) {
            head = Some(roles.len());
        }
        roles.push(role);
    }
    roles
}

/// The size in the value of an argument; the kernel takes bytes too.
fn size_in(arg: &KernelArg) -> Option<HugepageSize> {
    let value = arg.value()?;
    let bytes = || value.parse::<u64>().ok().filter(|bytes| bytes % 1024 == 0);
    value.parse().ok().or_else(|| HugepageSize::from_kib(bytes()? / 1024))
}

pub(super) fn count_in(arg: &KernelArg) -> Option<HugepageCount> {
    arg.value()?.parse().ok()
}

/// Whether this is an argument of the family with a value that means something.
pub(super) fn is_understood(arg: &KernelArg) -> bool {
    match FAMILY.iter().position(|name| *name == arg.key()) {
        Some(0 | 1) => size_in(arg).is_some(),
        Some(_) => count_in(arg).is_some(),
        None => false,
    }
}

/// Whether two arguments of one name have values that mean the same.
pub(super) fn same_value(a: &KernelArg, b: &KernelArg) -> bool {
    is_understood(a) && size_in(a) == size_in(b) && count_in(a) == count_in(b)
}

/// Taken alone, a count is held by a pool of any size that has it.
pub(super) fn satisfies(args: &[KernelArg], want: &KernelArg) -> bool {
    let wanted = |role: &Role, arg: &KernelArg| match want.key().as_str() {
        "default_hugepagesz" => role.kind == Kind::DefaultSize && role.size == size_in(want),
        "hugepagesz" => role.kind != Kind::Count && role.size == size_in(want),
        _ => role.kind == Kind::Count && count_in(arg) == count_in(want),
    };
    let roles = roles(args);
    roles.iter().zip(args).any(|(role, arg)| role.is_some_and(|r| r.effective && wanted(&r, arg)))
}

impl FromStr for HugepageCount {
    type Err = BadHugepageCount;

    fn from_str(s: &str) -> Result<Self, BadHugepageCount> {
        let number = |n: &str| n.parse().ok().filter(|_| n.bytes().all(|b| b.is_ascii_digit()));
        let on_node = |part: &str| {
            let (node, count) = part.split_once(':')?;
            Some((node.parse().ok()?, number(count)?))
        };
        let by_node = || s.split(',').map(on_node).collect::<Option<BTreeMap<_, _>>>();
        let count = number(s).map(Self::Total).or_else(|| by_node().map(Self::PerNode));
        count.ok_or_else(|| BadHugepageCount(s.to_owned()))
    }
}

impl fmt::Display for HugepageCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total(n) => n.fmt(f),
            Self::PerNode(nodes) => {
                let parts: Vec<String> = nodes.iter().map(|(node, n)| format!("{node}:{n}")).collect();
                f.pad(&parts.join(","))
            }
        }
    }
}

string_form!(HugepageCount, BadHugepageCount);
