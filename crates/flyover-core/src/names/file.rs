//! Files on a node: where they are and who may touch them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// Absolute path on the node: one slash between parts, none at the end but for `/`, and no `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

/// Why a string is not a path on the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path on the node (expected an absolute one without `.` and `..`, e.g. /etc/fstab)")]
pub struct BadHostPath(String);

impl HostPath {
    /// A path written in the source.
    ///
    /// # Panics
    ///
    /// Where the text is no path: only for literals, and for literals with words of a fixed grammar in them.
    #[must_use]
    pub fn fixed(path: &str) -> Self {
        path.parse().expect("a path written in the source is absolute and has no `..`")
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as the standard library takes it.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// What is called `below` in this directory; `below` is relative and may have several parts.
    pub fn join(&self, below: &str) -> Result<Self, BadHostPath> {
        if below.is_empty() || below.starts_with('/') {
            return Err(BadHostPath(below.to_owned()));
        }
        format!("{}/{below}", self.0).parse()
    }

    /// The directory it is in; the root is in none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, name) = self.0.rsplit_once('/')?;
        (!name.is_empty()).then(|| Self(if parent.is_empty() { "/".to_owned() } else { parent.to_owned() }))
    }
}

impl FromStr for HostPath {
    type Err = BadHostPath;

    /// Slashes too many, between parts or at the end, are dropped. `.` and `..` are refused: what they mean
    /// depends on links.
    fn from_str(s: &str) -> Result<Self, BadHostPath> {
        let parts: Vec<&str> = s.split('/').filter(|part| !part.is_empty()).collect();
        let clean = !s.contains('\0') && !parts.iter().any(|part| matches!(*part, "." | ".."));
        if s.starts_with('/') && clean {
            Ok(Self(format!("/{}", parts.join("/"))))
        } else {
            Err(BadHostPath(s.to_owned()))
        }
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Permissions of a file as chmod(1) takes them, printed with four digits: `0755`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileMode(u32);

/// Why a string is not the mode of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the mode of a file (expected 3 or 4 octal digits, e.g. 0644)")]
pub struct BadFileMode(String);

impl FileMode {
    /// The mode of those bits, if there are none but permissions and the three above them.
    #[must_use]
    pub fn new(bits: u32) -> Option<Self> {
        (bits <= 0o7777).then_some(Self(bits))
    }

    /// The permissions among the bits of `st_mode`, which also tell what kind of file it is.
    #[must_use]
    pub fn of(st_mode: u32) -> Self {
        Self(st_mode & 0o7777)
    }

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = BadFileMode;

    fn from_str(s: &str) -> Result<Self, BadFileMode> {
        let digits = (3..=4).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        let bits = u32::from_str_radix(s, 8).ok().filter(|_| digits);
        bits.and_then(Self::new).ok_or_else(|| BadFileMode(s.to_owned()))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04o}", self.0))
    }
}

string_form!(HostPath, BadHostPath; FileMode, BadFileMode);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(s: &str) -> HostPath {
        s.parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_path_survives_printing_and_parsing(s in "(/{1,2}[a-z.]{0,4}){1,5}") {
            if let Ok(path) = s.parse::<HostPath>() {
                prop_assert_eq!(path.to_string().parse::<HostPath>().unwrap(), path.clone());
                prop_assert!(!path.as_str().contains("//") && (!path.as_str().ends_with('/') || path.as_str() == "/"));
            }
        }

        #[test]
        fn every_mode_survives_printing_and_parsing(bits in 0..=0o7777u32) {
            let mode = FileMode::new(bits).unwrap();
            prop_assert_eq!(mode.to_string().parse::<FileMode>().unwrap(), mode);
        }
    }

    #[test]
    fn a_path_goes_down_by_join_and_up_by_parent() {
        let fstab = path("/etc").join("fstab").unwrap();
        assert_eq!(fstab.as_str(), "/etc/fstab");
        assert_eq!(path("/").join("etc"), Ok(path("/etc")));
        assert_eq!(fstab.parent(), Some(path("/etc")));
        assert_eq!(path("/etc").parent(), Some(path("/")));
        assert_eq!(path("/").parent(), None);
        for bad in ["", "/a", "..", "a/../b", "."] {
            assert!(fstab.join(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_that_is_relative_or_climbs_is_refused() {
        for bad in ["", "etc", "./a", "/a/..", "/./a", "/a\0"] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad:?}");
        }
        assert_eq!(path("//etc//x/").as_str(), "/etc/x");
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!("644".parse::<FileMode>().unwrap().to_string(), "0644");
        assert_eq!("0755".parse::<FileMode>().unwrap().bits(), 0o755);
        for bad in ["", "8", "0888", "17777", "0o755", "+755", "u+x"] {
            assert!(bad.parse::<FileMode>().is_err(), "{bad:?}");
        }
    }
}
