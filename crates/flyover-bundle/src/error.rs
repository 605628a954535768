//! What can go wrong with an image.

use std::io;
use std::path::PathBuf;

/// Why an image was not written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A path within an image has no clear meaning.
    #[error("`{path}` is no path within an image: it has to begin with `/` and may not climb")]
    Path {
        /// The path.
        path: String,
    },
    /// A folder on disk holds something that no image can.
    #[error("`{}` is neither a file, a folder nor a link", path.display())]
    Kind {
        /// The path on disk.
        path: PathBuf,
    },
    /// One name stands for two images of one architecture.
    #[error("`{name}` was given two images for {architecture}")]
    Twice {
        /// The name.
        name: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// The system refused.
    #[error("failed to {verb} `{}`", path.display())]
    Io {
        /// What was attempted.
        verb: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Says on which path the system refused.
pub(crate) fn failed(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.into();
    move |source| BundleError::Io { verb, path, source }
}
