//! What we depend on may be given away with the work, and is there once.

use std::collections::BTreeMap;

use super::licence::is_allowed;
use crate::tables::{DUPLICATES, LICENCES};
use crate::{Fault, Packages};

/// Where a version is fixed, so where a fault of a dependency shows.
const LOCK: &str = "Cargo.lock";

/// Faults of dependencies whose licence is not on our list.
pub fn licences(packages: &Packages) -> Vec<Fault> {
    let refused = packages.all.iter().filter(|p| !is_allowed(&p.licence, &LICENCES));
    refused
        .map(|p| Fault::of(LOCK, format!("`{} {}` has the licence `{}`", p.name, p.version, p.licence)))
        .collect()
}

/// Faults of crates that are there in two versions, and of exceptions that are no longer needed.
pub fn duplicates(packages: &Packages) -> Vec<Fault> {
    let excepted: Vec<&str> = DUPLICATES.iter().map(|(name, _)| *name).collect();
    duplicates_but(packages, &excepted)
}

fn duplicates_but(packages: &Packages, excepted: &[&str]) -> Vec<Fault> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &packages.all {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions.retain(|_, v| v.len() > 1);
    let new = versions.iter().filter(|(name, _)| !excepted.contains(name));
    let new =
        new.map(|(name, v)| Fault::of(LOCK, format!("`{name}` is there in versions {}", v.join(" and "))));
    let old = excepted.iter().filter(|name| !versions.contains_key(*name));
    let old =
        old.map(|name| Fault::of("crates/tidy/src/tables.rs", format!("`{name}` is no duplicate any more")));
    new.chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_that_is_not_on_the_list_is_a_fault() {
        let packages = Packages::of(&[("a", "1.0.0", "MIT OR Apache-2.0"), ("b", "1.2.0", "GPL-3.0")], &[]);
        assert_eq!(licences(&packages), [Fault::of(LOCK, "`b 1.2.0` has the licence `GPL-3.0`")]);
    }

    #[test]
    fn two_versions_are_a_fault_unless_excepted_and_an_idle_exception_is_one_too() {
        let packages =
            Packages::of(&[("a", "1.0.0", "MIT"), ("a", "2.0.0", "MIT"), ("b", "1.0.0", "MIT")], &[]);
        let what = |excepted: &[&str]| -> Vec<String> {
            duplicates_but(&packages, excepted).into_iter().map(|f| f.what).collect()
        };
        assert_eq!(what(&[]), ["`a` is there in versions 1.0.0 and 2.0.0"]);
        assert!(what(&["a"]).is_empty());
        assert_eq!(what(&["a", "b"]), ["`b` is no duplicate any more"]);
    }
}
