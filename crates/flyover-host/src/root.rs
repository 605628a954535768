//! The host below a root directory, and everything that reaches past its files.
//!
//! Reading and replacing plain files goes by the file system below the root, so facts can be read from a captured
//! tree. What only a kernel or a service manager can do (attributes of sysfs, commands, mounts) goes through
//! [`Outside`], which tests replace by a model.
//!
//! Invariant: a plain file is replaced whole or not at all, and is on the disk before the call returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flyover_core::{Bytes, FileMode, FileState, HostPath};
use flyover_ovs::OvsError;

use crate::cmd::CmdError;

/// What is not plain files: the kernel's attributes, commands and mounts.
pub trait Outside: Send + Sync {
    /// Writes to an attribute that the kernel made. It must be there already.
    fn write_attribute(&self, root: &Path, path: &HostPath, value: &str) -> io::Result<()>;

    /// Runs a command to its end and gives its standard output.
    fn run(&self, root: &Path, program: &str, args: &[&str], limit: Duration) -> Result<String, CmdError>;

    /// Called before each change of any kind. A model of a crash ends the thread here, one of a failure fails.
    fn before_change(&self, what: &str) -> io::Result<()> {
        let _ = what;
        Ok(())
    }

    /// The addresses of a name that the host's own `/etc/hosts` does not tell.
    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let _ = name;
        Vec::new()
    }

    /// Called after each reading of what is there; a recorder remembers it.
    fn seen(&self, root: &Path, path: &HostPath, sight: Sight<'_>) {
        let _ = (root, path, sight);
    }
}

