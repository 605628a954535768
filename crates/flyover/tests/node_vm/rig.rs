//! A node for one test, with the program under test on it.

use std::path::Path;
use std::time::Duration;

use flyover_testkit::vm::Hardware;
use flyover_testkit::vm::disk::{DiskVm, Image};

/// A new node with an IOMMU, booted.
pub(crate) fn node() -> DiskVm {
    node_on(Hardware::Node { iommu: true })
}

/// A new node on hardware of choice, booted.
pub(crate) fn node_on(hardware: Hardware) -> DiskVm {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm");
    let image = Image::get(&store).unwrap();
    DiskVm::start(&image, hardware).unwrap()
}

/// One that has `flyover` besides.
pub(crate) fn node_with_flyover() -> DiskVm {
    let mut node = node();
    node.put(Path::new(env!("CARGO_BIN_EXE_flyover")), "/usr/local/bin/flyover", 0o755).unwrap();
    node
}

/// What takes systemd and an emulated disk their time.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Applies a profile, which must succeed without a reboot.
pub(crate) fn apply(vm: &mut DiskVm, profile: &str) -> String {
    write(vm, profile);
    let ran = vm.sh("flyover node apply -f /root/profile.yaml", LONG).unwrap();
    assert_eq!(ran.status, 0, "{profile}\n{}", ran.text);
    ran.text
}

/// Applies a profile that must be refused with that status; gives what was said.
pub(crate) fn refuse(vm: &mut DiskVm, profile: &str, status: i32) -> String {
    write(vm, profile);
    let ran = vm.sh("flyover node apply -f /root/profile.yaml", LONG).unwrap();
    assert_eq!(ran.status, status, "{profile}\n{}", ran.text);
    ran.text
}

/// Applies a profile that reboots the node.
pub(crate) fn apply_and_reboot(vm: &mut DiskVm, profile: &str) {
    write(vm, profile);
    reboot_by(vm, "flyover node apply --allow-reboot -f /root/profile.yaml");
}

/// Runs a command that reboots the node, and waits until it is up again and what goes on by itself has ended.
pub(crate) fn reboot_by(vm: &mut DiskVm, command: &str) {
    // The guest may be gone before it has answered.
    if let Ok(said) = vm.sh(command, LONG) {
        assert_eq!(said.status, 0, "{command}\n{}", said.text);
    }
    vm.wait_ready(LONG).unwrap();
}

fn write(vm: &mut DiskVm, profile: &str) {
    vm.ok(&format!("cat >/root/profile.yaml <<'END'\n{profile}END\n")).unwrap();
}
