//! The directories, mounts and brokers of attachments.
//!
//! Invariants: all of an attachment lies in directories of its own, named by its short name, which let in root and the
//! attachment's group and nobody else, whomever the pod's volume would let in; what lies in the pod's volume
//! stays, but for the one socket we made there; making twice is making once, and removing what is not there is no error.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::broker::{self, Running};
use crate::error::{CniError, Code};
use crate::failpoint;
use crate::files::{Beneath, graft, remove_tree, ungraft, unlink_if};
use crate::names::AttachmentId;
use crate::state::{Broker, Sockets, Source, State, VIEW, back};

/// The mode of an attachment's directory, and of the directory of all of them.
const MODE: u32 = 0o750;

/// Anybody may pass through the directory of all attachments, and nobody may list it: whose group the first of them has
/// says nothing of the others.
const ROOT_MODE: u32 = 0o711;

/// Makes the directories of an attachment, and what is mounted on them.
pub fn make(state: &mut State) -> Result<(), CniError> {
    let id = state.id();
    let sockets = &mut state.sockets;
    let made = directories(sockets, id.as_str(), &back(&id));
    let path = sockets.front(&id);
    sockets.inode = Some(made.map_err(|e| failed("make", &path, &e))?);
    Ok(())
}

fn directories(sockets: &Sockets, cell: &str, back: &str) -> io::Result<crate::files::Inode> {
    let root = Beneath::make(&sockets.root, ROOT_MODE, 0)?;
    root.let_pass(ROOT_MODE)?;
    let (cell, view) = (root.make_below(OsStr::new(cell), MODE, sockets.group)?, OsStr::new(VIEW));
    if sockets.broker.is_some() {
        root.make_below(OsStr::new(back), MODE, sockets.group)?;
    }
    let Some(source) = &sockets.source else { return cell.inode() };
    if !cell.is_covered(view).is_ok_and(|covered| covered) {
        cell.make_below(view, MODE, 0)?;
    }
    graft(&open(source, sockets)?, &cell, view)?;
    cell.below(Path::new(view))?.inode()
}

/// That nobody but root may put other directories into the place of attachments'.
pub fn check_root(root: &Path) -> Result<(), CniError> {
    let meta = match root.metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        meta => meta.map_err(|e| failed("look at", root, &e))?,
    };
    let (mode, user) = (meta.mode() & 0o7777, meta.uid());
    if user == nix::unistd::geteuid().as_raw() && mode & 0o022 == 0 {
        return Ok(());
    }
    let msg = format!("socketRoot `{}` is not root's alone", root.display());
    Err(CniError::new(Code::Config, msg).details(format!(
        "it is user {user}'s with mode {mode:04o}; hint: `chown root` and `chmod 711` it, or name another in the node's configuration"
    )))
}

/// The directory of others that the attachment's is to be a view of.
fn open(source: &Source, sockets: &Sockets) -> io::Result<Beneath> {
    let group = sockets.group;
    match source {
        Source::Volume { kubelet, path } => {
            let volume = Beneath::open(kubelet)?.below(path)?;
            // A switch that comes into the volume needs the group. Where a broker makes the socket only the pod comes, and a
            // volume of another group would shut out one without privileges.
            if group != 0 && sockets.broker.is_none() {
                failpoint::before("give the pod's volume to the group");
                volume.give_to(group)?;
            }
            Ok(volume)
        }
        Source::Shared { prefix, base, name } => {
            shared(prefix.as_deref(), base)?.make_below(OsStr::new(name.as_str()), MODE, group)
        }
    }
}

/// A directory that a network names: below what the node allows, pods may write, so no link of theirs is followed.
fn shared(prefix: Option<&Path>, base: &Path) -> io::Result<Beneath> {
    let below = prefix.and_then(|prefix| Some((prefix, base.strip_prefix(prefix).ok()?)));
    match below {
        Some((prefix, below)) if !below.as_os_str().is_empty() => Beneath::open(prefix)?.below(below),
        _ => Beneath::open(base),
    }
}

/// Starts the broker of an attachment that has none.
pub fn serve(state: &mut State) -> Result<(), CniError> {
    let id = state.id();
    let (Some(broker), Some(file)) = (&state.sockets.broker, &state.sockets.file) else { return Ok(()) };
    let (front, back) =
        (state.sockets.front(&id).join(file.as_str()), state.sockets.back(&id).join(file.as_str()));
    if running(state).is_some_and(broker::runs) {
        return Ok(());
    }
    // One that was started and never written down holds the sockets.
    broker::end(&state.sockets.cell(&id), None)?;
    let program = broker.program.clone();
    let running = broker::start(&program, &front, &back)?;
    let directory = Beneath::open(&state.sockets.front(&id));
    let socket = directory.and_then(|directory| directory.inode_below(OsStr::new(file.as_str())));
    let socket = socket.map_err(|e| failed("find", &front, &e))?;
    state.sockets.broker =
        Some(Broker { program, pid: Some(running.pid), started: Some(running.started), socket });
    Ok(())
}

