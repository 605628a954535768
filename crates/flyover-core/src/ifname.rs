//! Names of network interfaces, and patterns over them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest interface name: `IFNAMSIZ` less the closing zero.
const MAX_LEN: usize = 15;

/// Name of a network interface, as `dev_valid_name()` of the kernel accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

/// Why a string is not an interface name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an interface name (1 to 15 bytes, no space, `/` or `:`, not `.` or `..`)")]
pub struct BadIfName(String);

impl IfName {
    /// The name as the kernel writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = BadIfName;

    fn from_str(s: &str) -> Result<Self, BadIfName> {
        let fits = (1..=MAX_LEN).contains(&s.len());
        let clean =
            !s.bytes().any(|b| b == b'/' || b == b':' || b == 0 || b.is_ascii_whitespace() || b == 0x0b);
        if fits && clean && s != "." && s != ".." {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadIfName(s.to_owned()))
        }
    }
}

impl TryFrom<String> for IfName {
    type Error = BadIfName;

    fn try_from(s: String) -> Result<Self, BadIfName> {
        s.parse()
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A pattern over interface names: literal characters and `*` for any run of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfPattern(String);

/// Why a string is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an interface pattern (an interface name in which `*` stands for any characters)")]
pub struct BadIfPattern(String);

impl IfPattern {
    /// Whether `name` is one the pattern means.
    #[must_use]
    pub fn matches(&self, name: &IfName) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|head| name.0.strip_prefix(head)) else { return false };
        let Some(tail) = self.0.rsplit_once('*').map(|(_, tail)| tail) else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        // The loop takes the leftmost place of each part; only the last one must touch the end.
        tail.is_empty() || name.0.ends_with(tail)
    }
}

impl FromStr for IfPattern {
    type Err = BadIfPattern;

    fn from_str(s: &str) -> Result<Self, BadIfPattern> {
        let literal = s.replace('*', "");
        let ok = !s.is_empty() && (literal.is_empty() || literal.parse::<IfName>().is_ok());
        if ok { Ok(Self(s.to_owned())) } else { Err(BadIfPattern(s.to_owned())) }
    }
}

impl TryFrom<String> for IfPattern {
    type Error = BadIfPattern;

    fn try_from(s: String) -> Result<Self, BadIfPattern> {
        s.parse()
    }
}

impl From<IfPattern> for String {
    fn from(p: IfPattern) -> Self {
        p.0
    }
}

impl fmt::Display for IfPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(s: &str) -> IfName {
        s.parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_name_survives_printing_and_parsing(s in "[a-zA-Z0-9_.@-]{1,15}") {
            if let Ok(n) = s.parse::<IfName>() {
                prop_assert_eq!(n.to_string(), s);
            }
        }

        #[test]
        fn a_pattern_made_of_a_name_matches_that_name_alone(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
            prop_assert_eq!(a.parse::<IfPattern>().unwrap().matches(&name(&b)), a == b);
        }
    }

    #[test]
    fn a_name_of_sixteen_bytes_is_refused() {
        assert!("abcdefghijklmnop".parse::<IfName>().is_err());
        assert!("abcdefghijklmno".parse::<IfName>().is_ok());
    }

    #[test]
    fn names_the_kernel_refuses_are_refused() {
        for bad in ["", ".", "..", "a/b", "a:1", "a b", "a\tb"] {
            assert!(bad.parse::<IfName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let cases = [
            ("veth*", "veth1a", true),
            ("veth*", "eth0", false),
            ("*", "x", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("a*b*", "axxbc", true),
            ("ab*b", "ab", false),
        ];
        for (pattern, n, expected) in cases {
            assert_eq!(pattern.parse::<IfPattern>().unwrap().matches(&name(n)), expected, "{pattern} {n}");
        }
    }
}
