//! What a runtime asks by its environment.
//!
//! Invariant: a variable is taken only in the grammar of the specification, so what stands in a [`Request`] can be a part of
//! a path, a row or an answer.

mod args;

use std::path::PathBuf;
use std::str::FromStr;

use flyover_core::IfName;

pub use args::{CniArgs, Pod};

use crate::error::{CniError, Code};
use crate::names::ContainerId;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Attach.
    Add,
    /// Detach.
    Del,
    /// Is it as ADD left it?
    Check,
    /// Remove what is attached and not valid.
    Gc,
    /// Could ADD do anything now?
    Status,
    /// Which versions?
    Version,
}

impl Verb {
    /// As `CNI_COMMAND` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

impl FromStr for Verb {
    type Err = CniError;

    fn from_str(s: &str) -> Result<Self, CniError> {
        let all = [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];
        all.into_iter().find(|verb| verb.as_str() == s).ok_or_else(|| {
            environment(format!("CNI_COMMAND is `{}`, which is no command", s.escape_default()))
        })
    }
}

/// What a runtime asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub verb: Verb,
    /// Of which interface of which container; `GC`, `STATUS` and `VERSION` have none.
    pub of: Option<Of>,
    /// What `CNI_ARGS` says; as it came, for the plugin that gives addresses.
    pub raw_args: String,
    /// Where plugins are.
    pub path: Vec<PathBuf>,
}

/// An interface of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// The container.
    pub container: ContainerId,
    /// The interface.
    pub ifname: IfName,
    /// Its network namespace; a DEL may come without.
    pub netns: Option<PathBuf>,
}

impl Request {
    /// Reads it from variables.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CniError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let wanted = |name: &str| given(name).ok_or_else(|| environment(format!("{name} is not set")));
        let verb: Verb = wanted("CNI_COMMAND")?.parse()?;
        let of = match verb {
            Verb::Add | Verb::Del | Verb::Check => Some(Of {
                container: word("CNI_CONTAINERID", &wanted("CNI_CONTAINERID")?)?,
                ifname: word("CNI_IFNAME", &wanted("CNI_IFNAME")?)?,
                netns: netns(verb, given("CNI_NETNS"))?,
            }),
            Verb::Gc | Verb::Status | Verb::Version => None,
        };
        let path = given("CNI_PATH").unwrap_or_default();
        let path = path.split(':').filter(|dir| dir.starts_with('/')).map(PathBuf::from).collect();
        Ok(Self { verb, of, raw_args: given("CNI_ARGS").unwrap_or_default(), path })
    }

    /// The interface that is meant.
    pub fn of(&self) -> Result<&Of, CniError> {
        self.of.as_ref().ok_or_else(|| environment("CNI_CONTAINERID is not set".to_owned()))
    }
}

fn word<T: FromStr<Err: std::error::Error>>(name: &str, text: &str) -> Result<T, CniError> {
    text.parse().map_err(|bad| environment(format!("{name} is malformed")).because(&bad))
}

fn netns(verb: Verb, given: Option<String>) -> Result<Option<PathBuf>, CniError> {
    let Some(given) = given else {
        return if verb == Verb::Del {
            Ok(None)
        } else {
            Err(environment("CNI_NETNS is not set".to_owned()))
        };
    };
    if !given.starts_with('/') || given.chars().any(char::is_control) || given.len() > 4095 {
        let error = environment("CNI_NETNS is not the path of a network namespace".to_owned());
        return if verb == Verb::Del { Ok(None) } else { Err(error) };
    }
    Ok(Some(given.into()))
}

fn environment(msg: String) -> CniError {
    CniError::new(Code::Environment, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Request, CniError> {
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Request::read(find)
    }

    const ADD: [(&str, &str); 5] = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_IFNAME", "net1"),
        ("CNI_NETNS", "/run/netns/a"),
        ("CNI_PATH", "/opt/cni/bin:relative:/b"),
    ];

    #[test]
    fn a_complete_environment_is_read() {
        let of = Of {
            container: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
            netns: Some("/run/netns/a".into()),
        };
        let path = vec!["/opt/cni/bin".into(), "/b".into()];
        assert_eq!(read(&ADD), Ok(Request { verb: Verb::Add, of: Some(of), raw_args: String::new(), path }));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named_with_code_four() {
        let changed = |name: &str, value: &str| {
            let all: Vec<_> =
                ADD.into_iter().map(|(n, v)| if n == name { (n, value) } else { (n, v) }).collect();
            let all: Vec<(&str, &str)> = all;
            read(&all).map(|_| ()).unwrap_err()
        };
        for name in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"] {
            assert_eq!(changed(name, ""), environment(format!("{name} is not set")));
        }
        for bad in ["..", "-", "--", "a\nb", &"x".repeat(300)] {
            assert_eq!(changed("CNI_CONTAINERID", bad).code, 4, "{bad:?}");
        }
        for bad in ["..", ".", "a/b", "a:b", "a b", "a\nb", "sixteen-letters-"] {
            assert_eq!(changed("CNI_IFNAME", bad).code, 4, "{bad:?}");
        }
        assert_eq!(changed("CNI_NETNS", "relative").code, 4);
        assert_eq!(changed("CNI_COMMAND", "add").code, 4);
    }

    #[test]
    fn del_needs_no_namespace_and_gc_no_container() {
        let del = read(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c"), ("CNI_IFNAME", "e")]).unwrap();
        assert_eq!(del.of.unwrap().netns, None);
        assert_eq!(read(&[("CNI_COMMAND", "GC")]).unwrap().of, None);
    }
}
