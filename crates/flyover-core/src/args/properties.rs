//! What holds for every edit of every line: it holds, it ends, and it leaves the rest alone.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::tests::{edit, line};
use super::*;

/// Tokens as they are found in the wild, some at odds with one another.
const TOKENS: [&str; 34] = [
    "BOOT_IMAGE=(hd0,gpt2)/vmlinuz",
    "ro",
    "quiet",
    "console=tty0",
    "console=ttyS0,115200",
    "dyndbg=\"file a.c +p\"",
    "\"a=b c\"",
    "intel_iommu=on",
    "intel-iommu=off",
    "intel_iommu=on,sm_on",
    "intel_iommu=off,sm_off",
    "amd_iommu=off",
    "iommu=pt",
    "iommu=nopt,merge",
    "iommu=off",
    "isolcpus=2-3",
    "isolcpus=nohz,domain,4",
    "nohz_full=2-3",
    "nosmt",
    "nosmt=force",
    "mitigations=off",
    "mitigations=auto,nosmt",
    "default_hugepagesz=1G",
    "default_hugepagesz=2M",
    "hugepagesz=1G",
    "hugepagesz=1GB",
    "hugepagesz=2M",
    "hugepagesz=3M",
    "hugepages=8",
    "hugepages=0:4,1:4",
    "hugepages=64",
    "hugepages=x",
    "\"odd",
    "-- single",
];

/// Sets whose parts do not contradict one another.
const WANTED: [&str; 12] = [
    "intel_iommu=on",
    "intel_iommu=sm_on",
    "amd_iommu=on",
    "iommu=pt,merge",
    "isolcpus=managed_irq,domain,2-5",
    "nohz_full=2,3",
    "nosmt",
    "mitigations=auto",
    "console=ttyS1",
    "efi=runtime",
    "default_hugepagesz=1G",
    "dyndbg=\"file a.c +p\"",
];

const POOLS: [&[&str]; 6] = [
    &[],
    &["hugepagesz=1G", "hugepages=64"],
    &["hugepagesz=2M", "hugepages=0:512,1:512"],
    &["hugepages=5"],
    &["hugepagesz=1G", "hugepages=8", "hugepagesz=2M", "hugepages=1024"],
    &["hugepagesz=2M"],
];

fn any_line() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&TOKENS[..]), 0..9).prop_map(|tokens| tokens.join(" "))
}

fn any_edit() -> impl Strategy<Value = ArgEdit> {
    let unset = select(vec!["quiet", "ro", "a=b", "hugepages=7", "console=tty0", "rootwait"]);
    (subsequence(&WANTED[..], 0..=6), select(&POOLS[..]), unset).prop_map(|(mut set, pools, unset)| {
        set.extend(pools);
        edit(&set, &[unset])
    })
}

/// The tokens that are about nothing the edit names.
fn others<'a>(args: &'a KernelArgs, edit: &ArgEdit) -> Vec<&'a str> {
    let hugepages = |a: &KernelArg| hugepages::FAMILY.contains(&a.key().as_str());
    let named = |a: &&KernelArg| {
        edit.set.iter().any(|s| s.is_about(a) || hugepages(s) && hugepages(a))
            || edit.unset.iter().any(|u| u.matches(a))
    };
    args.iter().filter(|a| !named(a)).map(KernelArg::raw).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_token_survives_printing_and_parsing(s in "[a-z\"= \t\n-]{0,30}") {
        let args = line(&s);
        prop_assert_eq!(line(&args.to_string()), args);
    }

    #[test]
    fn an_edit_holds_when_read_again(before in any_line(), edit in any_edit()) {
        let after = line(&line(&before).edited(&edit).to_string());
        for want in &edit.set {
            prop_assert!(after.satisfies(want), "`{want}` in `{after}`");
        }
        let wanted = HugepageArgs::of(&edit.set);
        let default = wanted.default.or(line(&before).hugepages().default);
        let size = default.unwrap_or(crate::HugepageSize::TWO_MIB);
        for pool in &wanted.pools {
            let count = after.hugepages().count(pool.size.unwrap_or(size)).cloned();
            prop_assert_eq!(count, Some(pool.count.clone()), "{}", after);
        }
    }

    #[test]
    fn an_edit_done_twice_is_done_once(before in any_line(), edit in any_edit()) {
        let once = line(&before).edited(&edit);
        prop_assert_eq!(once.edited(&edit).to_string(), once.to_string());
    }

    #[test]
    fn an_edit_leaves_all_other_tokens_in_place(before in any_line(), edit in any_edit()) {
        let (before, after) = (line(&before), line(&before).edited(&edit));
        prop_assert_eq!(others(&after, &edit), others(&before, &edit));
        prop_assert_eq!(&after.init, &before.init);
    }
}
