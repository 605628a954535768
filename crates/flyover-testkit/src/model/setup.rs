//! What a model host is made of, and the tree it begins with.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use flyover_core::HostPath;
use flyover_core::facts::{GrubGenerator, Loader};

use super::{at, boot};

/// What a model host is made of.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// How its command line is written.
    pub boot: BootKind,
    /// For each NUMA node, how many 2 MiB pages can be had.
    pub pages: Vec<u64>,
    /// Its network cards.
    pub nics: Vec<Nic>,
    /// Whether the IOMMU is on without an argument.
    pub iommu: bool,
}

/// A network card.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Where it is.
    pub address: &'static str,
    /// Its own driver.
    pub driver: &'static str,
    /// The network device that driver makes.
    pub link: &'static str,
    /// Whether it is administratively up at boot.
    pub up: bool,
    /// Its IOMMU group, where the IOMMU is on.
    pub group: Option<u32>,
}

/// How a host's command line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootKind {
    /// GRUB with drop-ins and update-grub.
    Debian,
    /// GRUB with one file of defaults and grub2-mkconfig.
    RedHat,
    /// Entries, edited by grubby.
    Grubby,
    /// Entries, edited by nobody else.
    Entries,
}

impl Default for Hardware {
    fn default() -> Self {
        let nic = |address, link, up, group| Nic { address, driver: "e1000e", link, up, group };
        Self {
            boot: BootKind::Debian,
            pages: vec![512, 256],
            nics: vec![
                nic("0000:06:00.0", "ens1f0", true, Some(7)),
                nic("0000:06:00.1", "ens1f1", false, None),
                nic("0000:03:00.0", "eno1", true, None),
            ],
            iommu: true,
        }
    }
}

impl BootKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Debian, Self::RedHat, Self::Grubby, Self::Entries];

    /// What the facts of such a host say.
    #[must_use]
    pub fn loader(self) -> Loader {
        let grub = |drop_ins: Option<&str>, config, generator| Loader::Grub {
            defaults: HostPath::fixed("/etc/default/grub"),
            drop_ins: drop_ins.map(HostPath::fixed),
            config: HostPath::fixed(config),
            generator,
        };
        let entries = |grubby, defaults| Loader::Bls {
            entries: HostPath::fixed("/boot/loader/entries"),
            grubby,
            defaults: Some(HostPath::fixed(defaults)),
        };
        match self {
            Self::Debian => {
                grub(Some("/etc/default/grub.d"), "/boot/grub/grub.cfg", GrubGenerator::UpdateGrub)
            }
            Self::RedHat => grub(None, "/boot/grub2/grub.cfg", GrubGenerator::Grub2Mkconfig),
            Self::Grubby => entries(true, "/etc/default/grub"),
            Self::Entries => entries(false, "/etc/kernel/cmdline"),
        }
    }
}

const CHRONY: &str = "[Unit]\nDescription=NTP\n[Service]\nExecStart=/usr/sbin/chronyd\n[Install]\nAlias=chronyd.service\nWantedBy=multi-user.target\n";

pub(super) fn build(root: &Path, hardware: &Hardware) -> io::Result<()> {
    for directory in [
        "etc/default",
        "etc/modules-load.d",
        "etc/systemd/system/multi-user.target.wants",
        "etc/sysctl.d",
        "mnt",
        "var/lib",
        "run/systemd/system",
        "run/systemd/model/active",
        "sys/class/net",
        "sys/module",
        "sys/bus/pci/drivers",
        "proc/self",
    ] {
        fs::create_dir_all(root.join(directory))?;
    }
    for (path, text) in [
        ("/usr/lib/systemd/system/chrony.service", CHRONY),
        ("/usr/lib/systemd/system/irqbalance.service", "[Install]\nWantedBy=multi-user.target\n"),
        ("/usr/lib/systemd/system/dbus.service", "[Service]\nExecStart=/usr/bin/dbus-daemon\n"),
        ("/etc/motd", "theirs\n"),
        ("/proc/self/mounts", "tmpfs /run tmpfs rw 0 0\n"),
        ("/proc/modules", "e1000e 1 0 - Live 0x0\n"),
        ("/proc/sys/vm/swappiness", "60\n"),
        ("/proc/sys/vm/compact_memory", ""),
        ("/proc/sys/kernel/numa_balancing", "1\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0\n"),
        ("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
        ("/proc/sys/kernel/random/boot_id", "boot-1\n"),
        ("/lib/modules/6.1.0/modules.builtin", "kernel/fs/ext4.ko\n"),
        ("/sys/bus/pci/drivers_probe", ""),
    ] {
        put(root, path, text)?;
    }
    symlink("/usr/lib/systemd/system/chrony.service", at(root, "/etc/systemd/system/chronyd.service"))?;
    for unit in ["chrony.service", "irqbalance.service"] {
        let wants = format!("/etc/systemd/system/multi-user.target.wants/{unit}");
        symlink(format!("/usr/lib/systemd/system/{unit}"), at(root, &wants))?;
        put(root, &format!("/run/systemd/model/active/{unit}"), "")?;
    }
    super::systemd::note(root)?;
    memory(root, hardware)?;
    super::tables::build(root, hardware)?;
    hardware.nics.iter().try_for_each(|nic| super::pci::plug_in(root, nic))?;
    super::pci::group(root, &hardware.nics, hardware.iommu)?;
    boot::install(root, hardware.boot)
}

fn memory(root: &Path, hardware: &Hardware) -> io::Result<()> {
    let nodes = (0..hardware.pages.len()).map(|node| format!("/sys/devices/system/node/node{node}"));
    for place in nodes.chain(["/sys/kernel/mm".to_owned()]) {
        for name in ["nr_hugepages", "free_hugepages", "surplus_hugepages"] {
            put(root, &format!("{place}/hugepages/hugepages-2048kB/{name}"), "0\n")?;
        }
    }
    Ok(())
}

pub(super) fn put(root: &Path, path: &str, text: &str) -> io::Result<()> {
    let real = at(root, path);
    real.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(real, text)
}
