//! What command lines mean and what edits make of them, case by case.

use super::*;

pub(super) fn line(s: &str) -> KernelArgs {
    KernelArgs::parse(s)
}

fn arg(s: &str) -> KernelArg {
    s.parse().unwrap()
}

pub(super) fn edit(set: &[&str], unset: &[&str]) -> ArgEdit {
    ArgEdit {
        set: set.iter().map(|s| arg(s)).collect(),
        unset: unset.iter().map(|s| s.parse().unwrap()).collect(),
    }
}

fn edited(before: &str, set: &[&str], unset: &[&str]) -> String {
    line(before).edited(&edit(set, unset)).to_string()
}

#[test]
fn tokens_keep_their_text_and_blanks_between_them_become_one() {
    let args = line(" BOOT_IMAGE=(hd0,gpt2)/vmlinuz\tro  dyndbg=\"file a.c +p\" quiet -- single  x\n");
    assert_eq!(args.to_string(), "BOOT_IMAGE=(hd0,gpt2)/vmlinuz ro dyndbg=\"file a.c +p\" quiet -- single x");
    assert_eq!(args.get("dyndbg").unwrap().value(), Some("file a.c +p"));
    assert_eq!(args.get("BOOT-IMAGE").unwrap().value(), Some("(hd0,gpt2)/vmlinuz"));
    assert_eq!(args.get("single"), None);
    assert_eq!(args.iter().count(), 4);
}

#[test]
fn the_last_of_a_name_counts_and_hyphens_are_underscores() {
    let args = line("nohz-full=1 loglevel=3 loglevel=7");
    assert_eq!(args.get("loglevel").unwrap().raw(), "loglevel=7");
    assert_eq!(args.all("loglevel").len(), 2);
    assert!(args.satisfies(&arg("nohz_full=1")) && !args.satisfies(&arg("loglevel=3")));
}

#[test]
fn a_list_is_satisfied_when_every_word_is_effective() {
    for (text, want, expected) in [
        ("intel_iommu=on,sm_on", "intel_iommu=on", true),
        ("intel_iommu=on intel_iommu=sm_on", "intel_iommu=sm_on,on", true),
        ("intel_iommu=on intel_iommu=off", "intel_iommu=on", false),
        ("intel_iommu=off intel_iommu=on", "intel_iommu=on", true),
        ("amd_iommu=off amd_iommu=on", "amd_iommu=on", false),
        ("iommu=pt iommu=nopt", "iommu=pt", false),
        ("iommu=pt iommu=off", "iommu=pt", false),
        ("mitigations=off mitigations=auto,nosmt", "mitigations=auto", true),
        ("mitigations=auto mitigations=nosmt", "mitigations=auto", false),
        ("isolcpus=2-3", "isolcpus=domain,3,2", true),
        ("isolcpus=managed_irq,domain,2-3", "isolcpus=domain,managed_irq,2,3", true),
        ("isolcpus=nohz,2-3", "isolcpus=2-3", false),
        ("isolcpus=1 isolcpus=2", "isolcpus=2", false),
        ("nosmt", "nosmt", true),
        ("nosmt=force", "nosmt", false),
        ("console=tty0 console=ttyS0,115200", "console=tty0", true),
        ("root=/dev/sda -- quiet", "quiet", false),
    ] {
        assert_eq!(line(text).satisfies(&arg(want)), expected, "{text} | {want}");
    }
}

#[test]
fn an_edit_adds_replaces_and_keeps() {
    for (before, set, unset, after) in [
        ("ro quiet", vec!["intel_iommu=on"], vec![], "ro quiet intel_iommu=on"),
        ("ro -- single", vec!["iommu=pt"], vec![], "ro iommu=pt -- single"),
        ("intel_iommu=on,sm_on ro", vec!["intel_iommu=on"], vec![], "intel_iommu=on,sm_on ro"),
        (
            "intel_iommu=sm_on intel_iommu=off",
            vec!["intel_iommu=on"],
            vec![],
            "intel_iommu=sm_on intel_iommu=on",
        ),
        ("console=tty0 ro", vec!["console=ttyS0,115200"], vec![], "console=tty0 ro console=ttyS0,115200"),
        ("nohz_full=1 ro", vec!["nohz_full=2-3"], vec![], "ro nohz_full=2-3"),
        ("ro a=\"b c", vec!["quiet"], vec![], "ro quiet a=\"b c"),
        ("quiet console=tty0 console=ttyS0", vec![], vec!["quiet", "console=tty0"], "console=ttyS0"),
        ("intel_iommu=on,sm_on iommu=pt", vec![], vec!["intel_iommu=sm_on"], "iommu=pt"),
        ("hugepagesz=1G hugepages=8 ro", vec![], vec!["hugepagesz=1GB"], "ro"),
    ] {
        assert_eq!(edited(before, &set, &unset), after, "{before}");
    }
}

