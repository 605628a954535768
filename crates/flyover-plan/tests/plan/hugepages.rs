//! Hugepages: sizes, places, amounts and arguments.

use flyover_core::facts::{HugetlbMount, PoolFacts};
use flyover_core::{HostPath, Kib};

use crate::fixtures::{GIB, arm, server, vm};
use crate::{args, refused, settled};

#[test]
fn pages_at_boot_become_arguments_with_the_size_before_the_count() {
    let yaml = "hugepages:\n  pages:\n  - {size: 1G, count: 2, node: 1, when: boot}\n\
                \x20 - {size: 1G, count: 4, node: 0, when: boot}\n  - {size: 2M, count: 512, when: boot}\n";
    assert_eq!(
        args(&settled(yaml, &server())),
        "hugepagesz=2M hugepages=512 hugepagesz=1G hugepages=0:4,1:2"
    );
    let yaml = "hugepages: {defaultSize: 1G, pages: [{size: 1G, count: 64, when: boot}]}";
    assert_eq!(args(&settled(yaml, &server())), "default_hugepagesz=1G hugepagesz=1G hugepages=64");
}

#[test]
fn what_the_documents_trip_over_is_noted() {
    let settled = settled("hugepages: {pages: [{size: 1G, count: 64, when: boot}]}", &server());
    insta::assert_snapshot!(settled.notes.join("\n"));
}

#[test]
fn pages_that_cannot_be_had_are_refused() {
    let mut old = server();
    old.boot.release = "5.10.0-28-amd64".into();
    let mut text = String::new();
    for (yaml, host) in [
        ("{pages: [{size: 1G, count: 1}]}", vm()),
        ("{pages: [{size: 512M, count: 1}]}", arm()),
        ("{pages: [{size: 2M, count: 1, node: 2}]}", server()),
        ("{pages: [{size: 1G, count: 1, node: 1, when: boot}]}", old),
        ("{pages: [{size: 1G, count: 64, node: 1}]}", server()),
        ("{pages: [{size: 1G, count: 60, node: 1}]}", server()),
        ("{pages: [{size: 1G, count: 200, when: boot}]}", server()),
        ("{pages: [{size: 2M, count: 18446744073709551615}]}", server()),
        ("{pages: [{size: 2M, count: 1, node: 0}, {size: 2M, count: 2, node: 0}]}", server()),
        ("{pages: [{size: 2M, count: 1, node: 0}, {size: 2M, count: 2}]}", server()),
        ("{mounts: [{path: /dev, pageSize: 1G}, {path: /sys/x, pageSize: 1G}]}", server()),
        ("{mounts: [{path: /mnt/a, pageSize: 1G, size: 3X}, {path: /mnt/a, pageSize: 2M}]}", server()),
        ("{mounts: [{path: /mnt/a, pageSize: 1G, size: 1M}]}", server()),
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(&format!("hugepages: {yaml}"), &host));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn pages_that_are_there_need_no_free_memory() {
    let mut host = server();
    host.numa[0].free = Kib(GIB / 8);
    host.memory.available = Kib(GIB);
    host.numa[0].hugepages.insert("1G".parse().unwrap(), PoolFacts { total: 60, free: 0, surplus: 0 });
    settled("hugepages: {pages: [{size: 1G, count: 60, node: 0}]}", &host);
    refused("hugepages: {pages: [{size: 1G, count: 63, node: 0}]}", &host);
}

#[test]
fn hugepages_are_not_asked_for_twice() {
    let mut text = String::new();
    for yaml in [
        "kernelArgs: {present: [hugepagesz=1G, hugepages=4]}\nhugepages: {pages: [{size: 1G, count: 4, when: boot}]}",
        "kernelArgs: {absent: [default_hugepagesz]}\nhugepages: {defaultSize: 1G}",
        "sysctls: {vm.nr_hugepages: 4}\nhugepages: {pages: [{size: 2M, count: 4}]}",
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(yaml, &server()));
    }
    insta::assert_snapshot!(text);
    // By hand alone they are whatever was written.
    settled("kernelArgs: {present: [hugepagesz=1G, hugepages=4]}", &server());
}

#[test]
fn a_mount_of_somebody_else_is_enough_if_it_is_as_asked_and_refused_otherwise() {
    let mut host = server();
    let path: HostPath = "/dev/hugepages".parse().unwrap();
    host.memory.mounts.push(HugetlbMount {
        path,
        size: "2M".parse().ok(),
        options: "rw,relatime,mode=770,gid=107,pagesize=2M".into(),
    });
    let asked = |more: &str| format!("hugepages: {{mounts: [{{path: /dev/hugepages, pageSize: 2M{more}}}]}}");
    assert!(settled(&asked(""), &host).mounts.is_empty());
    assert!(settled(&asked(", mode: 0770, gid: 107"), &host).mounts.is_empty());
    for more in [", mode: 0700", ", gid: 1", ", size: 1G"] {
        let text = refused(&asked(more), &host);
        assert!(text.contains("/dev/hugepages is mounted by somebody else"), "{more}: {text}");
    }
}
