//! Processors, memory and devices of fixtures.

use flyover_core::facts::{CacheKind, CpuVendor};
use flyover_core::{HugepageSize, Kib, NumaNode};
use flyover_testkit::hosts::{
    FIXTURES, Function, HostTreeBuilder, Maker, System, Topology, amd_nps4, arm64, isolated, laptop,
    offline_cpus, one_node_vm, snc2, two_socket_smt,
};

use crate::{facts, texts};

fn empty_vm() -> HostTreeBuilder {
    HostTreeBuilder::new(Topology::simple(Maker::Intel, 2), System::Debian)
}

#[test]
fn processors_2_26_3_and_27_are_one_whole_core_of_each_node() {
    let cpu = facts(&two_socket_smt()).cpu;
    assert_eq!((cpu.vendor, cpu.smt, cpu.online.to_string().as_str()), (CpuVendor::Intel, true, "0-47"));
    for (id, node, siblings) in [(2, 0, "2,26"), (26, 0, "2,26"), (3, 1, "3,27"), (27, 1, "3,27")] {
        let found = &cpu.cpus[id];
        assert_eq!(
            (found.node, found.package, found.siblings.to_string()),
            (NumaNode(node), node, siblings.into())
        );
    }
}

#[test]
fn each_node_has_its_processors_memory_and_pools() {
    let numa = facts(&snc2()).numa;
    assert_eq!(texts(numa.iter().map(|node| node.id)), ["0", "1", "2", "3"]);
    assert_eq!(numa[1].distances, [12, 10, 21, 21]);
    assert_eq!(numa[1].memory, Kib(96 << 20));
    assert_eq!(texts(numa[1].hugepages.keys()), ["2M", "1G"]);
    assert_eq!(numa[1].cpus.iter().take(3).collect::<Vec<_>>(), [1, 5, 9]);
}

#[test]
fn a_node_of_amds_may_have_two_caches_of_the_third_level() {
    let cpu = facts(&amd_nps4()).cpu;
    let third = cpu.caches.iter().filter(|cache| cache.level == 3);
    let of_first_node: Vec<String> =
        third.filter(|c| c.cpus.first() < Some(8)).map(|c| c.cpus.to_string()).collect();
    assert_eq!(of_first_node, ["0-3,32-35", "4-7,36-39"]);
    assert_eq!(cpu.caches.iter().filter(|c| (c.level, c.kind) == (1, CacheKind::Data)).count(), 32);
}

#[test]
fn processors_that_do_not_run_are_possible_and_no_more() {
    let found = facts(&offline_cpus());
    assert_eq!(found.cpu.possible.to_string(), "0-47");
    assert_eq!(found.cpu.online.to_string(), "0-3,5-27,29,32-47");
    assert_eq!(found.cpu.cpus.len(), 44);
    assert!(!found.numa[0].cpus.contains(28));
    let alone = found.cpu.cpus.iter().find(|cpu| cpu.id == 6 || cpu.id == 7).unwrap();
    assert_eq!(alone.siblings.to_string(), "6");
}

#[test]
fn isolated_processors_are_told_as_the_kernel_keeps_them() {
    let found = facts(&isolated());
    assert_eq!(
        (found.cpu.isolated.to_string(), found.cpu.nohz_full.to_string()),
        ("2-23,26-47".into(), "2-23,26-47".into())
    );
    assert!(found.boot.args.get("isolcpus").is_some());
}

#[test]
fn an_arm_host_tells_its_architecture_and_its_pages() {
    let found = facts(&arm64());
    assert_eq!((found.cpu.vendor, found.boot.arch.as_str()), (CpuVendor::Arm, "aarch64"));
    assert_eq!(texts(found.memory.hugepages.keys()), ["64K", "2M", "32M", "1G"]);
    assert_eq!(found.memory.default_hugepage, Some(HugepageSize::TWO_MIB));
}

#[test]
fn a_kernel_without_numa_has_one_node_with_everything() {
    let mut text = one_node_vm().to_string();
    text = text
        .lines()
        .filter(|line| !line.contains("/sys/devices/system/node"))
        .map(|l| format!("{l}\n"))
        .collect();
    let found = facts(&text.parse().unwrap());
    assert_eq!(found.numa.len(), 1);
    assert_eq!((found.numa[0].cpus.clone(), found.numa[0].memory), (found.cpu.online, found.memory.total));
}

