//! Hosts whose image others change, and hosts whose boot loader nobody here knows.

use flyover_core::facts::ManagedOs;
use flyover_core::{KernelArg, Refusal};

use super::Draft;
use crate::plan::missing;
use crate::wish::own_files;

pub(super) fn settle(draft: &mut Draft<'_>) {
    check_args(draft);
    check_files(draft);
}

/// What this system wants instead of edits on the host.
fn emitter(os: ManagedOs) -> (&'static str, &'static str) {
    match os {
        ManagedOs::Rhcos => ("Red Hat CoreOS", "machineconfig"),
        ManagedOs::Ostree => ("an image of ostree's", "ignition"),
        ManagedOs::Talos => ("Talos", "talos"),
        ManagedOs::Bottlerocket => ("Bottlerocket", "bottlerocket"),
        ManagedOs::Flatcar => ("Flatcar", "flatcar"),
    }
}

fn hint(os: ManagedOs) -> String {
    format!("flyover node emit --for {}", emitter(os).1)
}

fn check_args(draft: &mut Draft<'_>) {
    let facts = draft.facts;
    let args = &draft.settled.args;
    if missing(args, facts).is_none() {
        return;
    }
    let lacking: Vec<&str> =
        args.set.iter().filter(|arg| !facts.boot.args.satisfies(arg)).map(KernelArg::raw).collect();
    let what = if lacking.is_empty() { "other kernel arguments".to_owned() } else { lacking.join(" ") };
    if let Some(os) = facts.os.managed {
        let what = format!(
            "{what} cannot be set on the host: it runs {}, which is changed by declaration",
            emitter(os).0
        );
        draft.refuse(Refusal::impossible("kernelArgs", what).hint(hint(os)));
    } else if facts.boot.loader.is_none() {
        let what = format!("{what} cannot be set: no boot loader was recognised");
        draft.refuse(
            Refusal::impossible("kernelArgs", what)
                .hint("set them where this host is booted from: flyover node emit --for grub"),
        );
    }
}

/// Talos and Bottlerocket keep no files of others; ostree keeps those below /etc and /var.
fn check_files(draft: &mut Draft<'_>) {
    let Some(os) = draft.facts.os.managed else { return };
    let mut files = own_files(&draft.settled, draft.facts);
    files.append(&mut draft.settled.files.clone());
    let kept = |path: &str| match os {
        ManagedOs::Talos | ManagedOs::Bottlerocket => false,
        ManagedOs::Rhcos | ManagedOs::Ostree | ManagedOs::Flatcar => !path.starts_with("/usr/"),
    };
    for (path, file) in files.iter().filter(|(path, _)| !kept(path.as_str())) {
        let what = format!("{path} cannot be written on {}", emitter(os).0);
        draft.refuse(Refusal::impossible(&file.why, what).hint(hint(os)));
    }
}
