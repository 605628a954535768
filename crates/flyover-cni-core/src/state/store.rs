//! The directory of all that is known.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Lock, SCHEMA, State};
use crate::error::{CniError, Code};
use crate::failpoint;
use crate::names::AttachmentId;

/// The directory.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// What a file of it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// An attachment.
    State(Box<State>),
    /// Nothing that can be read.
    Unreadable(CniError),
}

impl Store {
    /// Opens it; it is made if it is not there.
    pub fn open(path: &Path) -> Result<Self, CniError> {
        if !path.is_dir() {
            failpoint::before("make the directory of states");
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|e| failed("make", path, &e))?;
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Waits until nobody else works on an attachment.
    pub fn lock(&self, id: &AttachmentId) -> Result<Lock, CniError> {
        Lock::wait(&self.path, id)
    }

    /// What is known of an attachment.
    pub fn load(&self, id: &AttachmentId) -> Result<Option<State>, CniError> {
        let path = self.file(id);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed("read", &path, &e)),
        };
        if text.is_empty() {
            // The power was cut before anything was made.
            return Ok(None);
        }
        let wrong = |what: String| CniError::new(Code::Io, format!("`{}` {what}", path.display()));
        let state: State =
            serde_json::from_slice(&text).map_err(|e| wrong("holds no state".to_owned()).because(&e))?;
        if state.schema != SCHEMA {
            return Err(wrong(format!("is of form {}, and we know {SCHEMA}", state.schema)));
        }
        if state.id() != *id {
            return Err(wrong(format!("holds the state of {}", state.id())));
        }
        Ok(Some(state))
    }

    /// Writes what will be made. It is on the disk before this returns.
    ///
    /// It is put in place before it is synced: the commit of the file system that holds the file then holds its name too,
    /// and one wait does for both. A power cut in between leaves at most an empty file, and nothing was made yet.
    pub fn begin(&self, state: &State) -> Result<(), CniError> {
        let written = self.replace(state)?;
        written.sync_all().map_err(|e| failed("sync", &self.file(&state.id()), &e))
    }

    /// Writes what is known by now. It outlives this process; after a power cut what was known before may be there
    /// again, which says less and nothing wrong.
    pub fn save(&self, state: &State) -> Result<(), CniError> {
        self.replace(state).map(drop)
    }

    fn replace(&self, state: &State) -> Result<File, CniError> {
        let id = state.id();
        let (path, new) = (self.file(&id), self.path.join(format!(".{id}.new")));
        let text = serde_json::to_vec(state).expect("a state has string keys only");
        failpoint::before("write a state");
        let file = write(&new, &text).map_err(|e| failed("write", &new, &e))?;
        failpoint::before("put a state in place");
        fs::rename(&new, &path).map_err(|e| failed("replace", &path, &e))?;
        Ok(file)
    }

    /// Forgets an attachment.
    pub fn remove(&self, id: &AttachmentId) -> Result<(), CniError> {
        for path in [self.path.join(format!(".{id}.new")), self.file(id)] {
            if path.symlink_metadata().is_err() {
                continue;
            }
            failpoint::before("remove a state");
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed("remove", &path, &e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// All attachments there are files of, also half-written ones.
    pub fn list(&self) -> Result<Vec<AttachmentId>, CniError> {
        let entries = fs::read_dir(&self.path).map_err(|e| failed("list", &self.path, &e))?;
        let mut ids: Vec<AttachmentId> =
            entries.flatten().filter_map(|entry| id_of(entry.file_name().to_str()?)).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// What is known of all attachments.
    pub fn all(&self) -> Result<Vec<(AttachmentId, Option<Found>)>, CniError> {
        let read = |id: AttachmentId| {
            let found = match self.load(&id) {
                Ok(state) => state.map(|state| Found::State(Box::new(state))),
                Err(error) => Some(Found::Unreadable(error)),
            };
            (id, found)
        };
        Ok(self.list()?.into_iter().map(read).collect())
    }

    fn file(&self, id: &AttachmentId) -> PathBuf {
        self.path.join(format!("{id}.json"))
    }
}

fn id_of(name: &str) -> Option<AttachmentId> {
    let id = name.strip_suffix(".json").or_else(|| name.strip_prefix('.')?.strip_suffix(".new"))?;
    id.parse().ok()
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

fn failed(verb: &str, path: &Path, cause: &io::Error) -> CniError {
    CniError::new(Code::Io, format!("failed to {verb} `{}`", path.display())).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lot;
    use crate::names::Attachment;
    use crate::node::Node;

    #[test]
    fn what_is_written_is_found_until_it_is_removed_and_an_empty_file_is_nobody() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&root.path().join("a/b")).unwrap();
        let attachment = Attachment {
            network: "net".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
        };
        let state = lot::bare(&Node::default(), attachment);
        store.begin(&state).unwrap();
        assert_eq!(store.load(&state.id()), Ok(Some(state.clone())));
        fs::write(store.file(&state.id()), "").unwrap();
        assert_eq!(store.all(), Ok(vec![(state.id(), None)]));
        fs::write(store.file(&state.id()), "{").unwrap();
        assert!(matches!(store.all().unwrap().as_slice(), [(_, Some(Found::Unreadable(_)))]));
        store.remove(&state.id()).unwrap();
        assert_eq!(store.list(), Ok(Vec::new()));
    }
}