#[test]
fn the_line_of_the_document_is_set_once() {
    let set = ["hugepagesz=1G", "hugepages=64", "intel_iommu=on", "iommu=pt"];
    let after = edited("ro quiet", &set, &[]);
    assert_eq!(after, "ro quiet intel_iommu=on iommu=pt hugepagesz=1G hugepages=64");
    assert_eq!(edited(&after, &set, &[]), after);
    assert_eq!(edited("hugepagesz=1G hugepages=64 intel_iommu=on iommu=pt", &set, &[]), set.join(" "));
}

#[test]
fn hugepages_mean_the_size_before_them() {
    let read = |s: &str| {
        let all = line(s).hugepages();
        let pools = all.pools.iter().map(|p| match p.size {
            Some(size) => format!("{size}x{}", p.count),
            None => format!("default x{}", p.count),
        });
        (all.default.map(|d| d.to_string()), pools.collect::<Vec<_>>().join(" "))
    };
    let one = || Some("1G".to_owned());
    assert_eq!(read("hugepagesz=1G hugepages=64 intel_iommu=on iommu=pt"), (None, "1Gx64".into()));
    assert_eq!(read("default_hugepagesz=1GB hugepagesz=1G hugepages=8"), (one(), "1Gx8".into()));
    assert_eq!(read("default_hugepagesz=1G hugepages=8"), (one(), "1Gx8".into()));
    assert_eq!(
        read("hugepages=5 hugepagesz=1G hugepages=0:24,1:40"),
        (None, "default x5 1Gx0:24,1:40".into())
    );
    assert_eq!(read("hugepagesz=1G hugepages=8 hugepagesz=1G hugepages=9"), (None, "1Gx8".into()));
    assert_eq!(read("hugepagesz=1G hugepages=8 hugepages=9"), (None, "1Gx8".into()));
    assert_eq!(read("hugepagesz=3M hugepages=8"), (None, String::new()));
    assert_eq!(read("hugepagesz=1073741824 hugepages=1"), (None, "1Gx1".into()));
}

#[test]
fn hugepages_of_one_size_are_replaced_together() {
    for (before, set, after) in [
        (
            "hugepagesz=1G hugepages=8 hugepagesz=2M hugepages=16 ro",
            vec!["hugepagesz=1G", "hugepages=64"],
            "hugepagesz=2M hugepages=16 ro hugepagesz=1G hugepages=64",
        ),
        (
            "default_hugepagesz=1G hugepages=8",
            vec!["hugepagesz=1G", "hugepages=64"],
            "default_hugepagesz=1G hugepagesz=1G hugepages=64",
        ),
        (
            "hugepages=1024 ro",
            vec!["default_hugepagesz=1G", "hugepages=8"],
            "ro default_hugepagesz=1G hugepages=8",
        ),
        ("hugepagesz=1G hugepages=8", vec!["hugepages=512"], "hugepages=512 hugepagesz=1G hugepages=8"),
    ] {
        assert_eq!(edited(before, &set, &[]), after, "{before}");
    }
}

#[test]
fn an_edit_is_fulfilled_by_a_line_that_it_leaves_alone() {
    let line = line("ro intel_iommu=on,sm_on hugepagesz=2M hugepages=8 hugepagesz=1G hugepages=4");
    assert!(line.fulfils(&edit(&["intel_iommu=on", "hugepagesz=1G", "hugepages=4"], &["quiet"])));
    assert!(!line.fulfils(&edit(&[], &["ro"])));
    assert!(!line.fulfils(&edit(&["hugepagesz=1G", "hugepages=8"], &[])), "the 8 pages are of 2M");
}
