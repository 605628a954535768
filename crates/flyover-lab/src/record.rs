//! What is remembered of a lab: its specification, in `/run/flyover/lab/NAME.json`.
//!
//! Invariant: the record is there before the first namespace and until the last is gone, so it is also the claim
//! on the name.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::name::LabName;
use crate::spec::LabSpec;

/// The directory of the records.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    dir: PathBuf,
}

impl Records {
    /// The records below a root.
    pub(crate) fn below(root: &Path) -> Self {
        Self { dir: root.join("run/flyover/lab") }
    }

    /// Writes the record of a lab that shall be; refuses if there is one.
    pub(crate) fn claim(&self, spec: &LabSpec) -> Result<(), LabError> {
        let path = self.path(&spec.name);
        fs::create_dir_all(&self.dir).map_err(failed("make the directory of", &path))?;
        let mut file = match fs::File::options().write(true).create_new(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LabError::Taken(spec.name.clone()));
            }
            other => other.map_err(failed("make", &path))?,
        };
        let mut json = serde_json::to_vec_pretty(spec).expect("a specification has nothing JSON cannot say");
        json.push(b'\n');
        file.write_all(&json).map_err(|error| {
            // Half a record would claim the name and tell nothing.
            _ = fs::remove_file(&path);
            failed("write", &path)(error)
        })
    }

    /// The specification of a lab, if there is a record of it that can be read.
    pub(crate) fn read(&self, name: &LabName) -> Result<Option<LabSpec>, LabError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(json) => {
                let spec = serde_json::from_slice(&json).map_err(io::Error::from);
                spec.map(Some).map_err(failed("read", &path))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &path)(e)),
        }
    }

    /// Whether there is a record, readable or not.
    pub(crate) fn has(&self, name: &LabName) -> bool {
        self.path(name).exists()
    }

    /// Forgets a lab. One that is not remembered is no error.
    pub(crate) fn forget(&self, name: &LabName) -> Result<(), LabError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("delete", &path)(e)),
            _ => Ok(()),
        }
    }

    /// The names of all labs that are remembered, sorted.
    pub(crate) fn names(&self) -> Result<Vec<LabName>, LabError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed("list", &self.dir)(e)),
        };
        let files = entries.map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()));
        let files = files.collect::<io::Result<Vec<_>>>().map_err(failed("list", &self.dir))?;
        let mut names: Vec<LabName> =
            files.iter().filter_map(|file| file.strip_suffix(".json")?.parse().ok()).collect();
        names.sort();
        Ok(names)
    }

    fn path(&self, name: &LabName) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
    let path = path.to_owned();
    move |source| LabError::Record { verb, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_claim_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::below(root.path());
        let spec = LabSpec::new("a".parse().unwrap());
        assert_eq!(records.names().unwrap(), []);
        records.claim(&spec).unwrap();
        assert!(matches!(records.claim(&spec), Err(LabError::Taken(name)) if name == spec.name));
        assert_eq!(records.read(&spec.name).unwrap(), Some(spec.clone()));
        assert_eq!(records.names().unwrap(), std::slice::from_ref(&spec.name));
        records.forget(&spec.name).unwrap();
        records.forget(&spec.name).unwrap();
        assert_eq!(records.read(&spec.name).unwrap(), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_still_claims_the_name() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::below(root.path());
        let spec = LabSpec::new("a".parse().unwrap());
        records.claim(&spec).unwrap();
        fs::write(records.path(&spec.name), "{").unwrap();
        assert!(matches!(records.read(&spec.name), Err(LabError::Record { verb: "read", .. })));
        assert!(records.has(&spec.name));
    }
}
