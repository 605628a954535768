//! The rig itself: a node is what the other tests take it for.

use std::time::{Duration, Instant};

use flyover_testkit::vm::Nic;

use crate::rig::{node, node_with_flyover};

const SLOW: Duration = Duration::from_secs(180);

/// Says how long a step took; shown with `--nocapture`.
fn timed<T>(step: &str, act: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = act();
    eprintln!("{step}: {:.1} s", started.elapsed().as_secs_f32());
    result
}

#[test]
fn a_node_runs_what_nodes_run_on_the_hardware_of_a_node() {
    let mut vm = timed("start", node);
    assert_eq!(vm.ok("systemctl is-system-running").unwrap(), "running\n");
    assert_eq!(vm.ok("systemctl is-active chrony irqbalance").unwrap(), "active\nactive\n");
    assert!(!vm.ok("cat /proc/cmdline").unwrap().contains("iommu"));
    for nic in Nic::ALL {
        assert_eq!(vm.ok(&facts_of(nic)).unwrap(), expected_of(nic));
    }
    let route = vm.ok("ip -o route show default").unwrap();
    let device = vm.ok(&format!("ls {}/virtio*/net", pci(Nic::MANAGEMENT))).unwrap();
    assert!(route.contains(&format!("dev {} proto dhcp", device.trim())), "{route}");
}

fn pci(nic: Nic) -> String {
    format!("/sys/bus/pci/devices/{}", nic.address)
}

/// Driver, NUMA node, MAC address, and all devices of its IOMMU group.
fn facts_of(nic: Nic) -> String {
    let device = pci(nic);
    format!(
        "basename $(readlink {device}/driver)\ncat {device}/numa_node\n\
         cat $(ls {device}/net/*/address {device}/virtio*/net/*/address 2>/dev/null)\n\
         ls {device}/iommu_group/devices\n"
    )
}

fn expected_of(nic: Nic) -> String {
    format!("{}\n{}\n{}\n{}\n", nic.driver, nic.numa_node, nic.mac, nic.address)
}

#[test]
fn a_reboot_is_another_boot_and_update_grub_has_nothing_to_change() {
    let mut vm = timed("start", node_with_flyover);
    timed("put and run flyover", || assert!(vm.ok("flyover --version").unwrap().starts_with("flyover ")));
    let same = "cp /boot/grub/grub.cfg /root/before; update-grub; cmp /root/before /boot/grub/grub.cfg";
    let output = timed("update-grub", || vm.sh(same, SLOW).unwrap());
    assert_eq!(output.status, 0, "{}", output.text);
    let first = vm.boot_id().to_owned();
    timed("reboot", || vm.reboot().unwrap());
    assert_ne!(vm.boot_id(), first);
    assert_eq!(vm.ok("cat /proc/sys/kernel/random/boot_id").unwrap().trim(), vm.boot_id());
}

#[test]
fn a_power_cut_keeps_what_was_synced() {
    let mut vm = node();
    vm.ok("echo kept >/root/synced; sync /root/synced; (while :; do echo lost >>/root/unsynced; done) & sleep 1")
        .unwrap();
    timed("cut", || vm.cut().unwrap());
    timed("boot again", || vm.boot_again().unwrap());
    assert_eq!(vm.ok("cat /root/synced").unwrap(), "kept\n");
    timed("poweroff", || vm.poweroff().unwrap());
}

#[test]
fn a_guest_that_dies_is_told_at_once() {
    let mut vm = node();
    let started = Instant::now();
    let error = vm.sh("echo c >/proc/sysrq-trigger", SLOW).unwrap_err();
    assert!(format!("{error:#}").contains("ended with `Kernel panic`"), "{error:#}");
    assert!(started.elapsed() < SLOW / 6, "{:?}", started.elapsed());
}
