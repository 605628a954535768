//! Processors for the host and for polling threads.

use crate::fixtures::{amd, arm, isolated, laptop, large, nps4, offline, server, snc2, vm};
use crate::{args, refused, settled};

const AUTO: &str = "cpu: {isolated: auto}\n";

#[test]
fn two_sockets_with_hyper_threads_get_the_mask_of_the_document() {
    let settled = settled(AUTO, &server());
    let cpu = settled.cpu.clone().unwrap();
    assert_eq!(cpu.isolated.to_string(), "2-3,26-27");
    assert_eq!(cpu.isolated.mask().to_string(), "0xc00000c");
    assert_eq!(cpu.reserved.to_string(), "0-1,24-25");
    assert_eq!(cpu.kubelet_reserved.to_string(), "0-3,24-27");
    insta::assert_snapshot!(cpu.explain());
    insta::assert_snapshot!(args(&settled));
}

#[test]
fn each_topology_gives_whole_cores_of_every_node() {
    let mut text = String::new();
    for (name, host) in [
        ("amd", amd()),
        ("snc2", snc2()),
        ("nps4", nps4()),
        ("offline siblings", offline()),
        ("vm", vm()),
        ("arm", arm()),
        ("laptop", laptop()),
    ] {
        let cpu = settled(AUTO, &host).cpu.unwrap();
        text +=
            &format!("{name}: host {}, isolated {} ({})\n", cpu.reserved, cpu.isolated, cpu.isolated.mask());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_chosen_does_not_depend_on_what_is_isolated_already() {
    let before = settled(AUTO, &isolated());
    assert_eq!(before.cpu.unwrap().isolated, settled(AUTO, &server()).cpu.unwrap().isolated);
    assert_eq!(before.notes, ["CPUs 4-7,28-31 are isolated today and will not be"]);
}

#[test]
fn turning_off_hyper_threads_is_foreseen() {
    let yaml = "kernelArgs: {present: [nosmt]}\ncpu: {isolated: auto}\n";
    assert_eq!(settled(yaml, &server()).cpu, settled(yaml, &offline()).cpu);
    assert_eq!(settled(yaml, &server()).cpu.unwrap().isolated.to_string(), "2-3");
}

#[test]
fn auto_goes_around_what_is_named() {
    let cpu =
        settled("cpu: {isolated: auto, reserved: '0-3,24-27', coresPerNode: 2}", &server()).cpu.unwrap();
    assert_eq!(cpu.isolated.to_string(), "4-7,28-31");
    let cpu = settled("cpu: {isolated: '0,24', reserved: auto}", &server()).cpu.unwrap();
    assert_eq!(cpu.reserved.to_string(), "1-2,25-26");
}

#[test]
fn a_node_without_memory_or_processors_is_left_out_and_named() {
    let mut host = server();
    host.numa[1].memory = flyover_core::Kib(0);
    let settled = settled(AUTO, &host);
    assert_eq!(settled.cpu.unwrap().isolated.to_string(), "2,26");
    assert_eq!(settled.notes, ["NUMA node 1 has no memory, so no core of it is chosen"]);
}

#[test]
fn sets_that_do_not_fit_are_refused() {
    let host = server();
    let mut text = String::new();
    for yaml in [
        "cpu: {isolated: auto, coresPerNode: 12}",
        "cpu: {isolated: auto, coresPerNode: 0}",
        "cpu: {isolated: '2-3', reserved: '0-2'}",
        "cpu: {isolated: '46-50'}",
        "cpu: {isolated: '0-47'}",
        "cpu: {isolated: ''}",
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(yaml, &host));
    }
    text += &refused("cpu: {isolated: '2-3,26-27'}", &offline());
    insta::assert_snapshot!(text);
}

#[test]
fn half_a_core_and_cpu_0_are_noted() {
    let settled = settled("cpu: {isolated: '0,24,2'}", &server());
    insta::assert_snapshot!(settled.notes.join("\n"));
    assert_eq!(settled.args.set[3].to_string(), "irqaffinity=1,3-23,25-47");
}

#[test]
fn that_no_processor_is_left_for_pods_is_said() {
    let settled = settled("cpu: {reserved: 0-1, isolated: 2-3}\n", &vm());
    assert_eq!(settled.cpu.unwrap().online.to_string(), "0-3");
    let note =
        "cpu: the host and the polling threads have all CPUs (0-3), so kubelet has none to give to pods";
    assert!(settled.notes.contains(&note.to_owned()), "{:?}", settled.notes);
}

#[test]
fn a_host_of_512_processors_gives_whole_cores_of_all_eight_nodes() {
    let cpu = settled("cpu: {isolated: auto, coresPerNode: 4}", &large()).cpu.unwrap();
    assert_eq!((cpu.isolated.len(), cpu.reserved.to_string().as_str()), (64, "0-7,256-263"));
}
