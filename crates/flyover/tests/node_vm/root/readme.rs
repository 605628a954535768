//! What the README says of preparing a node, word for word.

use std::fs;

use crate::rig::{LONG, node_with_flyover, reboot_by};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

/// The section's commands without their comments, and its profile.
fn section() -> (Vec<String>, String) {
    let text = fs::read_to_string(README).unwrap();
    let section = text.split("## Prepare a node").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands = section.lines().filter_map(|line| line.strip_prefix("    flyover "));
    let commands = commands.map(|line| format!("flyover {}", line.split(" #").next().unwrap().trim_end()));
    let profile = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    (commands.collect(), profile.to_owned())
}

/// What the profile asks for, as the running node shows it.
const FACE: &str =
    "cat /sys/devices/system/cpu/isolated; basename $(readlink /sys/bus/pci/devices/0000:41:00.0/driver)
systemctl is-active chrony; cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages
findmnt -no FSTYPE /dev/hugepages-dpdk; true";

#[test]
fn the_readme_s_section_on_preparing_a_node_works_word_for_word() {
    let (commands, profile) = section();
    assert!(commands.len() > 5, "{commands:?}");
    let mut vm = node_with_flyover();
    vm.ok(&format!("cd /root; cat >worker.yaml <<'END'\n{profile}END\n")).unwrap();
    vm.ok("tar -cf /root/before.tar --sort=name /etc /boot/grub").unwrap();
    for command in &commands {
        let started = std::time::Instant::now();
        let run = format!("cd /root; {command}");
        if command.contains("--allow-reboot") {
            reboot_by(&mut vm, &run);
        } else {
            let ran = vm.sh(&run, LONG).unwrap();
            assert_eq!(ran.status, 0, "{command}:\n{}", ran.text);
        }
        if command.contains("verify") {
            assert_eq!(vm.ok(FACE).unwrap(), "2-3,6-7\nvfio-pci\ninactive\n32\n64\nhugetlbfs\n");
        }
        eprintln!("{command}: {:.0} s", started.elapsed().as_secs_f32());
    }
    // What runs came back at once, but the command line.
    assert_eq!(vm.ok(FACE).unwrap(), "2-3,6-7\ne1000e\nactive\n0\n0\n");
    vm.ok("mkdir /root/was; tar -C /root/was -xf /root/before.tar").unwrap();
    assert_eq!(
        vm.sh("diff -r --no-dereference /root/was/etc /etc && diff -r /root/was/boot/grub /boot/grub", LONG)
            .unwrap()
            .text,
        ""
    );
}
