//! One image: files for one architecture, and how its program is started.

use std::collections::BTreeMap;
use std::fmt;

use crate::Files;

/// What machine an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// As images name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the program of an image is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// As whom, e.g. `65532:65532`; root if empty.
    pub user: String,
    /// The program with its first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments unless a pod gives others.
    pub arguments: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, String>,
    /// Where it is started; `/` if empty.
    pub folder: String,
    /// What is said of the image.
    pub labels: BTreeMap<String, String>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is for.
    pub architecture: Architecture,
    /// What stands in it.
    pub files: Files,
    /// How it is started.
    pub config: Config,
}
