//! An image's files as one layer: a compressed archive.

use std::fs::File;
use std::io::{self, Read, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::blobs::{Blobs, Digest, Measured};
use crate::error::failed;
use crate::files::{Content, Entry, Kind};
use crate::{BundleError, Files};

/// A layer that was written.
pub(crate) struct Layer {
    /// Of the blob.
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Of the archive within.
    pub(crate) unpacked: Digest,
}

/// Writes files as a layer.
pub(crate) fn write(blobs: &Blobs, files: &Files) -> Result<Layer, BundleError> {
    // Neither a name nor a time stands in the head of what is compressed.
    let compressed = GzBuilder::new().write(blobs.begin()?, Compression::default());
    let mut archive = Builder::new(Measured::new(compressed));
    for (path, entry) in files.iter() {
        append(&mut archive, path, entry)?;
    }
    let archive = archive.into_inner().map_err(failed("finish", "the layer"))?;
    let (compressed, unpacked, _) = archive.finish();
    let (digest, size) = blobs.end(compressed.finish().map_err(failed("finish", "the layer"))?)?;
    Ok(Layer { digest, size, unpacked })
}

fn append(archive: &mut Builder<impl Write>, path: &str, entry: &Entry) -> Result<(), BundleError> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0.into());
    header.set_gid(entry.owner.1.into());
    header.set_mtime(0);
    let written = match &entry.kind {
        Kind::Folder => {
            header.set_entry_type(EntryType::Directory);
            header.set_size(0);
            archive.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Kind::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, path, target)
        }
        Kind::File(Content::Bytes(bytes)) => {
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice())
        }
        Kind::File(Content::Disk(source)) => {
            let file = File::open(source).map_err(failed("open", source))?;
            let size = file.metadata().map_err(failed("look at", source))?.len();
            header.set_size(size);
            // One that grows meanwhile would shift all that comes after it.
            archive.append_data(&mut header, path, file.take(size))
        }
    };
    written.map_err(failed("archive", path))
}
