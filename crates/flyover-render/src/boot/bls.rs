//! Entries after the Boot Loader Specification, by grubby or by kernel-install.

use std::collections::BTreeSet;

use flyover_plan::{Settled, units};

use crate::quote::{comment, sh};
use crate::{Rendered, args};

use super::{kept, notes};

/// One command that edits every entry, and what later kernels get.
pub(crate) fn grubby(settled: &Settled) -> Rendered {
    let unset = args::unset(settled).join(" ");
    let remove = if unset.is_empty() { String::new() } else { format!(" --remove-args={}", sh(&unset)) };
    let set = args::line(settled);
    let add = if set.is_empty() { String::new() } else { format!(" --args={}", sh(&set)) };
    let command = if remove.is_empty() && add.is_empty() {
        String::new()
    } else {
        format!("grubby --update-kernel=ALL{remove}{add}\n")
    };
    let text = format!(
        "#!/bin/sh\n{}\n# Takes effect with the next boot; kernels installed later get it too.\n{command}",
        units::HEADER
    );
    let mut notes = notes(settled, "the kernel's command line");
    let mut names = BTreeSet::new();
    let twice = settled.args.set.iter().filter(|arg| !names.insert(arg.name()));
    let twice: BTreeSet<&str> = twice.map(flyover_core::KernelArg::name).collect();
    notes.extend(twice.into_iter().map(|name| {
        format!("grubby may keep only the last `{name}=` of several; if /proc/cmdline shows it did, use `--for bls`")
    }));
    Rendered::one("grubby.sh", text, notes)
}

const READ: &str = "\
# Entries are in /boot/loader/entries; kernel-install writes them from /etc/kernel/cmdline or, without that file,
# from the running kernel's command line. BOOT_IMAGE and initrd in the latter are the boot loader's own.
# With `set -f`, a line is split at its blanks and `*` stays what it is.
set -euf
if [ -e /etc/kernel/cmdline ]; then
    line=$(cat /etc/kernel/cmdline)
else
    line=$(cat /proc/cmdline)
fi
line=$(for word in $line; do case $word in BOOT_IMAGE=* | initrd=*) ;; *) printf '%s ' \"$word\" ;; esac; done)
";

const WRITE: &str = "\
printf '%s\\n' \"$line\" >/etc/kernel/cmdline.new
mv /etc/kernel/cmdline.new /etc/kernel/cmdline
set +f
for modules in /lib/modules/*; do
    version=${modules##*/}
    for kernel in \"$modules/vmlinuz\" \"/boot/vmlinuz-$version\"; do
        if [ -e \"$kernel\" ]; then
            kernel-install add \"$version\" \"$kernel\"
            break
        fi
    done
done
";

/// Adds all that is to be there at the end, where the last word counts; once, however often the script runs.
fn append(settled: &Settled) -> String {
    if settled.args.set.is_empty() {
        return String::new();
    }
    let words = sh(&args::line(settled));
    format!("words={words}\ncase \" $line \" in\n*\" $words \"*) ;;\n*) line=\"$line$words\" ;;\nesac\n")
}

/// A script that edits `/etc/kernel/cmdline` and has the entries written again.
pub(crate) fn bls(settled: &Settled) -> Rendered {
    let words = |title: &str, words: Vec<String>| {
        let words: String = words.iter().map(|word| format!("  {word}\n")).collect();
        if words.is_empty() { String::new() } else { comment(format!("{title}\n{words}").trim_end()) }
    };
    let add = words(
        "Words that every entry's `options` line is to have, in this order:",
        args::entries(&settled.args.set),
    );
    let remove = words("Words that no entry's `options` line is to have:", args::unset(settled));
    let header = format!("#!/bin/sh\n{}\n", units::HEADER);
    let kept = match kept(settled).as_str() {
        "" => String::new(),
        function => format!("{function}line=$(flyover_kept $line)\n"),
    };
    let append = append(settled);
    let text = if kept.is_empty() && append.is_empty() {
        header
    } else {
        format!("{header}{add}{remove}{READ}{kept}{append}{WRITE}")
    };
    Rendered::one("bls.sh", text, notes(settled, "the kernel's command line"))
}
