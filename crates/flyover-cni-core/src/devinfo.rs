//! The device-info file: what the runtime tells the pod of its device.
//!
//! Invariants: it is written only below the directory that the node names, through no link, and never over another's;
//! only one that names our socket is removed. Its `client` and `server` are the application's role, not the switch's.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::{OFlag, ResolveFlag, openat};
use nix::sys::stat::Mode as FileMode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde_json::{Value, json};

use crate::error::{CniError, Code};
use crate::failpoint;
use crate::files::Beneath;
use crate::netconf::Mode;
use crate::state::State;

/// What the file says.
#[must_use]
pub fn content(mode: Mode, socket: &Path) -> Value {
    let role = match mode {
        Mode::Client => "server",
        Mode::Server => "client",
    };
    json!({"type": "vhost-user", "version": "1.1.0", "vhost-user": {"mode": role, "path": socket}})
}

/// Writes it, unless somebody else has.
pub fn write(directory: &Path, state: &State) -> Result<(), CniError> {
    let (Some(path), Some(port)) = (&state.device_info, &state.port) else { return Ok(()) };
    let Some(file) = &state.sockets.file else { return Ok(()) };
    let socket = state.sockets.front(&state.id()).join(file.as_str());
    let text = content(port.wish.mode, &socket).to_string();
    create(directory, path, &text).map_err(|e| failed("write", directory, path, &e))
}

/// Removes it, if it is ours.
pub fn remove(directory: &Path, state: &State) -> Result<(), CniError> {
    let Some(path) = &state.device_info else { return Ok(()) };
    let socket = state.sockets.front(&state.id());
    delete(directory, path, &socket).map_err(|e| failed("remove", directory, path, &e))
}

fn create(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let (parent, name) = parent(directory, path, true)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    failpoint::before("write a device-info file");
    let fd = match openat(parent.as_fd(), name, flags, FileMode::from_bits_truncate(0o644)) {
        Err(nix::errno::Errno::EEXIST) => return Ok(()),
        opened => opened?,
    };
    std::fs::File::from(fd).write_all(text.as_bytes())
}

fn delete(directory: &Path, path: &Path, socket: &Path) -> io::Result<()> {
    let (parent, name) = match parent(directory, path, false) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        parent => parent?,
    };
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match parent.resolve(Path::new(name), flags, ResolveFlag::empty()) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        file => std::fs::File::from(file?),
    };
    let mut text = String::new();
    let ours = file.metadata()?.is_file()
        && file.take(1 << 16).read_to_string(&mut text).is_ok()
        && (text.is_empty() || says(&text, socket));
    if ours {
        failpoint::before("remove a device-info file");
        unlinkat(&parent, name, UnlinkatFlags::NoRemoveDir)?;
    }
    Ok(())
}

/// Whether a file names a socket in this directory.
fn says(text: &str, socket: &Path) -> bool {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let path = json.as_ref().and_then(|json| json.pointer("/vhost-user/path")?.as_str());
    path.is_some_and(|path| Path::new(path).starts_with(socket))
}

fn parent<'a>(directory: &Path, path: &'a Path, make: bool) -> io::Result<(Beneath, &'a OsStr)> {
    let mut parent = if make { Beneath::make(directory, 0o755, 0)? } else { Beneath::open(directory)? };
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        let part = part.as_os_str();
        parent = if make { parent.make_below(part, 0o755, 0)? } else { parent.below(Path::new(part))? };
    }
    Ok((parent, name))
}

fn failed(verb: &str, directory: &Path, path: &Path, cause: &io::Error) -> CniError {
    let path = directory.join(path);
    CniError::new(Code::Io, format!("failed to {verb} `{}`", path.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_is_the_applications() {
        let expected =
            json!({"type": "vhost-user", "version": "1.1.0", "vhost-user": {"mode": "server", "path": "/s"}});
        assert_eq!(content(Mode::Client, Path::new("/s")), expected);
        assert_eq!(content(Mode::Server, Path::new("/s"))["vhost-user"]["mode"], "client");
    }

    #[test]
    fn a_file_of_anothers_is_neither_written_over_nor_removed() {
        let root = tempfile::tempdir().unwrap();
        let path = Path::new("a.json");
        std::fs::write(root.path().join(path), r#"{"vhost-user": {"path": "/other/s"}}"#).unwrap();
        create(root.path(), path, "ours").unwrap();
        delete(root.path(), path, Path::new("/run/0")).unwrap();
        let text = std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(text, r#"{"vhost-user": {"path": "/other/s"}}"#);
        delete(root.path(), path, Path::new("/other")).unwrap();
        assert!(!root.path().join(path).exists());
    }
}
