//! Why a verb failed, as the runtime reads it: a code of the specification, a sentence, and what is behind it.

use flyover_ovs::OvsError;
use serde_json::{Value, json};

use crate::version::Version;

/// What a code says to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A version of the specification we do not speak.
    Version = 1,
    /// A field with a value we do not support.
    Unsupported = 2,
    /// The environment is incomplete or malformed.
    Environment = 4,
    /// A file or a pipe failed.
    Io = 5,
    /// What was handed over is no JSON, or not of the form it should have.
    Decode = 6,
    /// The network's configuration contradicts itself or the node's.
    Config = 7,
    /// It may go well the next time.
    TryAgain = 11,
    /// Nothing can be attached.
    Unavailable = 50,
    /// Nothing can be attached, and what is attached may suffer.
    Limited = 51,
    /// The switch refused, or something in it belongs to somebody else.
    Switch = 100,
    /// What is there is not what ADD left.
    Differs = 101,
    /// Addresses could not be had or given back.
    Ipam = 102,
    /// A socket's directory, mount or broker could not be made or removed.
    Socket = 103,
}

/// Why a verb failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{msg}{}", behind(.details))]
pub struct CniError {
    /// A [`Code`], or the code of the plugin that was asked for addresses.
    pub code: u64,
    /// One sentence.
    pub msg: String,
    /// Its causes.
    pub details: String,
}

impl CniError {
    /// A failure.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code: code as u64, msg: msg.into(), details: String::new() }
    }

    /// With its cause, and that one's causes.
    #[must_use]
    pub fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(cause), |cause| cause.source()).map(ToString::to_string);
        self.details = std::iter::once(self.details)
            .chain(causes)
            .filter(|d| !d.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        self
    }

    /// With more to say.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// With what else went wrong while its traces were removed.
    #[must_use]
    pub fn and(mut self, others: &[Self]) -> Self {
        for other in others {
            let separator = if self.details.is_empty() { "" } else { "; " };
            self.details = format!("{}{separator}{other}", self.details);
        }
        self
    }

    /// One error that tells all; none of nothing. The first one's code decides.
    #[must_use]
    pub fn all(errors: &[Self]) -> Option<Self> {
        let (first, others) = errors.split_first()?;
        Some(first.clone().and(others))
    }

    /// As the runtime reads it from standard output.
    #[must_use]
    pub fn json(&self, version: Version) -> Value {
        let mut json = json!({"cniVersion": version.as_str(), "code": self.code, "msg": self.msg});
        if !self.details.is_empty() {
            json["details"] = Value::String(self.details.clone());
        }
        json
    }
}

impl From<OvsError> for CniError {
    fn from(error: OvsError) -> Self {
        match &error {
            OvsError::Connect { .. } => {
                Self::new(Code::TryAgain, "the switch's database does not answer").because(&error)
            }
            OvsError::Lost { .. } | OvsError::Late { .. } => {
                Self::new(Code::TryAgain, "the switch did not do it in time").because(&error)
            }
            _ => Self::new(Code::Switch, "the switch refused").because(&error),
        }
    }
}

fn behind(details: &str) -> String {
    if details.is_empty() { String::new() } else { format!(": {details}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stands_in_json_with_code_sentence_and_causes() {
        let cause = std::io::Error::other("no space");
        let error = CniError::new(Code::Io, "failed to write `a`").because(&cause);
        assert_eq!(
            error.json(Version::V031),
            json!({"cniVersion": "0.3.1", "code": 5, "msg": "failed to write `a`", "details": "no space"})
        );
    }

    #[test]
    fn several_errors_become_one_with_the_code_of_the_first() {
        let errors = [CniError::new(Code::Ipam, "a"), CniError::new(Code::Io, "b").details("c")];
        assert_eq!(CniError::all(&errors), Some(CniError::new(Code::Ipam, "a").details("b: c")));
        assert_eq!(CniError::all(&[]), None);
    }
}
