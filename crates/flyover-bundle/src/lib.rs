//! Images of containers, written without a daemon, a registry or a container.
//!
//! Invariant: what an image is depends on what was asked for alone. No clock, no order of a folder and no name of the
//! machine gets into it, so whoever builds it twice gets the same digest.

mod blobs;
mod error;
mod files;
mod image;
mod layer;
mod layout;
mod manifest;

pub use blobs::Digest;
pub use error::BundleError;
pub use files::{Content, Entry, Files, Kind};
pub use image::{Architecture, Config, Image};
pub use layout::{Layout, archive};
