//! The command lines that boot loaders hold ready, read from their files.
//!
//! Invariant: entries that are no business of ours are left out: recovery entries of GRUB, which leave
//! `GRUB_CMDLINE_LINUX_DEFAULT` out on purpose, and those of other systems on the disk.

use flyover_core::facts::Loader;
use flyover_core::{FileAt, KernelArgs};

use super::aim::words;

/// The command line of each entry that boots this system, of what the files hold.
pub(super) fn lines(loader: &Loader, files: &[FileAt]) -> Vec<KernelArgs> {
    match loader {
        Loader::Grub { config, .. } => {
            let text = files.iter().find(|file| file.path == *config).and_then(text_of).unwrap_or_default();
            grub_lines(text)
        }
        Loader::Bls { entries, .. } => {
            let common =
                files.iter().filter(|file| file.path.as_str().ends_with("/grubenv")).find_map(text_of);
            let common =
                common.and_then(|text| text.lines().find_map(|line| line.strip_prefix("kernelopts=")));
            let in_entries = |file: &&FileAt| is_entry(file, entries);
            files.iter().filter(in_entries).filter_map(text_of).map(|text| options(text, common)).collect()
        }
    }
}

pub(super) fn text_of(file: &FileAt) -> Option<&str> {
    file.file.as_ref()?.content.text()
}

/// Whether a file is an entry after the Boot Loader Specification.
pub(super) fn is_entry(file: &FileAt, entries: &flyover_core::HostPath) -> bool {
    file.path.parent().as_ref() == Some(entries) && file.path.as_str().ends_with(".conf")
}

fn grub_lines(text: &str) -> Vec<KernelArgs> {
    let (mut lines, mut ours) = (Vec::new(), true);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix("### BEGIN ") {
            ours = !(section.contains("_os-prober") || section.contains("_custom"));
        }
        let Some((command, rest)) = line.split_once(char::is_whitespace) else { continue };
        if !ours || !matches!(command, "linux" | "linux16" | "linuxefi") {
            continue;
        }
        let args = rest.trim_start().split_once(char::is_whitespace).map_or("", |(_kernel, args)| args);
        let args = KernelArgs::parse(args);
        if !args.iter().any(|arg| matches!(arg.raw(), "single" | "recovery")) {
            lines.push(args);
        }
    }
    // Tools such as memtest are started like kernels, without a root of their own.
    if lines.iter().any(|args| args.get("root").is_some()) {
        lines.retain(|args| args.get("root").is_some());
    }
    lines
}

/// The options of an entry, `$kernelopts` of GRUB's environment put in.
fn options(text: &str, common: Option<&str>) -> KernelArgs {
    let all: Vec<&str> = text.lines().filter_map(options_of).collect();
    let put_in = all.join(" ");
    let put_in = words(&KernelArgs::parse(&put_in)).into_iter();
    let put_in: Vec<String> = put_in
        .map(|word| if word == "$kernelopts" { common.unwrap_or_default().to_owned() } else { word })
        .collect();
    KernelArgs::parse(&put_in.join(" "))
}

/// What a line of an entry says of options, if it does.
pub(super) fn options_of(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("options")?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_for_recovery_and_of_other_systems_are_left_out() {
        let text = "### BEGIN /etc/grub.d/10_linux ###\n\tlinux\t/vmlinuz root=/dev/a ro quiet\n\
                    \tlinux\t/vmlinuz root=/dev/a ro single\n### BEGIN /etc/grub.d/30_os-prober ###\n\
                    linux /other root=/dev/b\n### BEGIN /etc/grub.d/20_memtest86+ ###\nlinux /boot/memtest86+x64.efi\n";
        assert_eq!(grub_lines(text), [KernelArgs::parse("root=/dev/a ro quiet")]);
    }

    #[test]
    fn several_lines_of_options_are_one() {
        let text = "title A\noptions root=/dev/a $kernelopts\noptions  quiet\n";
        assert_eq!(options(text, Some("ro splash")), KernelArgs::parse("root=/dev/a ro splash quiet"));
    }
}
