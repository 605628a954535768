//! GRUB with a generated configuration.

use flyover_plan::{Settled, units};

use crate::quote::sh;
use crate::{Rendered, args};

use super::{kept, notes};

/// The file for `/etc/default/grub.d`, which grub-mkconfig reads with a shell after `/etc/default/grub`.
pub(crate) fn snippet(settled: &Settled) -> String {
    let mut text = format!("{}\n", units::HEADER);
    if !settled.args.unset.is_empty() {
        text.push_str(
            "# Takes out what is to go, and keeps the rest in its order; `set -f` keeps `*` what it is.\n",
        );
        text.push_str(&kept(settled));
        text.push_str(
            "set -f\nGRUB_CMDLINE_LINUX=$(flyover_kept $GRUB_CMDLINE_LINUX)\n\
             GRUB_CMDLINE_LINUX_DEFAULT=$(flyover_kept $GRUB_CMDLINE_LINUX_DEFAULT)\nset +f\n",
        );
    }
    if !settled.args.set.is_empty() {
        let line = sh(&args::line(settled));
        text.push_str(&format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX \"{line}\n"));
    }
    text
}

pub(crate) fn grub(settled: &Settled) -> Rendered {
    let how = "\
# Put this at /etc/default/grub.d/zz-flyover.cfg, run `update-grub` (Debian, Ubuntu), and reboot.
# Where /etc/default/grub.d is not read (Fedora, RHEL), append it to /etc/default/grub and run
# `grub2-mkconfig -o /boot/grub2/grub.cfg`. To undo it, remove the file and run update-grub again.
";
    let (header, rest) = split_header(snippet(settled));
    let mut notes = notes(settled, "the kernel's command line");
    let special =
        settled.args.set.iter().filter(|arg| arg.raw().contains(['$', '\\', '\'', ';', '&', '|', '<', '>']));
    notes.extend(special.map(|arg| {
        format!("GRUB reads `{}` with a shell of its own; check /proc/cmdline after the reboot", arg.raw())
    }));
    Rendered::one("zz-flyover.cfg", format!("{header}\n{how}{rest}"), notes)
}

fn split_header(text: String) -> (String, String) {
    text.split_once('\n')
        .map(|(header, rest)| (header.to_owned(), rest.to_owned()))
        .unwrap_or((text, String::new()))
}
