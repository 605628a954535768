//! Whether a switch can be where it is said to be.

use flyover_core::{HostPath, Refusal};

use super::at::{is_usual, unit};
use super::settle::Draft;

/// What `sun_path` holds beside its end.
const LONGEST_SOCKET: usize = 107;

pub(super) fn check(draft: &mut Draft<'_>) {
    let runtime = draft.spec.runtime.clone();
    for (field, path, below) in [
        ("runtime.directory", &runtime.directory, "/ovs-vswitchd.4194304.ctl"),
        ("runtime.database", &runtime.database, ""),
    ] {
        check_length(draft, field, path.as_ref(), below);
    }
    let Some(processes) = &runtime.processes else { return };
    if runtime.service.is_some() {
        let what = "a unit keeps the daemons, or Flyover does";
        draft.refuse(Refusal::invalid("runtime", what).hint("leave out `service` or `processes`"));
    }
    let usual = runtime.directory.as_ref().is_none_or(is_usual);
    if let Some(unit) = unit(draft.host).filter(|_| usual) {
        let what = format!("the directory is that of the system's own switch, which {unit} keeps");
        let hint = "name another one for daemons that Flyover starts, or leave out `processes`";
        draft.refuse(Refusal::impossible("runtime.directory", what).hint(hint));
    }
    let clean = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let plain = |name: &String| clean(name) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if let Some(netns) = processes.netns.as_ref().filter(|name| !plain(name)) {
        let what = format!("{netns:?} is no name of a network namespace");
        draft.refuse(
            Refusal::invalid("runtime.processes.netns", what).hint("letters, digits, `.`, `_` and `-`"),
        );
    }
}

fn check_length(draft: &mut Draft<'_>, field: &str, path: Option<&HostPath>, below: &str) {
    let length = path.map_or(0, |path| path.as_str().len() + below.len());
    if length > LONGEST_SOCKET {
        let what = format!("sockets there have paths of {length} bytes, and {LONGEST_SOCKET} are the most");
        draft.refuse(Refusal::invalid(field, what).hint("a shorter directory"));
    }
}
