//! Blobs of a layout: files that are named by what they hold.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::BundleError;
use crate::error::failed;

/// What some bytes are known by: `sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts and digests what is written through it.
pub(crate) struct Measured<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Measured<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    /// What was written to, its digest and how much it was.
    pub(crate) fn finish(self) -> (W, Digest, u64) {
        let hex: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.inner, Digest(format!("sha256:{hex}")), self.size)
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The folder of blobs.
#[derive(Clone, Debug)]
pub(crate) struct Blobs(PathBuf);

impl Blobs {
    /// In a layout's folder.
    pub(crate) fn create(layout: &Path) -> Result<Self, BundleError> {
        let folder = layout.join("blobs/sha256");
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        Ok(Self(folder))
    }

    /// Where a blob is.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(digest.0.trim_start_matches("sha256:"))
    }

    /// Begins one whose name is known at its end.
    pub(crate) fn begin(&self) -> Result<Measured<NamedTempFile>, BundleError> {
        NamedTempFile::new_in(&self.0).map(Measured::new).map_err(failed("write below", &self.0))
    }

    /// Ends one: it gets its name.
    pub(crate) fn end(&self, blob: Measured<NamedTempFile>) -> Result<(Digest, u64), BundleError> {
        let (file, digest, size) = blob.finish();
        let path = self.path(&digest);
        // Images are for everybody; a file that is made to be private first would not be.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(failed("write", &path))?;
        file.persist(&path).map_err(|e| failed("write", &path)(e.error))?;
        Ok((digest, size))
    }

    /// Writes a document.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(Digest, u64), BundleError> {
        let mut blob = self.begin()?;
        let bytes = serde_json::to_vec(value).expect("texts and numbers can be written as JSON");
        blob.write_all(&bytes).map_err(failed("write below", &self.0))?;
        self.end(blob)
    }
}
