//! What to change on a command line, and the change that leaves the rest alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::arg::{BadKernelArg, KernelArg};
use super::hugepages::roles;
use super::rules::{Rule, hinders, includes, satisfies};
use super::{hugepages, pools};
use crate::word::string_form;

/// Arguments to have and arguments to be rid of. What is to go goes first. An argument that already holds adds
/// nothing; words of a list are added in a token of their own; anything else replaces what it contradicts.
/// Unless it contradicts itself, an edit done twice is done once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArgEdit {
    /// Arguments the command line shall satisfy.
    #[serde(default)]
    pub set: Vec<KernelArg>,
    /// Arguments it shall not have.
    #[serde(default)]
    pub unset: Vec<ArgPattern>,
}

/// Arguments to be rid of: all of a `name`, or with `name=value` those whose meaning includes that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArgPattern(KernelArg);

impl ArgPattern {
    /// Whether `arg` is one the pattern means.
    #[must_use]
    pub fn matches(&self, arg: &KernelArg) -> bool {
        if self.0.value().is_none() { arg.is_about(&self.0) } else { includes(arg, &self.0) }
    }
}

impl FromStr for ArgPattern {
    type Err = BadKernelArg;

    fn from_str(s: &str) -> Result<Self, BadKernelArg> {
        s.parse().map(Self)
    }
}

impl fmt::Display for ArgPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

string_form!(ArgPattern, BadKernelArg);

impl fmt::Display for ArgEdit {
    /// `+ intel_iommu=on iommu=pt, - mitigations`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |sign: &str, words: Vec<String>| {
            if words.is_empty() { None } else { Some(format!("{sign} {}", words.join(" "))) }
        };
        let set = side("+", self.set.iter().map(ToString::to_string).collect());
        let unset = side("-", self.unset.iter().map(ToString::to_string).collect());
        f.write_str(&[set, unset].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl ArgEdit {
    pub(super) fn apply(&self, args: &[KernelArg]) -> Vec<KernelArg> {
        let mut args = self.without_unset(args);
        let of_hugepages = |arg: &KernelArg| matches!(Rule::of(arg), Rule::Hugepages);
        let (family, single): (Vec<_>, Vec<_>) = self.set.iter().cloned().partition(of_hugepages);
        // All that hinders goes before anything is added, or one argument would drop what another has added.
        let missing: Vec<&KernelArg> = single.iter().filter(|want| !satisfies(&args, want)).collect();
        args.retain(|arg| !missing.iter().any(|want| hinders(arg, want)));
        for want in &single {
            if !satisfies(&args, want) {
                append(&mut args, want);
            }
        }
        pools::edited(args, &family)
    }

    /// With a size of huge pages goes what is counted for it; the count would mean another size.
    fn without_unset(&self, args: &[KernelArg]) -> Vec<KernelArg> {
        let matched = |at: usize| self.unset.iter().any(|pattern| pattern.matches(&args[at]));
        let roles: Vec<Option<hugepages::Role>> = roles(args);
        let head = |at: usize| roles[at].and_then(|role| role.head);
        let kept = (0..args.len()).filter(|at| !matched(*at) && !head(*at).is_some_and(matched));
        kept.map(|at| args[at].clone()).collect()
    }
}

/// Adds `arg` at the end, but before a quote that nothing closes: it would swallow the new argument.
pub(super) fn append(args: &mut Vec<KernelArg>, arg: &KernelArg) {
    let unclosed = args.last().is_some_and(KernelArg::is_unclosed);
    args.insert(args.len() - usize::from(unclosed), arg.clone());
}