/// What was seen at a path.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// That there is something.
    Presence,
    /// What a file holds, or its beginning.
    Text(&'a [u8]),
    /// What a directory holds, of what was wanted.
    Names(&'a [String]),
    /// What a symbolic link names.
    Link(&'a Path),
}

/// A host below a root directory.
#[derive(Clone)]
pub struct HostRoot {
    root: PathBuf,
    outside: Arc<dyn Outside>,
}

/// What failed on a host, and where.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file could not be read, listed or changed.
    #[error("failed to {verb} `{path}`")]
    File {
        /// What was tried: `read`, `replace`, …
        verb: &'static str,
        /// Which.
        path: HostPath,
        /// What the system said.
        source: io::Error,
    },
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CmdError),
    /// What was read has not the form it should have.
    #[error("`{path}` holds `{text}`, which is not {expected}")]
    Malformed {
        /// Which file, or command.
        path: String,
        /// What it holds.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A switch did not take a question or a change.
    #[error("failed to {what}")]
    Switch {
        /// What was tried: `set dpdk-init`.
        what: String,
        /// What it said.
        source: Box<OvsError>,
    },
    /// A daemon of a switch does not run as it should.
    #[error("{0}")]
    Daemon(String),
    /// The state found cannot be brought back by an undo, so nothing was done.
    #[error("{0}")]
    Unsupported(String),
}

impl HostRoot {
    /// A host below a root, with what is to be reached past its files.
    pub fn new(root: impl Into<PathBuf>, outside: Arc<dyn Outside>) -> Self {
        Self { root: root.into(), outside }
    }

    /// Where a path of the host is for this process.
    #[must_use]
    pub fn path(&self, path: &HostPath) -> PathBuf {
        self.root.join(path.as_str().trim_start_matches('/'))
    }

    /// The directory everything is below.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is reached past the files.
    #[must_use]
    pub fn outside(&self) -> &Arc<dyn Outside> {
        &self.outside
    }

    /// Whether there is something at the path, followed to its end.
    #[must_use]
    pub fn exists(&self, path: &HostPath) -> bool {
        let there = self.path(path).exists();
        if there {
            self.outside.seen(&self.root, path, Sight::Presence);
        }
        there
    }

    /// The text of a file, without the blanks at its ends; none where there is no such file, or it cannot be read.
    /// The kernel refuses to read some attributes (`speed` of a link that is down), which is an answer too.
    #[must_use]
    pub fn text(&self, path: &HostPath) -> Option<String> {
        self.beginning(path, u64::MAX)
    }

    /// As [`HostRoot::text`], of the first bytes only: the kernel writes its tables as they are read, and
    /// `/proc/cpuinfo` of a large host takes long.
    #[must_use]
    pub fn beginning(&self, path: &HostPath, limit: u64) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        self.outside.seen(&self.root, path, Sight::Text(&bytes));
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Names in a directory, sorted; none where there is no such directory.
    #[must_use]
    pub fn names(&self, path: &HostPath) -> Vec<String> {
        self.names_like(path, &|_| true)
    }

    /// As [`HostRoot::names`], of those that are wanted.
    #[must_use]
    pub fn names_like(&self, path: &HostPath, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.retain(|name| wanted(name));
        names.sort_unstable();
        self.outside.seen(&self.root, path, Sight::Names(&names));
        names
    }

    /// What a symbolic link names, as it stands there.
    #[must_use]
    pub fn link(&self, path: &HostPath) -> Option<PathBuf> {
        let target = fs::read_link(self.path(path)).ok()?;
        self.outside.seen(&self.root, path, Sight::Link(&target));
        Some(target)
    }

    /// The last part of what a symbolic link names: the kernel says by it which driver, group or module.
    #[must_use]
    pub fn link_name(&self, path: &HostPath) -> Option<String> {
        self.link(path)?.file_name()?.to_str().map(str::to_owned)
    }

    /// A plain file, whole; none where there is none.
    pub fn file(&self, path: &HostPath) -> Result<Option<FileState>, HostError> {
        let real = self.path(path);
        let meta = match fs::symlink_metadata(&real) {
            Ok(meta) => meta,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(source) => return Err(failed("read", path)(source)),
        };
        if !meta.is_file() {
            return Err(HostError::Unsupported(format!(
                "`{path}` is not a plain file, so it is not replaced"
            )));
        }
        let content = Bytes(fs::read(&real).map_err(failed("read", path))?);
        Ok(Some(FileState { content, mode: FileMode::of(meta.mode()), uid: meta.uid(), gid: meta.gid() }))
    }

    /// Puts a plain file at the path, in place of what is there. Its directory must be there.
    pub fn replace_file(&self, path: &HostPath, state: &FileState) -> Result<(), HostError> {
        let real = self.path(path);
        let new = unfinished(&real);
        let replace = || {
            self.outside.before_change(&format!("replace {path}"))?;
            write_new(&new, state)?;
            self.outside.before_change(&format!("rename to {path}"))?;
            fs::rename(&new, &real)?;
            sync_directory_of(&real)
        };
        replace().map_err(|source| {
            // The first error is the one to tell of.
            let _ = fs::remove_file(&new);
            failed("replace", path)(source)
        })
    }

    /// Removes what a crash left of [`replace_file`](Self::replace_file) beside the path.
    pub fn clear_unfinished(&self, path: &HostPath) {
        // Where it cannot be removed, replacing the file fails and says why.
        let _ = fs::remove_file(unfinished(&self.path(path)));
    }

    /// Removes a plain file; one that is not there is removed already.
    pub fn remove_file(&self, path: &HostPath) -> Result<(), HostError> {
        self.clear_unfinished(path);
        let real = self.path(path);
        let remove = || {
            self.outside.before_change(&format!("remove {path}"))?;
            fs::remove_file(&real)?;
            sync_directory_of(&real)
        };
        match remove() {
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(failed("remove", path)(e))
            }
            _ => Ok(()),
        }
    }

    /// Makes a symbolic link where nothing is. Its directory must be there.
    pub fn make_link(&self, path: &HostPath, target: &str) -> Result<(), HostError> {
        let make = || {
            self.outside.before_change(&format!("link {path} to {target}"))?;
            std::os::unix::fs::symlink(target, self.path(path))?;
            sync_directory_of(&self.path(path))
        };
        make().map_err(failed("make", path))
    }

    /// Makes a directory and all above it.
    pub fn make_directory(&self, path: &HostPath) -> Result<(), HostError> {
        let real = self.path(path);
        if real.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_directory(&parent)?;
        }
        let make = || {
            self.outside.before_change(&format!("make {path}"))?;
            fs::create_dir(&real)?;
            sync_directory_of(&real)
        };
        make().map_err(failed("make", path))
    }

    /// Removes a directory if it is empty; one that is not is somebody's.
    pub fn remove_empty_directory(&self, path: &HostPath) -> Result<(), HostError> {
        let remove = || {
            self.outside.before_change(&format!("remove {path}"))?;
            fs::remove_dir(self.path(path))
        };
        match remove() {
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                Err(failed("remove", path)(e))
            }
            _ => Ok(()),
        }
    }

    /// Writes to an attribute of the kernel.
    pub fn write_attribute(&self, path: &HostPath, value: &str) -> Result<(), HostError> {
        self.outside.before_change(&format!("write {value} to {path}")).map_err(failed("write to", path))?;
        tracing::info!(path = %path, value, "attribute written");
        self.outside.write_attribute(&self.root, path, value).map_err(failed("write to", path))
    }

    /// Runs a command that changes something.
    pub fn run(&self, program: &str, args: &[&str], limit: Duration) -> Result<String, HostError> {
        let command = format!("{program} {}", args.join(" "));
        if let Err(source) = self.outside.before_change(&format!("run {command}")) {
            return Err(CmdError::Start { command, source }.into());
        }
        self.ask(program, args, limit)
    }

    /// Runs a command that only tells.
    pub fn ask(&self, program: &str, args: &[&str], limit: Duration) -> Result<String, HostError> {
        Ok(self.outside.run(&self.root, program, args, limit)?)
    }
}

fn failed(verb: &'static str, path: &HostPath) -> impl FnOnce(io::Error) -> HostError {
    let path = path.clone();
    move |source| HostError::File { verb, path, source }
}

fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.flyover-new"))
}

fn write_new(new: &Path, state: &FileState) -> io::Result<()> {
    // What an earlier crash left of the same name is ours.
    let _ = fs::remove_file(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(&state.content.0)?;
    let meta = file.metadata()?;
    if (meta.uid(), meta.gid()) != (state.uid, state.gid) {
        std::os::unix::fs::fchown(&file, Some(state.uid), Some(state.gid))?;
    }
    file.set_permissions(fs::Permissions::from_mode(state.mode.bits()))?;
    file.sync_all()
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
