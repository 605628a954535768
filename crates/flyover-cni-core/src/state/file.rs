//! One file of a state.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::error::Category;

use super::{Found, SCHEMA, State};
use crate::error::{CniError, Code};
use crate::failpoint;
use crate::names::AttachmentId;

/// How much is written down is to outlast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlasts {
    /// This process.
    UsOnly,
    /// The machine. Nothing of it was made yet.
    ///
    /// The file is put in place before it is synced: the commit of the file system that holds the file then holds its
    /// name too, and one wait does for both. A power cut in between leaves at most an empty file of nothing.
    TheMachineFirst,
    /// The machine. Something may be there, so the state that tells of it goes only when the next is on the disk.
    TheMachine,
}

/// The name of a state.
pub(super) fn name(id: &AttachmentId) -> String {
    format!("{id}.json")
}

/// The name of one that is being written.
pub(super) fn half(id: &AttachmentId) -> String {
    format!(".{id}.new")
}

/// Whose a file is.
pub(super) fn id_of(name: &str) -> Option<AttachmentId> {
    let id = name.strip_suffix(".json").or_else(|| name.strip_prefix('.')?.strip_suffix(".new"))?;
    id.parse().ok()
}

/// What a file holds; none is that it is not there.
pub(super) fn look(path: &Path, id: &AttachmentId) -> Option<Found> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(e) => return Some(Found::Unreadable(failed("read", path, &e))),
    };
    let wrong = |what: String| CniError::new(Code::Io, format!("`{}` {what}", path.display()));
    Some(match serde_json::from_slice::<State>(&text) {
        Err(e) if e.classify() == Category::Eof => Found::Cut,
        Err(e) => Found::Unreadable(wrong("holds no state".to_owned()).because(&e)),
        Ok(state) if state.schema != SCHEMA => {
            Found::Unreadable(wrong(format!("is of form {}, and we know {SCHEMA}", state.schema)))
        }
        Ok(state) if state.id() != *id => {
            Found::Unreadable(wrong(format!("holds the state of {}", state.id())))
        }
        Ok(state) => Found::State(Box::new(state)),
    })
}

/// Puts a state into a directory.
pub(super) fn replace(place: &Path, state: &State, outlasts: Outlasts) -> Result<(), CniError> {
    let id = state.id();
    let (path, new) = (place.join(name(&id)), place.join(half(&id)));
    let text = serde_json::to_vec(state).expect("a state has string keys only");
    failpoint::before("write a state");
    let file = write(&new, &text).map_err(|e| failed("write", &new, &e))?;
    let sync = || file.sync_all().map_err(|e| failed("sync", &path, &e));
    if outlasts == Outlasts::TheMachine {
        sync()?;
    }
    failpoint::before("put a state in place");
    fs::rename(&new, &path).map_err(|e| failed("replace", &path, &e))?;
    if outlasts == Outlasts::TheMachineFirst { sync() } else { Ok(()) }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), CniError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    failpoint::before("remove a state");
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", path, &e)),
        _ => Ok(()),
    }
}

/// Makes a directory of states, if it is not there. Others have directories beside it, so only its own mode is strict.
pub(super) fn make(path: &Path) -> Result<(), CniError> {
    if path.is_dir() {
        return Ok(());
    }
    failpoint::before("make the directory of states");
    let parents = DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap_or(path));
    match parents.and_then(|()| DirBuilder::new().mode(0o700).create(path)) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(failed("make", path, &e)),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    file.write_all(text)?;
    Ok(file)
}

pub(super) fn failed(verb: &str, path: &Path, cause: &io::Error) -> CniError {
    CniError::new(Code::Io, format!("failed to {verb} `{}`", path.display())).because(cause)
}
