//! One thing that is wrong, or worth knowing.

use std::fmt;

use flyover_core::Refusal;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It cannot work, or lets others in.
    Error,
    /// It works until something else happens.
    Warning,
    /// It works.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Where: `line 3`, `host.vhost.mode`.
    pub at: String,
    /// What it is.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    pub(crate) fn error(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Error, at: at.into(), what: what.into(), hint: None }
    }

    pub(crate) fn warning(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(at, what) }
    }

    pub(crate) fn note(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::error(at, what) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<Refusal> for Finding {
    fn from(refusal: Refusal) -> Self {
        Self { level: Level::Error, at: refusal.field, what: refusal.what, hint: refusal.hint }
    }
}
