//! Boot loaders, and booting.

use std::fs;
use std::io;
use std::path::Path;

use flyover_host::cmd::Cmd;

use super::setup::put;
use super::{BootKind, Machine, at, other, tree};

const ENTRIES: &str = "/boot/loader/entries";

/// Sources the defaults as grub-mkconfig does, with a real shell: its quoting is the one that counts.
const EVALUATE: &str = r#"set -e; cd "$1"; . ./etc/default/grub; for f in etc/default/grub.d/*.cfg; do [ ! -e "$f" ] || . "./$f"; done
printf '%s\n%s\n' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT""#;

pub(super) fn install(root: &Path, kind: BootKind) -> io::Result<()> {
    match kind {
        BootKind::Debian => {
            put(
                root,
                "/etc/default/grub",
                "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX='console=ttyS0,115200'\n",
            )?;
            put(
                root,
                "/etc/default/grub.d/50-cloud.cfg",
                "# of the image\nGRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT iommu=nopt\" # why\n",
            )?;
        }
        BootKind::RedHat => {
            put(
                root,
                "/etc/default/grub",
                "GRUB_DISABLE_RECOVERY=true\nGRUB_CMDLINE_LINUX=\"crashkernel=auto quiet iommu=nopt\"\n",
            )?;
        }
        BootKind::Grubby | BootKind::Entries => {
            for (name, options) in [
                ("a-6.1", "options root=/dev/vda1 ro quiet\noptions iommu=nopt\n"),
                ("a-5.10", "options root=/dev/vda1 ro quiet iommu=nopt\n"),
            ] {
                put(
                    root,
                    &format!("{ENTRIES}/{name}.conf"),
                    &format!("title Model\nlinux /vmlinuz\n{options}"),
                )?;
            }
            if kind == BootKind::Grubby {
                let text = "GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX=\"quiet iommu=nopt\"\n";
                put(root, "/etc/default/grub", text)?;
            } else {
                put(root, "/etc/kernel/cmdline", "root=/dev/vda1 ro quiet iommu=nopt\n")?;
            }
        }
    }
    if matches!(kind, BootKind::Debian | BootKind::RedHat) {
        let text = config(root)?;
        put(root, config_path(kind), &text)?;
    }
    put(root, "/proc/cmdline", &format!("{}\n", next_line(root, kind)?))
}

fn config_path(kind: BootKind) -> &'static str {
    if kind == BootKind::Debian { "/boot/grub/grub.cfg" } else { "/boot/grub2/grub.cfg" }
}

/// The configuration that a generator writes.
fn config(root: &Path) -> io::Result<String> {
    let shell = Cmd::new("sh").args(["-c", EVALUATE, "sh"]).args([root]);
    let values = shell.run().map_err(io::Error::other)?;
    let (all, normal) = values.split_once('\n').unwrap_or_default();
    Ok(format!(
        "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Model' {{\n\tlinux\t/boot/vmlinuz root=/dev/vda1 ro {all} {}\n}}\n\
         menuentry 'Model (recovery mode)' {{\n\tlinux\t/boot/vmlinuz root=/dev/vda1 ro single {all}\n}}\n\
         ### END /etc/grub.d/10_linux ###\n### BEGIN /etc/grub.d/30_os-prober ###\nmenuentry 'Other' {{\n\tlinux\t/other root=/dev/vdb1\n}}\n",
        normal.trim_end()
    ))
}

/// The command line of the next boot.
fn next_line(root: &Path, kind: BootKind) -> io::Result<String> {
    if matches!(kind, BootKind::Debian | BootKind::RedHat) {
        let text = fs::read_to_string(at(root, config_path(kind)))?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("linux\t/boot/vmlinuz "))
            .unwrap_or_default();
        return Ok(line.trim().to_owned());
    }
    let text = fs::read_to_string(at(root, &format!("{ENTRIES}/a-6.1.conf")))?;
    Ok(text.lines().filter_map(|line| line.strip_prefix("options ")).collect::<Vec<_>>().join(" "))
}

impl Machine {
    /// update-grub and its likes: written beside, then renamed.
    pub(super) fn make_grub_config(&self, root: &Path) -> io::Result<String> {
        let path = config_path(self.hardware.boot);
        let new = format!("{path}.new");
        put(root, &new, "half")?;
        self.tick()?;
        put(root, &new, &config(root)?)?;
        self.tick()?;
        fs::rename(at(root, &new), at(root, path)).map(|()| String::new())
    }

    /// `grubby --update-kernel=ALL [--remove-args=…] [--args=…]`, which keeps the defaults in step.
    pub(super) fn grubby(&self, root: &Path, args: &[&str]) -> io::Result<String> {
        let of = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name)).unwrap_or_default();
        let (gone, come) = (of("--remove-args="), of("--args="));
        if of("--update-kernel=") != "ALL" {
            return Err(other("grubby: which kernel?"));
        }
        let edit = |line: &str| {
            let stay =
                line.split(' ').filter(|word| !word.is_empty() && !gone.split(' ').any(|gone| gone == *word));
            stay.chain(come.split(' ').filter(|word| !word.is_empty())).collect::<Vec<_>>().join(" ")
        };
        for name in ["a-5.10", "a-6.1"] {
            let path = format!("{ENTRIES}/{name}.conf");
            let text = fs::read_to_string(at(root, &path))?;
            let (options, rest): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.starts_with("options "));
            let options =
                options.iter().filter_map(|line| line.strip_prefix("options ")).collect::<Vec<_>>().join(" ");
            self.tick()?;
            put(root, &path, &format!("{}\noptions {}\n", rest.join("\n"), edit(&options)))?;
        }
        let text = fs::read_to_string(at(root, "/etc/default/grub"))?;
        let lines = text.lines().map(|line| {
            let value = line.strip_prefix("GRUB_CMDLINE_LINUX=\"").and_then(|value| value.strip_suffix('"'));
            value.map_or(line.to_owned(), |value| format!("GRUB_CMDLINE_LINUX=\"{}\"", edit(value))) + "\n"
        });
        put(root, "/etc/default/grub", &lines.collect::<String>())?;
        Ok(String::new())
    }

    /// A boot: what the kernel knew is as it was at the first one, but for the command line and what units do.
    pub(super) fn boot(&self, root: &Path) -> io::Result<()> {
        let boot_id = fs::read_to_string(at(root, "/proc/sys/kernel/random/boot_id"))?;
        let count: u64 = boot_id.trim().trim_start_matches("boot-").parse().map_err(io::Error::other)?;
        let pristine = root.with_file_name("pristine");
        for directory in ["proc", "sys", "run"] {
            fs::remove_dir_all(root.join(directory))?;
            tree::copy(&pristine.join(directory), &root.join(directory))?;
        }
        for active in fs::read_dir(at(root, "/run/systemd/model/active"))? {
            fs::remove_file(active?.path())?;
        }
        put(root, "/proc/sys/kernel/random/boot_id", &format!("boot-{}\n", count + 1))?;
        put(root, "/proc/cmdline", &format!("{}\n", next_line(root, self.hardware.boot)?))?;
        self.obey_command_line(root)?;
        self.read_files_of_boot(root)?;
        self.start_enabled(root)
    }
}
