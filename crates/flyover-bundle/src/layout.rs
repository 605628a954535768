//! An OCI image layout: a folder of blobs with an index that names the images in it.
//!
//! Invariant: the index is written last and whole, so a layout that has one has all that the index names.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tar::{Builder, Header};

use crate::blobs::{Blobs, Digest};
use crate::error::failed;
use crate::manifest::{Descriptor, ImageConfig, Index, Manifest};
use crate::{BundleError, Image, layer};

/// What says that a folder is a layout.
const MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// By what containerd, and everybody else, is told an image's name.
const FULL_NAME: &str = "io.containerd.image.name";
const NAME: &str = "org.opencontainers.image.ref.name";

/// A layout that is being written.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    blobs: Blobs,
    images: Vec<Descriptor>,
}

impl Layout {
    /// Begins one in a folder; what the folder held of an earlier one goes.
    pub fn create(folder: &Path) -> Result<Self, BundleError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", folder)(error));
            }
            _ => {}
        }
        let blobs = Blobs::create(folder)?;
        Ok(Self { folder: folder.to_owned(), blobs, images: Vec::new() })
    }

    /// Adds an image under a full name such as `flyover.local/agent:0.1`, one for each architecture; gives what it is
    /// known by.
    pub fn add(&mut self, name: &str, images: &[Image]) -> Result<Digest, BundleError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = images.iter().find(|image| !seen.insert(image.architecture)) {
            let architecture = twice.architecture.as_str();
            return Err(BundleError::Twice { name: name.into(), architecture });
        }
        let mut all = images.iter().map(|image| self.write(image)).collect::<Result<Vec<_>, _>>()?;
        let mut descriptor = match (all.pop(), all.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                all.extend(last);
                Descriptor::of_index(self.blobs.document(&Index::new(all))?)
            }
        };
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        descriptor.annotations = [(FULL_NAME, name), (NAME, tag)].map(|(k, v)| (k.into(), v.into())).into();
        let digest = descriptor.digest.clone();
        self.images.push(descriptor);
        Ok(digest)
    }

    fn write(&self, image: &Image) -> Result<Descriptor, BundleError> {
        let layer = layer::write(&self.blobs, &image.files)?;
        let config = self.blobs.document(&ImageConfig::new(image, &layer))?;
        let manifest = self.blobs.document(&Manifest::new(config, &layer))?;
        Ok(Descriptor::of_image(manifest, image.architecture))
    }

    /// Ends it; gives its folder.
    pub fn finish(self) -> Result<PathBuf, BundleError> {
        let write = |name: &str, text: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(failed("write", path))
        };
        write("oci-layout", MARK.as_bytes())?;
        let index = serde_json::to_vec(&Index::new(self.images)).expect("texts can be written as JSON");
        write("index.json", &index)?;
        Ok(self.folder)
    }
}

/// Writes a layout's folder as one archive, which containerd imports.
pub fn archive(layout: &Path, to: &Path) -> Result<(), BundleError> {
    let blobs = layout.join("blobs/sha256");
    let entries = fs::read_dir(&blobs).map_err(failed("list", &blobs))?;
    let names =
        entries.map(|entry| entry.map(|e| format!("blobs/sha256/{}", e.file_name().to_string_lossy())));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(failed("list", &blobs))?;
    names.extend(["index.json".into(), "oci-layout".into()]);
    names.sort();
    let file = File::create(to).map_err(failed("create", to))?;
    let mut archive = Builder::new(io::BufWriter::new(file));
    for name in names {
        let path = layout.join(&name);
        let mut blob = File::open(&path).map_err(failed("open", &path))?;
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(blob.metadata().map_err(failed("look at", &path))?.len());
        archive.append_data(&mut header, &name, &mut blob).map_err(failed("archive", &path))?;
    }
    let finished =
        archive.into_inner().and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
    finished.map(drop).map_err(failed("write", to))
}
