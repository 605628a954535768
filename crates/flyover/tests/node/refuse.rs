//! Bad input: refused before anything changes, with what, where and what to do.

use flyover_testkit::hosts::{HostTreeBuilder, Maker, System, Topology};

use crate::run::{Ran, file, node, on};

/// Refused with that status, saying all of that, with a hint.
fn refused(ran: &Ran, code: i32, says: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    for part in says {
        assert!(ran.err.contains(part), "`{part}` in\n{}", ran.err);
    }
    assert!(ran.err.contains("hint:"), "{}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_its_neighbour() {
    let ran = on("two_socket_smt", "plan", "hugepages:\n  pgaes: []\n", &[]);
    refused(&ran, 2, &["pgaes", "line 2", "pages"]);
}

#[test]
fn amounts_that_no_memory_holds_are_refused_with_the_numbers() {
    let ran = on("two_socket_smt", "plan", "hugepages: {pages: [{size: 1G, count: 4000, node: 0}]}\n", &[]);
    refused(&ran, 4, &["hugepages.pages", "3.9 TiB", "96 GiB"]);
    let ran = on("two_socket_smt", "plan", "hugepages: {pages: [{size: 2M, count: 1, node: 7}]}\n", &[]);
    refused(&ran, 4, &["node", "7"]);
}

#[test]
fn sets_that_overlap_and_processors_that_are_not_there_are_refused() {
    refused(&on("two_socket_smt", "plan", "cpu: {isolated: '2-5', reserved: '0-3'}\n", &[]), 2, &["2-3"]);
    refused(&on("two_socket_smt", "plan", "cpu: {isolated: '46-50'}\n", &[]), 4, &["48-50"]);
}

#[test]
fn devices_that_are_not_there_or_must_stay_are_refused() {
    let select = |text: &str| format!("drivers: [{{select: {{{text}}}, driver: vfio-pci}}]\n");
    refused(&on("two_socket_smt", "plan", &select("address: '0000:99:00.0'"), &[]), 4, &["0000:99:00.0"]);
    let ran = on("two_socket_smt", "plan", &select("address: '0000:06:00.1'"), &[]);
    refused(&ran, 4, &["the default route", "bond0 <- ", "0000:06:00.1"]);
    refused(&on("one_node_vm", "plan", &select("name: eth1"), &[]), 4, &["IOMMU"]);
}

#[test]
fn a_profile_or_a_host_that_cannot_be_read_is_named() {
    refused(&node(&["plan", "-f", "/nowhere/worker.yaml"]), 2, &["/nowhere/worker.yaml"]);
    let nonsense = file("this is no host\n");
    let profile = file("iommu: on\n");
    let paths = [&nonsense, &profile].map(|file| file.path().to_str().unwrap());
    refused(&node(&["plan", "--host", paths[0], "-f", paths[1]]), 2, &["is not a captured host", "line 1"]);
}

#[test]
fn a_managed_image_is_not_edited_and_the_right_form_is_named() {
    for (system, form) in [
        (System::Rhcos, "machineconfig"),
        (System::Talos, "talos"),
        (System::Bottlerocket, "bottlerocket"),
        (System::Flatcar, "flatcar"),
    ] {
        let tree = HostTreeBuilder::new(Topology::simple(Maker::Intel, 4), system).build();
        let (host, profile) = (file(&tree.to_string()), file("kernelArgs: {present: [nosoftlockup]}\n"));
        let paths = [&host, &profile].map(|file| file.path().to_str().unwrap());
        let ran = node(&["plan", "--host", paths[0], "-f", paths[1]]);
        refused(&ran, 4, &[&format!("emit --for {form}")]);
        let emitted = node(&["emit", "--host", paths[0], "-f", paths[1], "--for", form]);
        assert!(emitted.code == 0 && emitted.out.contains("nosoftlockup"), "{}{}", emitted.out, emitted.err);
    }
}