/// What differs from what was made, each in a sentence.
#[must_use]
pub fn differences(state: &State) -> Vec<String> {
    let id = state.id();
    let (sockets, path) = (&state.sockets, state.sockets.front(&id));
    let seen = Beneath::open(&sockets.root).and_then(|root| {
        let cell = root.below(Path::new(id.as_str()))?;
        if sockets.source.is_none() {
            return Ok((cell.inode()?, root.is_covered(OsStr::new(id.as_str()))?));
        }
        Ok((cell.below(Path::new(VIEW))?.inode()?, cell.is_covered(OsStr::new(VIEW))?))
    });
    let mut found = Vec::new();
    match seen {
        Err(e) => found.push(format!("directory `{}` cannot be opened: {e}", path.display())),
        Ok((inode, covered)) => {
            if sockets.inode.is_some_and(|made| made != inode) {
                found.push(format!("directory `{}` is another one than ADD left", path.display()));
            }
            if covered != sockets.source.is_some() {
                let what = if covered { "something is" } else { "the pod's volume is not" };
                found.push(format!("{what} mounted on `{}`", path.display()));
            }
        }
    }
    if sockets.broker.is_some() && !running(state).is_some_and(broker::runs) {
        found.push(format!("the broker of `{}` does not run", path.display()));
    }
    found
}

/// Removes all of it, and tells what could not be.
pub fn remove(state: &State) -> Vec<CniError> {
    let mut errors = Vec::new();
    errors.extend(end(state).err());
    errors.extend(clear(&state.sockets.root, &state.id()));
    if let Some(Source::Shared { prefix, base, name }) = &state.sockets.source {
        let removed = leave(prefix.as_deref(), base, OsStr::new(name.as_str()));
        errors.extend(removed.err().map(|e| failed("remove", &base.join(name.as_str()), &e)));
    }
    errors
}

/// Removes the directories of an attachment of which nothing but its short name may be known.
pub fn clear(root: &Path, id: &AttachmentId) -> Vec<CniError> {
    let opened = match Beneath::open(root) {
        Ok(opened) => opened,
        Err(e) if e.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(e) => return vec![failed("open", root, &e)],
    };
    let removed = directories_of(id).map(|name| {
        let name = OsStr::new(&name);
        let removed = bare(&opened, name).and_then(|()| remove_tree(&opened, name));
        removed.err().map(|e| failed("remove", &root.join(name), &e))
    });
    removed.into_iter().flatten().collect()
}

/// Takes away what is mounted on a directory, and on the view in it.
fn bare(root: &Beneath, name: &OsStr) -> io::Result<()> {
    ungraft(root, name)?;
    match root.below(Path::new(name)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        cell => ungraft(&cell?, OsStr::new(VIEW)),
    }
}

/// The attachments that have directories.
pub fn list(root: &Path) -> Vec<AttachmentId> {
    let names = Beneath::open(root).and_then(|root| root.names()).unwrap_or_default();
    let id = |name: &std::ffi::OsString| {
        let name = name.to_str()?;
        name.strip_suffix(".back").unwrap_or(name).parse().ok()
    };
    names.iter().filter_map(id).collect()
}

/// The names of the directories that an attachment may have.
fn directories_of(id: &AttachmentId) -> [String; 2] {
    [id.to_string(), back(id)]
}

/// Ends the broker, and removes the socket it made in the pod's volume.
fn end(state: &State) -> Result<(), CniError> {
    let id = state.id();
    let Some(broker) = &state.sockets.broker else { return Ok(()) };
    broker::end(&state.sockets.cell(&id), running(state))?;
    let (Some(socket), Some(file)) = (broker.socket, &state.sockets.file) else { return Ok(()) };
    let front = state.sockets.front(&id);
    let below = front.strip_prefix(&state.sockets.root).unwrap_or(&front);
    let removed = Beneath::open(&state.sockets.root)
        .and_then(|root| root.below(below))
        .and_then(|directory| unlink_if(&directory, OsStr::new(file.as_str()), socket));
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(failed("remove", &state.sockets.front(&id).join(file.as_str()), &e))
        }
        _ => Ok(()),
    }
}

/// A directory that all attachments of a container share goes with the last of them.
fn leave(prefix: Option<&Path>, base: &Path, name: &OsStr) -> io::Result<()> {
    let base = match shared(prefix, base) {
        // Where a pod has put something else there is nothing of ours.
        Err(e) if is_another(&e) => return Ok(()),
        base => base?,
    };
    failpoint::before("remove the container's directory");
    match unlinkat(&base, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTEMPTY) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn is_another(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

/// The process that was written down: of another start of the machine, its number may be anybody's.
fn running(state: &State) -> Option<Running> {
    let broker = state.sockets.broker.as_ref().filter(|_| !state.is_of_another_boot())?;
    Some(Running { pid: broker.pid?, started: broker.started? })
}

fn failed(verb: &str, path: &Path, cause: &io::Error) -> CniError {
    CniError::new(Code::Socket, format!("failed to {verb} `{}`", path.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lot;
    use crate::names::Attachment;
    use crate::node::Node;

    #[test]
    fn a_process_of_before_the_machine_was_started_again_is_another() {
        let attachment = Attachment {
            network: "net".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
        };
        let mut state = lot::bare(&Node::default(), attachment);
        state.sockets.broker = Some(Broker { pid: Some(1), started: Some(2), ..Broker::default() });
        assert_eq!(running(&state), Some(Running { pid: 1, started: 2 }));
        state.boot = Some("another".to_owned());
        assert_eq!(running(&state), None);
    }
}
