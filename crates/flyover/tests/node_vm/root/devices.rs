//! Drivers of real functions with real IOMMU groups, and hugepages of real NUMA nodes.

use flyover_testkit::vm::Nic;
use flyover_testkit::vm::disk::DiskVm;

use crate::rig::{LONG, apply, node_with_flyover, refuse};

/// The driver of a function, and the network devices it has.
fn driver(vm: &mut DiskVm, nic: Nic) -> String {
    let dir = format!("/sys/bus/pci/devices/{}", nic.address);
    vm.ok(&format!(
        "basename $(readlink {dir}/driver || echo none)
ls -d {dir}/net/* {dir}/virtio*/net/* 2>/dev/null | xargs -r -n1 basename"
    ))
    .unwrap()
}

const VFIO: &str = "drivers: [{select: {vendor: '8086', device: 10d3}, driver: vfio-pci}]\n";

#[test]
fn a_nic_goes_to_vfio_survives_a_reboot_and_comes_back_with_its_link_up() {
    let mut vm = node_with_flyover();
    let before = driver(&mut vm, Nic::PHYSICAL);
    let name = before.lines().nth(1).unwrap().trim().to_owned();
    vm.ok(&format!("ip link set {name} up")).unwrap();
    apply(&mut vm, VFIO);
    assert_eq!(driver(&mut vm, Nic::PHYSICAL), "vfio-pci\n");
    let group = format!(
        "ls -l /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{}/iommu_group))",
        Nic::PHYSICAL.address
    );
    assert!(vm.ok(&group).unwrap().starts_with('c'));
    vm.ok("flyover node verify").unwrap();
    vm.reboot().unwrap();
    assert_eq!(driver(&mut vm, Nic::PHYSICAL), "vfio-pci\n");
    let verified = vm.sh("flyover node verify", LONG).unwrap();
    assert_eq!(verified.status, 0, "{}", verified.text);
    vm.ok("flyover node rollback --to 0").unwrap();
    assert_eq!(driver(&mut vm, Nic::PHYSICAL), before);
    assert!(vm.ok(&format!("ip -br link show {name}")).unwrap().contains("UP"));
    assert_eq!(vm.ok("ls /etc/systemd/system | grep -c flyover-drivers || true").unwrap(), "0\n");
}

#[test]
fn the_management_nic_is_refused_and_so_is_a_device_without_an_iommu() {
    let mut vm = node_with_flyover();
    let management =
        format!("drivers: [{{select: {{address: '{}'}}, driver: vfio-pci}}]\n", Nic::MANAGEMENT.address);
    let told = refuse(&mut vm, &management, 4);
    assert!(told.contains("the default route") && told.contains(Nic::MANAGEMENT.address), "{told}");
    assert!(driver(&mut vm, Nic::MANAGEMENT).starts_with("virtio-pci"), "{told}");
}

#[test]
fn hugepages_of_each_node_are_taken_mounted_and_given_back() {
    let mut vm = node_with_flyover();
    let pages = "cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages | tr '\\n' ' '";
    assert_eq!(vm.ok(pages).unwrap(), "0 0 ");
    apply(
        &mut vm,
        "hugepages:\n  pages: [{size: 2M, count: 16, node: 0}, {size: 2M, count: 40, node: 1}]\n  \
         mounts: [{path: /srv/deep/huge-dpdk, pageSize: 2M, mode: '0770'}]\n",
    );
    assert_eq!(vm.ok(pages).unwrap(), "16 40 ");
    assert_eq!(
        vm.ok("stat -c %a /srv/deep/huge-dpdk; findmnt -no FSTYPE /srv/deep/huge-dpdk").unwrap(),
        "770\nhugetlbfs\n"
    );
    vm.reboot().unwrap();
    assert_eq!(vm.ok(pages).unwrap(), "16 40 ");
    vm.ok("flyover node verify").unwrap();
    vm.ok(
        "systemd-analyze verify /etc/systemd/system/flyover-*.service /etc/systemd/system/srv-deep-*.mount",
    )
    .unwrap();
    vm.ok("echo 8 >/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages").unwrap();
    let drifted = vm.sh("flyover node verify", LONG).unwrap();
    assert_eq!(drifted.status, 3, "{}", drifted.text);
    assert!(drifted.text.contains("hugepages 2M node1"), "{}", drifted.text);
    vm.ok("echo 40 >/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages").unwrap();
    vm.ok("flyover node rollback --to 0").unwrap();
    assert_eq!(vm.ok(pages).unwrap(), "0 0 ");
    assert_eq!(vm.ok("findmnt -no FSTYPE /srv/deep/huge-dpdk || ls -A /srv").unwrap(), "");
}
