//! The versions of the CNI specification that are spoken.

use std::fmt;
use std::str::FromStr;

use crate::error::{CniError, Code};

/// A version of the specification, older ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Results with interfaces; no CHECK.
    V031,
    /// CHECK.
    V040,
    /// Addresses without a family.
    V100,
    /// GC, STATUS, socket paths.
    V110,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V031, Self::V040, Self::V100, Self::V110];

    /// The one our own errors are in before we know the caller's.
    pub const NEWEST: Self = Self::V110;

    /// As documents write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V031 => "0.3.1",
            Self::V040 => "0.4.0",
            Self::V100 => "1.0.0",
            Self::V110 => "1.1.0",
        }
    }
}

impl FromStr for Version {
    type Err = CniError;

    fn from_str(s: &str) -> Result<Self, CniError> {
        Self::ALL.into_iter().find(|version| version.as_str() == s).ok_or_else(|| {
            let spoken = Self::ALL.map(Self::as_str).join(", ");
            CniError::new(Code::Version, format!("version `{}` of CNI is not spoken", s.escape_default()))
                .details(format!("spoken are {spoken}"))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
