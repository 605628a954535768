//! Names of systemd's units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::HostPath;
use crate::word::string_form;

/// Longest name: `UNIT_NAME_MAX` of systemd less the closing zero.
const MAX_LEN: usize = 255;

const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// Name of a unit with its suffix, e.g. `openvswitch.service`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

/// Why a string is not the name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a unit (expected letters, digits and `:-_.\\@`, e.g. openvswitch.service)")]
pub struct BadUnitName(String);

/// Longest name of a mount's unit without `.mount`.
const MAX_STEM: usize = MAX_LEN - ".mount".len();

impl UnitName {
    /// The unit that mounts there: `systemd-escape --path --suffix=mount`. A path too long for one is cut, and systemd
    /// refuses that unit.
    #[must_use]
    pub fn of_mount(path: &HostPath) -> Self {
        let mut stem = String::new();
        let relative = path.as_str().trim_start_matches('/');
        for (at, byte) in relative.bytes().enumerate() {
            let escaped = match byte {
                b'/' => "-".to_owned(),
                b'.' if at == 0 => r"\x2e".to_owned(),
                b'.' | b'_' | b':' => char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!(r"\x{byte:02x}"),
            };
            if stem.len() + escaped.len() > MAX_STEM {
                break;
            }
            stem.push_str(&escaped);
        }
        Self(format!("{}.mount", if stem.is_empty() { "-" } else { &stem }))
    }

    /// Where the unit of a mount mounts: `systemd-escape --path --unescape`.
    #[must_use]
    pub fn mount_point(&self) -> Option<HostPath> {
        let mut rest = self.0.strip_suffix(".mount")?.bytes();
        let mut path = vec![b'/'];
        while let Some(byte) = rest.next() {
            path.push(match byte {
                b'-' => b'/',
                b'\\' => {
                    let digits =
                        [rest.next().filter(|x| *x == b'x').and_then(|_| rest.next())?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            });
        }
        String::from_utf8(path).ok()?.parse().ok()
    }

    /// The name with its suffix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = BadUnitName;

    /// As systemctl: a name without one of the suffixes means the service.
    fn from_str(s: &str) -> Result<Self, BadUnitName> {
        let stem = SUFFIXES.iter().find_map(|suffix| s.strip_suffix(suffix));
        let name = if stem.is_some() { s.to_owned() } else { format!("{s}.service") };
        let stem = stem.unwrap_or(s);
        let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b));
        let fits = !stem.is_empty() && !stem.starts_with('@') && name.len() <= MAX_LEN;
        if clean && fits { Ok(Self(name)) } else { Err(BadUnitName(s.to_owned())) }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

string_form!(UnitName, BadUnitName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_survives_printing_and_parsing(s in r"[a-z][a-zA-Z0-9:_.\\@-]{0,40}") {
            let name: UnitName = s.parse().unwrap();
            prop_assert_eq!(name.to_string().parse::<UnitName>().unwrap(), name);
        }

        #[test]
        fn the_unit_of_a_mount_leads_back_to_its_mount_point(s in r"(/[a-zA-Z0-9:_. \\é-]{1,9}){0,4}") {
            if let Ok(path) = s.parse::<HostPath>() {
                let unit = UnitName::of_mount(&path);
                prop_assert_eq!(unit.as_str().parse::<UnitName>().ok(), Some(unit.clone()));
                prop_assert_eq!(unit.mount_point(), Some(path));
            }
        }
    }

    #[test]
    fn a_unit_of_a_mount_tells_its_mount_point() {
        for (unit, path) in [
            ("dev-hugepages.mount", Some("/dev/hugepages")),
            ("dev-hugepages\\x2d1G.mount", Some("/dev/hugepages-1G")),
            ("mnt-a\\x20b.mount", Some("/mnt/a b")),
            ("chrony.service", None),
        ] {
            let unit: UnitName = unit.parse().unwrap();
            assert_eq!(unit.mount_point().map(|path| path.to_string()), path.map(str::to_owned));
        }
    }

    #[test]
    fn a_name_without_a_suffix_means_the_service() {
        for (text, name) in [
            ("kubelet", "kubelet.service"),
            ("a.b", "a.b.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("dev-hugepages1G.mount", "dev-hugepages1G.mount"),
        ] {
            assert_eq!(text.parse::<UnitName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_systemd_refuses_is_refused() {
        let long = "a".repeat(248);
        for bad in ["", ".service", "@a.service", "a/b.service", "a b", "ä", "a*", &long] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad:?}");
        }
    }
}
