//! Keys of sysctl, in which a dot may separate or belong to the name of an interface.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::string_form;

/// A key below `/proc/sys`, printed with dots: `net.ipv4.conf.eth0/100.forwarding`, where the slash stands for a
/// dot that does not separate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlKey {
    path: String,
}

/// Why a string is not a key of sysctl.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sysctl key (expected e.g. net.ipv4.ip_forward or net/ipv4/ip_forward)")]
pub struct BadSysctlKey(String);

impl SysctlKey {
    /// The file below `/proc/sys`, e.g. `net/ipv4/conf/eth0.100/forwarding`.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.clone()
    }
}

fn swapped(s: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    s.chars().map(swap).collect()
}

impl FromStr for SysctlKey {
    type Err = BadSysctlKey;

    /// As sysctl(8): what comes first, dot or slash, separates, and the other one stands for a dot in a name.
    fn from_str(s: &str) -> Result<Self, BadSysctlKey> {
        let slashed = s.find(['.', '/']).is_some_and(|at| s[at..].starts_with('/'));
        let path = if slashed { s.to_owned() } else { swapped(s) };
        let clean = !s.chars().any(|c| c.is_whitespace() || c.is_control());
        let parts = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if clean && parts { Ok(Self { path }) } else { Err(BadSysctlKey(s.to_owned())) }
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&swapped(&self.path))
    }
}

string_form!(SysctlKey, BadSysctlKey);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_survives_printing_and_parsing(s in "[a-z]{1,3}([./][a-z0-9.]{1,6}){0,4}") {
            if let Ok(key) = s.parse::<SysctlKey>() {
                prop_assert_eq!(key.to_string().parse::<SysctlKey>().unwrap(), key);
            }
        }
    }

    #[test]
    fn the_first_separator_says_which_one_separates() {
        let dotted = "net.ipv4.conf.eth0/100.forwarding".parse::<SysctlKey>().unwrap();
        let slashed = "net/ipv4/conf/eth0.100/forwarding".parse::<SysctlKey>().unwrap();
        assert_eq!(dotted, slashed);
        assert_eq!(slashed.path(), "net/ipv4/conf/eth0.100/forwarding");
        assert_eq!(slashed.to_string(), "net.ipv4.conf.eth0/100.forwarding");
        assert_eq!("vm.nr_hugepages".parse::<SysctlKey>().unwrap().path(), "vm/nr_hugepages");
    }

    #[test]
    fn a_key_that_leaves_proc_sys_or_has_an_empty_part_is_refused() {
        for bad in
            ["", ".", "a..b", "a.", ".a", "/net/ipv4", "net/", "net/../x", "net.//.x", "a b", "a\n", "a\0"]
        {
            assert!(bad.parse::<SysctlKey>().is_err(), "{bad:?}");
        }
    }
}