#[test]
fn there_is_an_iommu_where_there_are_groups() {
    assert!(facts(&two_socket_smt()).iommu_is_on());
    assert!(!facts(&laptop()).iommu_is_on());
}

#[test]
fn a_function_tells_its_driver_group_node_and_network_devices() {
    let found = facts(&two_socket_smt());
    let port = &found.pci[2];
    assert_eq!(port.address.to_string(), "0000:06:00.1");
    assert_eq!((port.id.to_string().as_str(), port.class.to_string().as_str()), ("8086:10fb", "0x020000"));
    assert_eq!(texts(&port.driver), ["ixgbe"]);
    assert_eq!((texts(port.group), port.node), (vec!["42".to_owned()], Some(NumaNode(0))));
    assert_eq!(
        (texts(&port.netdevs), &port.forced, port.elsewhere),
        (vec!["ens1f1".to_owned()], &None, false)
    );
    let netdev = found.net.iter().find(|device| device.name.as_str() == "ens1f1").unwrap();
    assert_eq!(
        (netdev.pci, netdev.up, netdev.speed, netdev.mtu),
        (Some(port.address), true, Some(10_000), 1500)
    );
}

#[test]
fn a_network_device_behind_virtio_belongs_to_its_function() {
    let found = facts(&one_node_vm());
    assert_eq!(texts(&found.pci[0].netdevs), ["eth0"]);
    assert_eq!(texts(&found.net[0].driver), ["virtio_net"]);
    assert!(found.pci.iter().all(|device| !device.elsewhere));
}

#[test]
fn a_function_whose_network_device_is_not_seen_here_is_elsewhere() {
    let port = |at: &str| Function::nic(at);
    let tree = empty_vm()
        .function(&port("0000:06:00.0").driver("ixgbe"))
        .function(&port("0000:06:00.1").driver("vfio-pci"))
        .function(&port("0000:06:00.2"))
        .function(&port("0000:06:00.3").driver("virtio-pci"))
        .function(&port("0000:06:00.4").driver("nvme").class("0x010802"))
        .build();
    let elsewhere: Vec<bool> = facts(&tree).pci.iter().map(|device| device.elsewhere).collect();
    assert_eq!(elsewhere, [true, false, false, true, false]);
}

#[test]
fn a_forced_driver_is_told_and_null_is_none() {
    let tree = empty_vm()
        .function(&Function::nic("0000:06:00.0"))
        .file("/sys/devices/pci0000:00/0000:06:00.0/driver_override", "vfio-pci\n")
        .function(&Function::nic("0000:06:00.1"))
        .build();
    let forced: Vec<_> = facts(&tree).pci.into_iter().map(|device| texts(&device.forced)).collect();
    assert_eq!(forced, [vec!["vfio-pci".to_owned()], vec![]]);
}

#[test]
fn processes_that_have_a_group_open_are_named() {
    let tree = empty_vm()
        .function(&Function::nic("0000:06:00.0").driver("vfio-pci").group(12))
        .file("/dev/vfio/12", "")
        .file("/proc/1234/comm", "qemu\n")
        .build();
    let text = tree.to_string()
        + "l /proc/1234/fd/7 /dev/vfio/12\nl /proc/1234/fd/8 /dev/vfio/vfio\nl /proc/99/fd/1 /dev/null\n";
    assert_eq!(facts(&text.parse().unwrap()).pci[0].held_by, ["qemu (1234)"]);
}

#[test]
fn every_fixture_is_a_host_whose_facts_are_all_there() {
    for (name, build) in FIXTURES {
        let found = facts(&build());
        assert!(!found.cpu.cpus.is_empty() && !found.cpu.caches.is_empty(), "{name}");
        assert!(!found.pci.is_empty() && !found.guarded.is_empty(), "{name}");
        let of_nodes: usize = found.numa.iter().map(|node| node.cpus.len()).sum();
        assert_eq!(of_nodes, found.cpu.online.len(), "{name}");
    }
}
