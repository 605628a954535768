//! Kernel arguments through a real GRUB: one reboot, and none in vain.

use crate::rig::{LONG, apply_and_reboot, node_with_flyover, reboot_by};

#[test]
fn an_argument_goes_through_grub_and_the_way_back_leaves_the_same_bytes() {
    let mut vm = node_with_flyover();
    let sums = "sha256sum /etc/default/grub /boot/grub/grub.cfg; ls /etc/default/grub.d 2>&1";
    let before = vm.ok(sums).unwrap();
    let profile = "kernelArgs: {present: [nosoftlockup]}\n\
                   hugepages: {pages: [{size: 2M, count: 24, node: 0, when: boot}, {size: 2M, count: 8, node: 1, when: boot}]}\n";
    apply_and_reboot(&mut vm, profile);
    let line = vm.ok("cat /proc/cmdline").unwrap();
    assert!(line.contains("nosoftlockup") && line.contains("hugepagesz=2M hugepages=0:24,1:8"), "{line}");
    assert_eq!(
        vm.ok("cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages").unwrap(),
        "24\n8\n"
    );
    vm.ok("flyover node verify").unwrap();
    let again = vm.ok("flyover node apply --allow-reboot -f /root/profile.yaml").unwrap();
    assert!(again.contains("Nothing to do"), "{again}");
    vm.ok("flyover node rollback --to 0").unwrap();
    assert_eq!(vm.ok(sums).unwrap(), before);
}

#[test]
fn an_argument_that_does_not_take_effect_stops_with_the_reason_and_never_loops() {
    let mut vm = node_with_flyover();
    // The boot loader ignores what is generated for it, as one on another disk would.
    vm.ok("cat >/root/profile.yaml <<'END'\nkernelArgs: {present: [nosoftlockup]}\nEND\n\
           cp /boot/grub/grub.cfg /root/grub.cfg\n\
           cat >/etc/systemd/system/ignore.service <<'END'\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
           ExecStop=cp /root/grub.cfg /boot/grub/grub.cfg\n[Install]\nWantedBy=multi-user.target\nEND\n\
           systemctl enable --now ignore")
        .unwrap();
    reboot_by(&mut vm, "flyover node apply --allow-reboot -f /root/profile.yaml");
    let boot = vm.boot_id().to_owned();
    let told = vm.sh("flyover node apply --allow-reboot -f /root/profile.yaml", LONG).unwrap();
    assert_eq!(told.status, 1, "{}", told.text);
    assert!(told.text.contains("nosoftlockup") && told.text.contains("has had its reboot"), "{}", told.text);
    assert_eq!(vm.ok("sleep 5; cat /proc/sys/kernel/random/boot_id").unwrap().trim(), boot);
}
