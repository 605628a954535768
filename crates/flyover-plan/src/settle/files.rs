//! Files asked for by name.

use flyover_core::{FileMode, HostPath, Refusal};

use super::Draft;
use crate::OwnFile;
use crate::wish::own_files;

/// Below these there are no files to own.
const NOT_FILES: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Files that hold the command line.
const BOOT: [&str; 4] = ["/etc/default/grub", "/etc/default/grub.d", "/etc/kernel/cmdline", "/boot"];

pub(super) fn settle(draft: &mut Draft<'_>) {
    let ours = own_files(&draft.settled, draft.facts);
    let files = &draft.spec.files;
    for (i, file) in files.iter().enumerate() {
        let field = format!("files[{i}].path");
        if let Some(other) = files[..i].iter().position(|other| other.path == file.path) {
            let what = format!("{} is written at files[{other}] too", file.path);
            draft.refuse(Refusal::invalid(field, what).hint("keep one of them"));
        } else if let Some(refusal) = refusal(&field, &file.path) {
            draft.refuse(refusal);
        } else if let Some(own) = ours.get(&file.path) {
            let what = format!("{} is written for {} of this profile", file.path, own.why);
            draft.refuse(Refusal::invalid(field, what).hint("leave it out, or choose another name"));
        } else {
            let mode = file.mode.unwrap_or_else(usual_mode);
            let own = OwnFile { content: file.content.clone(), mode, why: format!("files[{i}]") };
            draft.settled.files.insert(file.path.clone(), own);
        }
    }
}

/// Permissions of a file that does not say.
pub(crate) fn usual_mode() -> FileMode {
    FileMode::new(0o644).expect("permissions alone")
}

/// A path stands in units, plans and commands, where a control character would end the line.
pub(super) fn in_one_line(field: &str, path: &HostPath) -> Option<Refusal> {
    path.as_str().chars().any(char::is_control).then(|| {
        Refusal::invalid(field, format!("{:?} has a control character", path.as_str()))
            .hint("choose a name without")
    })
}

fn refusal(field: &str, path: &HostPath) -> Option<Refusal> {
    let below = |tops: &[&'static str]| {
        tops.iter()
            .find(|top| path.as_str() == **top || path.as_str().starts_with(&format!("{top}/")))
            .copied()
    };
    if let Some(top) = below(&NOT_FILES) {
        let hint = match top {
            "/proc" => "say it in `sysctls`",
            "/run" => "choose a place that outlives a reboot",
            _ => "leave it out",
        };
        return Some(
            Refusal::invalid(field, format!("{path} is below {top}, which is made anew at boot")).hint(hint),
        );
    }
    if below(&BOOT).is_some() {
        let what = format!("{path} belongs to the boot loader");
        return Some(Refusal::invalid(field, what).hint("say arguments in `kernelArgs`"));
    }
    if let Some(refusal) = in_one_line(field, path) {
        return Some(refusal);
    }
    (path.parent().is_none()).then(|| Refusal::invalid(field, "the root directory is not a file"))
}
