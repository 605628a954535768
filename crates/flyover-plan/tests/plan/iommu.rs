//! The IOMMU's arguments by maker, and arguments by name.

use crate::fixtures::{amd, arm, server, server_with_iommu};
use crate::{args, refused, settled};

#[test]
fn each_maker_has_its_own_arguments() {
    let mut text = String::new();
    for (name, host) in
        [("intel", server()), ("intel, on", server_with_iommu()), ("amd", amd()), ("arm", arm())]
    {
        for wish in ["on", "passthrough", "off"] {
            let settled = settled(&format!("iommu: {wish}"), &host);
            let unset: Vec<String> = settled.args.unset.iter().map(|p| format!("-{p}")).collect();
            text += &format!("{name}, {wish}: {} {}\n", args(&settled), unset.join(" "));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_iommu_that_is_on_without_an_argument_needs_none() {
    let mut host = server_with_iommu();
    host.boot.args = "quiet".parse().unwrap();
    assert_eq!(args(&settled("iommu: on", &host)), "");
    assert_eq!(args(&settled("iommu: passthrough", &host)), "iommu=pt");
}

#[test]
fn arguments_of_the_other_maker_are_left_out_and_explained() {
    let yaml = "kernelArgs: {present: [amd_iommu=on, intel_iommu=on]}";
    let intel = settled(yaml, &server());
    assert_eq!(args(&intel), "intel_iommu=on");
    assert_eq!(intel.notes, ["amd_iommu=on is left out: the processor is not AMD's"]);
    let amd = settled(yaml, &amd());
    assert_eq!(args(&amd), "");
    assert_eq!(
        amd.notes,
        [
            "amd_iommu=on is left out: the kernel knows no such value; an AMD IOMMU is on unless turned off",
            "intel_iommu=on is left out: the processor is not Intel's"
        ]
    );
}

#[test]
fn arguments_that_exclude_each_other_are_refused() {
    let mut text = String::new();
    for yaml in [
        "kernelArgs: {present: [a=1], absent: [a]}",
        "kernelArgs: {present: [a=1, a=2]}",
        "kernelArgs: {present: [isolcpus=4]}\ncpu: {isolated: '2'}",
        "iommu: passthrough\nkernelArgs: {absent: [iommu]}",
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(yaml, &server()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_said_twice_is_asked_once() {
    let settled = settled("iommu: on\nkernelArgs: {present: [intel_iommu=on, nosmt]}", &server());
    assert_eq!(args(&settled), "intel_iommu=on nosmt");
    assert_eq!(settled.args_why.len(), 2);
}
