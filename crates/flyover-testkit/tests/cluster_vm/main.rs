//! The cluster rig on a Debian 12 as it is installed: systemd, and control groups of version 2 alone. The machine that
//! tests run on may have others, so this one is virtual; all is emulated and takes its time. `make test-vm` runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod guest;

/// Needs root, what `make setup-cluster` installs, and QEMU.
mod root {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use flyover_testkit::vm::Hardware;
    use flyover_testkit::vm::disk::{DiskVm, Image};

    use crate::guest;

    /// What `make setup-cluster` installs, and what it finds on a machine with a build chain.
    const PACKAGES: [&str; 9] = [
        "containerd",
        "runc",
        "containernetworking-plugins",
        "busybox-static",
        "openssl",
        "socat",
        "iptables",
        "nftables",
        "conntrack",
    ];
    /// Set where this very program runs in the guest.
    const INSIDE: &str = "FLYOVER_TEST_INSIDE";
    /// For all that the guest does.
    const LONG: Duration = Duration::from_secs(3000);

    fn target() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
    }

    fn machine() -> DiskVm {
        let image = Image::with(&target().join("vm-cluster"), &PACKAGES).unwrap();
        let mut vm = DiskVm::start(&image, Hardware::Host { cpus: 2, memory_mib: 6144 }).unwrap();
        for tool in fs::read_dir(target().join("tools/kubernetes")).unwrap() {
            let tool = tool.unwrap();
            let path = Path::new(guest::TOOLS).join(tool.file_name());
            vm.put(&tool.path(), path.to_str().unwrap(), 0o755).unwrap();
        }
        vm.put(&std::env::current_exe().unwrap(), "/srv/test", 0o755).unwrap();
        vm
    }

    #[test]
    fn a_cluster_comes_up_on_a_debian_12_as_it_is_installed_and_leaves_no_group() {
        if std::env::var_os(INSIDE).is_some() {
            return guest::raise_and_take_down();
        }
        let started = Instant::now();
        let mut vm = machine();
        eprintln!("the guest is up after {:.0} s", started.elapsed().as_secs_f32());
        let name = "a_cluster_comes_up_on_a_debian_12";
        let ran = vm.sh(&format!("{INSIDE}=1 /srv/test {name} --nocapture"), LONG).unwrap();
        if ran.status != 0 {
            let logs = vm.ok(&format!("tail -n 30 {}/*/log/*.log", guest::FOLDER));
            panic!("{}\n{}", ran.text, logs.unwrap_or_default());
        }
        eprintln!("{}\nall within {:.0} s", ran.text, started.elapsed().as_secs_f32());
    }
}
