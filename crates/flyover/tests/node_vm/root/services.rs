//! Services of a real systemd: stopped, and brought back as they were.

use flyover_testkit::vm::disk::DiskVm;

use crate::rig::{apply, node_with_flyover};

fn state(vm: &mut DiskVm) -> String {
    vm.ok("systemctl is-enabled chrony; systemctl is-active chrony; find /etc/systemd /etc/rc*.d | sort | sha256sum; true").unwrap()
}

#[test]
fn chronyd_is_disabled_or_masked_and_comes_back_with_enablement_mask_and_state() {
    let mut vm = node_with_flyover();
    let disabled = "services: [{name: chronyd, state: disabled}]\n";
    let masked = "services: [{name: chronyd, state: masked}, {name: irqbalance, state: disabled}, {name: ntpd, state: disabled}]\n";
    // As it is shipped, then stopped but enabled, then masked by the administrator.
    for prepare in ["true", "systemctl stop chrony", "systemctl mask --now chrony"] {
        vm.ok(prepare).unwrap();
        let before = state(&mut vm);
        for (profile, word) in [(disabled, "disabled"), (masked, "masked")] {
            if prepare.contains("mask") && word == "disabled" {
                continue;
            }
            apply(&mut vm, profile);
            let now = state(&mut vm);
            assert!(now.starts_with(&format!("{word}\ninactive\n")), "{prepare}: {now}");
            vm.ok("flyover node verify").unwrap();
            vm.ok("flyover node rollback --to 0").unwrap();
            assert_eq!(state(&mut vm), before, "{prepare}, {word}");
        }
    }
}
