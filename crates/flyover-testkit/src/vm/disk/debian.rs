//! What the disk holds: a Debian 12 as a node has it, made by mmdebstrap from the machine's own apt sources.
//!
//! Nothing of it stays on the machine but the folder it is made in; it needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use flyover_host::cmd::Cmd;

use crate::apt::{Want, machine_sources};

/// Two minutes on an idle machine with a near mirror.
const SLOW: Duration = Duration::from_secs(1200);

/// What a node has: the libraries at the end are those of the programs under test.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,udev,kmod,iproute2,iputils-ping,pciutils,procps,ethtool,chrony,\
    irqbalance,grub-pc,linux-image-amd64,initramfs-tools,libelf1,zlib1g,libgcc-s1";

/// Papers, and drivers of what QEMU does not have: two thirds of the image.
const LEFT_OUT: [&str; 8] = [
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/infiniband/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
    "/lib/modules/*/kernel/sound/*",
];

/// When a file is put into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the packages are configured.
    Early,
    /// When all of them are: over what they brought.
    Late,
}

struct Given {
    stage: Stage,
    path: &'static str,
    mode: &'static str,
    text: &'static str,
}

const fn given(stage: Stage, path: &'static str, text: &'static str) -> Given {
    Given { stage, path, mode: "0644", text }
}

const FILES: [Given; 10] = [
    given(Stage::Early, "/etc/initramfs-tools/conf.d/flyover", include_str!("guest/initramfs.conf")),
    given(
        Stage::Early,
        "/usr/share/initramfs-tools/modules.d/flyover",
        include_str!("guest/initramfs.modules"),
    ),
    // GRUB's package asks which disk to install itself to, and fails where nobody answers.
    given(Stage::Early, "/var/cache/flyover.debconf", include_str!("guest/debconf")),
    given(Stage::Late, "/etc/default/grub", include_str!("guest/grub")),
    given(Stage::Late, "/etc/fstab", include_str!("guest/fstab")),
    given(Stage::Late, "/etc/hostname", "node\n"),
    given(
        Stage::Late,
        "/etc/systemd/network/10-management.network",
        include_str!("guest/management.network"),
    ),
    given(Stage::Late, "/etc/systemd/system/flyover-agent.service", include_str!("guest/agent.service")),
    given(Stage::Late, "/etc/udev/rules.d/90-flyover-agent.rules", include_str!("guest/agent.rules")),
    Given {
        mode: "0755",
        ..given(Stage::Late, "/usr/local/sbin/flyover-agent", include_str!("guest/agent"))
    },
];

/// What is done in the tree, in this order; `$1` is its path.
const STEPS: [(Stage, &str); 5] = [
    (Stage::Early, "chroot \"$1\" debconf-set-selections /var/cache/flyover.debconf"),
    (Stage::Late, "chroot \"$1\" systemctl enable systemd-networkd.service"),
    // Whoever waits for a node waits for its address.
    (Stage::Late, "chroot \"$1\" systemctl add-wants multi-user.target network-online.target"),
    // Timers that would start something in the middle of a test.
    (
        Stage::Late,
        "chroot \"$1\" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
         e2scrub_all.timer e2scrub_reap.service fstrim.timer",
    ),
    // The mirror is this machine's affair, and out of the guest's reach.
    (Stage::Late, "rm -rf \"$1\"/etc/apt/sources.list* \"$1\"/etc/apt/apt.conf.d/99mmdebstrap"),
];

/// Everything that decides what the tree will hold, which `more` packages are in beside the usual ones.
pub(super) fn recipe(more: &[&str]) -> anyhow::Result<String> {
    let (deb822, lines) = machine_sources(Want::Own)?;
    let files: String = FILES.iter().map(|f| [f.path, f.mode, f.text].concat()).collect();
    let steps = STEPS.map(|(_, step)| step).concat();
    Ok([packages(more), LEFT_OUT.concat(), files, steps, deb822, lines].join("\n"))
}

fn packages(more: &[&str]) -> String {
    [&[PACKAGES], more].concat().join(",")
}

/// Makes the tree below `folder` and returns its path.
pub(super) fn make(folder: &Path, more: &[&str]) -> anyhow::Result<PathBuf> {
    let tree = folder.join("tree");
    // How this machine reaches its mirror holds for the new apt too.
    let options = folder.join("apt.conf");
    fs::write(&options, Cmd::new("apt-config").args(["dump", "Acquire"]).run()?)?;
    let bootstrap = Cmd::new("mmdebstrap")
        .args(["--quiet", "--mode=root", "--variant=minbase", "--format=directory", "--skip=output/dev"])
        .args([format!("--include={}", packages(more)), format!("--aptopt={}", options.display())])
        .args(["--aptopt=APT::Install-Recommends \"false\""])
        .args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")))
        .args(hooks(folder)?)
        .args(["bookworm".as_ref(), tree.as_os_str()])
        .args(sources(folder)?);
    bootstrap.timeout(SLOW).run().context("failed to make a Debian 12; it takes root")?;
    Ok(tree)
}

fn hooks(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut hooks = Vec::new();
    let option = |stage| if stage == Stage::Early { "--essential-hook" } else { "--customize-hook" };
    for (i, file) in FILES.iter().enumerate() {
        let (from, option) = (folder.join(format!("file-{i}")), option(file.stage));
        fs::write(&from, file.text)?;
        hooks.push(format!(
            "{option}=install -D --mode={} '{}' \"$1{}\"",
            file.mode,
            from.display(),
            file.path
        ));
    }
    hooks.extend(STEPS.iter().map(|(stage, step)| format!("{}={step}", option(*stage))));
    Ok(hooks)
}

/// The machine's sources of its release as files, as mmdebstrap takes them.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (deb822, lines) = machine_sources(Want::Own)?;
    let mut files = Vec::new();
    for (name, text) in [("machine.sources", deb822), ("machine.list", lines)] {
        if !text.is_empty() {
            fs::write(folder.join(name), text)?;
            files.push(folder.join(name));
        }
    }
    Ok(files)
}
