//! What a list of CPUs means, and that it survives printing.

use proptest::prelude::*;

use super::*;

fn set(s: &str) -> CpuSet {
    s.parse().unwrap()
}

proptest! {
    #[test]
    fn every_set_survives_printing_and_parsing(cpus in proptest::collection::btree_set(0..MAX_CPUS, 0..200)) {
        let set: CpuSet = cpus.into_iter().collect();
        prop_assert_eq!(set.to_string().parse::<CpuSet>().unwrap(), set);
    }

    #[test]
    fn what_is_in_one_or_in_both_adds_up(a in proptest::collection::btree_set(0..64u32, 0..40), b in proptest::collection::btree_set(0..64u32, 0..40)) {
        let (a, b): (CpuSet, CpuSet) = (a.into_iter().collect(), b.into_iter().collect());
        prop_assert_eq!(a.union(&b).len() + a.intersection(&b).len(), a.len() + b.len());
        prop_assert!(a.difference(&b).is_disjoint(&b) && a.difference(&b).is_subset(&a));
    }
}

#[test]
fn a_list_is_read_as_the_kernel_reads_it() {
    for (text, printed) in [
        ("", ""),
        (" \n", ""),
        ("0-3,8", "0-3,8"),
        ("8, 0-3\n", "0-3,8"),
        ("3,2,1,1", "1-3"),
        ("0-20:2/4", "0-1,4-5,8-9,12-13,16-17,20"),
        ("0-3,8,10-20:2/4", "0-3,8,10-11,14-15,18-19"),
        ("0-7:0/2", ""),
        ("8191", "8191"),
    ] {
        assert_eq!(set(text).to_string(), printed, "{text:?}");
    }
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    for bad in ["3-1", "a", "1-", "-1", "1:1/2", "0-7:3/2", "0-7:1/0", "0-7:1", "+1", "0 - 3", "4294967296"] {
        assert!(matches!(bad.parse::<CpuSet>(), Err(BadCpuSet::Part { .. })), "{bad:?}");
    }
    assert!(matches!("0-8192".parse::<CpuSet>(), Err(BadCpuSet::TooHigh { .. })));
}

#[test]
fn a_list_that_depends_on_the_machine_is_refused_with_the_reason() {
    for bad in ["all", "0-N", "N", "ALL"] {
        let error = bad.parse::<CpuSet>().unwrap_err();
        assert_eq!(error, BadCpuSet::Relative(bad.to_owned()));
    }
}

#[test]
fn five_hundred_and_twelve_cpus_are_one_range() {
    assert_eq!(set("0-511").len(), 512);
    assert_eq!((0..512).collect::<CpuSet>().to_string(), "0-511");
}

#[test]
fn the_first_is_the_lowest() {
    assert_eq!(set("9,4-5").first(), Some(4));
    assert_eq!(CpuSet::new().first(), None);
    assert!(!CpuSet::new().insert(MAX_CPUS));
}
