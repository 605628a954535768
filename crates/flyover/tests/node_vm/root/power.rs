//! What a crash in the middle leaves, on a real disk.

use std::time::Duration;

use flyover_testkit::vm::disk::DiskVm;

use crate::rig::{LONG, node_with_flyover};

const PROFILE: &str = "hugepages:\n  pages: [{size: 2M, count: 16, node: 0}, {size: 2M, count: 16, node: 1}]\n  \
    mounts: [{path: /dev/hugepages-dpdk, pageSize: 2M}]\n\
    services: [{name: chronyd, state: masked}, {name: irqbalance, state: disabled}]\n\
    sysctls: {vm.swappiness: '7'}\n\
    drivers: [{select: {vendor: '8086', device: 10d3}, driver: vfio-pci}]\n\
    files: [{path: /etc/flyover-test/deep/file, content: \"x\\n\"}]\n";

fn write_profile(vm: &mut DiskVm) {
    vm.ok(&format!("cat >/root/profile.yaml <<'END'\n{PROFILE}END\nsync")).unwrap();
}

/// Everything a rollback must bring back: the configuration and what runs.
fn face(vm: &mut DiskVm) -> String {
    vm.ok("find /etc -xdev ! -name '.updated' -type f -exec sha256sum {} + | sort; find /etc -type l -printf '%p %l\\n' | sort\n\
           find /etc -type d | sort; cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages\n\
           systemctl is-active chrony irqbalance; readlink /sys/bus/pci/devices/0000:41:00.0/driver; sysctl vm.swappiness; true")
        .unwrap()
}

#[test]
fn a_power_cut_in_the_middle_of_apply_is_continued_or_taken_back() {
    let mut vm = node_with_flyover();
    write_profile(&mut vm);
    let before = face(&mut vm);
    for (round, millis) in [300_u64, 1500, 3500].into_iter().enumerate() {
        vm.ok("systemd-run --no-block flyover node apply -f /root/profile.yaml").unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        vm.cut().unwrap();
        vm.boot_again().unwrap();
        if round != 1 {
            let applied =
                vm.sh("flyover node apply -f /root/profile.yaml && flyover node verify", LONG).unwrap();
            assert_eq!(applied.status, 0, "after {millis} ms: {}", applied.text);
        }
        let back = vm.sh("flyover node rollback --to 0", LONG).unwrap();
        assert_eq!(back.status, 0, "after {millis} ms: {}", back.text);
        assert_eq!(face(&mut vm), before, "after {millis} ms");
    }
}

#[test]
fn a_kill_at_any_moment_of_apply_or_rollback_is_continued() {
    let mut vm = node_with_flyover();
    write_profile(&mut vm);
    let before = face(&mut vm);
    let script = "for t in 0.1 0.2 0.35 0.5 0.8 1.2 1.8 2.6 4; do\n\
        timeout -s KILL $t flyover node apply -f /root/profile.yaml >/dev/null 2>&1\n\
        flyover node apply -f /root/profile.yaml >/tmp/said 2>&1 && flyover node verify >>/tmp/said 2>&1 || { echo \"apply after $t\"; cat /tmp/said; exit 1; }\n\
        timeout -s KILL $t flyover node rollback --to 0 >/dev/null 2>&1\n\
        flyover node rollback --to 0 >/tmp/said 2>&1 || { echo \"rollback after $t\"; cat /tmp/said; exit 1; }\ndone";
    let ran = vm.sh(script, LONG * 4).unwrap();
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert_eq!(face(&mut vm), before);
}
