//! What distributions put on a disk: their names, their boot loaders, their services.

use flyover_core::{FileMode, HostPath};
use flyover_host::facts::question;
use flyover_host::tree::{HostTree, Node};

/// A distribution and its way of booting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian with GRUB.
    Debian,
    /// Ubuntu with GRUB and a cloud image's drop-in.
    Ubuntu,
    /// Red Hat Enterprise Linux with entries after the Boot Loader Specification and grubby.
    Rhel,
    /// Red Hat CoreOS.
    Rhcos,
    /// Talos, which has no systemd.
    Talos,
    /// Bottlerocket.
    Bottlerocket,
    /// Flatcar.
    Flatcar,
}

const GRUB: &str =
    "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n";
const GRUB_BLS: &str = "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"ro quiet\"\nGRUB_ENABLE_BLSCFG=true\n";
const GRUB_CFG: &str =
    "menuentry 'Linux' {\n\tlinux /vmlinuz root=/dev/mapper/vg-root ro quiet\n\tinitrd /initrd.img\n}\n";
const ENTRY: &str = "title Linux\nversion 5.14.0\nlinux /vmlinuz-5.14.0\ninitrd /initramfs-5.14.0.img\n\
                     options root=/dev/mapper/vg-root ro quiet\n";

/// Whether systemd runs it.
pub(super) fn has_systemd(system: System) -> bool {
    system != System::Talos
}

/// Writes what a distribution puts on a disk.
pub(super) fn write(tree: &mut HostTree, system: System) {
    let release = match system {
        System::Debian => "ID=debian\nVERSION_ID=\"12\"\n",
        System::Ubuntu => "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n",
        System::Rhel => "ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n",
        System::Rhcos => "ID=\"rhcos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"4.16\"\nVARIANT_ID=coreos\n",
        System::Talos => "ID=talos\nVERSION_ID=v1.8.0\n",
        System::Bottlerocket => "ID=bottlerocket\nVERSION_ID=1.26.0\nVARIANT_ID=aws-k8s-1.31\n",
        System::Flatcar => "ID=flatcar\nID_LIKE=coreos\nVERSION_ID=3975.2.0\n",
    };
    text(tree, "/etc/os-release", release);
    if has_systemd(system) {
        tree.put(HostPath::fixed("/run/systemd/system"), Node::Dir);
    }
    match system {
        System::Debian | System::Ubuntu => {
            text(tree, "/etc/default/grub", GRUB);
            text(tree, "/boot/grub/grub.cfg", GRUB_CFG);
            program(tree, "/usr/sbin/update-grub");
        }
        System::Rhel | System::Rhcos => {
            text(tree, "/etc/default/grub", GRUB_BLS);
            text(tree, "/boot/loader/entries/00000000000000000000000000000000-5.14.0.conf", ENTRY);
        }
        System::Talos | System::Bottlerocket | System::Flatcar => {}
    }
    match system {
        System::Ubuntu => {
            let drop_in = "GRUB_CMDLINE_LINUX_DEFAULT=\"console=tty1 console=ttyS0\"\n";
            text(tree, "/etc/default/grub.d/50-cloudimg-settings.cfg", drop_in);
        }
        System::Rhel => program(tree, "/usr/sbin/grubby"),
        System::Rhcos => text(tree, "/run/ostree-booted", ""),
        _ => {}
    }
}

fn text(tree: &mut HostTree, path: &str, text: &str) {
    tree.put_text(HostPath::fixed(path), text);
}

fn program(tree: &mut HostTree, path: &str) {
    let node = Node::File { mode: FileMode::of(0o755), content: "#!/bin/sh\n".into() };
    tree.put(HostPath::fixed(path), node);
}

/// Records what systemd says of its units.
pub(super) fn write_services(tree: &mut HostTree, services: &[(&'static str, &'static str, bool)]) {
    let args = question(&[]);
    let blocks: Vec<String> = args.iter().skip(2).map(|asked| block(asked, services)).collect();
    tree.put_answer(format!("systemctl {}", args.join(" ")), blocks.join("\n"));
}

/// An answer to one name; `chronyd` is another name of `chrony` while that is enabled.
fn block(asked: &str, services: &[(&'static str, &'static str, bool)]) -> String {
    let own = if asked == "chronyd.service" { "chrony.service" } else { asked };
    let known =
        services.iter().find(|(unit, state, _)| *unit == own && (own == asked || *state == "enabled"));
    known.map_or_else(
        || format!("Id={asked}\nNames={asked}\nLoadState=not-found\nActiveState=inactive\nFragmentPath=\nUnitFileState=\n"),
        |(unit, state, active)| {
            let load = if *state == "masked" { "masked" } else { "loaded" };
            let active = if *active { "active" } else { "inactive" };
            format!(
                "Id={unit}\nNames={unit}\nLoadState={load}\nActiveState={active}\n\
                 FragmentPath=/lib/systemd/system/{unit}\nUnitFileState={state}\n"
            )
        },
    )
}
