//! Names of extended resources and of their devices.
//!
//! Invariant: what kubelet would refuse, or would take and lose later, is refused when it is parsed.

use std::fmt;
use std::str::FromStr;

use flyover_core::OvsName;

/// The group that all our resources are in.
pub const GROUP: &str = "flyover.dev";
/// What the name of a bridge's resource begins with.
const SWITCH: &str = "switch-";
/// The longest name after the slash.
const LONGEST: usize = 63;
/// The longest name before it: kubelet puts `requests.` in front, and has 253 for both.
const LONGEST_DOMAIN: usize = 253 - "requests.".len();

/// Name of an extended resource, such as `flyover.dev/switch-br0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceName(String);

/// Why a string is not the name of an extended resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResourceName {
    /// By its grammar.
    #[error("`{0}` is not a name of an extended resource (expected e.g. flyover.dev/switch-br0)")]
    Form(String),
    /// By whose it is.
    #[error("`{0}` is not a name of an extended resource: Kubernetes keeps this domain for itself")]
    Kept(String),
    /// A bridge may have a name that no resource can have.
    #[error(
        "bridge `{bridge}` cannot be a resource of pods: {why}\n  hint: give the bridge another name, such as br0"
    )]
    Bridge {
        /// The bridge.
        bridge: OvsName,
        /// What of it.
        why: &'static str,
    },
}

impl ResourceName {
    /// The resource that stands for a bridge. Two bridges never have the same one.
    pub fn of_switch(bridge: &OvsName) -> Result<Self, BadResourceName> {
        let refused = |why| BadResourceName::Bridge { bridge: bridge.clone(), why };
        if bridge.as_str().len() + SWITCH.len() > LONGEST {
            return Err(refused("its name has more than 56 characters"));
        }
        format!("{GROUP}/{SWITCH}{bridge}").parse().map_err(|_| {
            // A bridge has letters, digits, `.`, `_` and `-`, so nothing else can be wrong.
            refused("its name ends neither in a letter nor in a digit")
        })
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the slash.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, short)| short)
    }
}

impl FromStr for ResourceName {
    type Err = BadResourceName;

    fn from_str(s: &str) -> Result<Self, BadResourceName> {
        let form = || BadResourceName::Form(s.to_owned());
        let (domain, short) = s.split_once('/').ok_or_else(form)?;
        if !is_domain(domain) || !is_short(short) {
            return Err(form());
        }
        let kept = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
        if kept || domain.starts_with("requests.") {
            return Err(BadResourceName::Kept(s.to_owned()));
        }
        Ok(Self(s.to_owned()))
    }
}

fn is_domain(s: &str) -> bool {
    let label = |label: &str| {
        let clean = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        clean && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    s.len() <= LONGEST_DOMAIN && s.split('.').all(label)
}

fn is_short(s: &str) -> bool {
    let end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    clean && s.len() <= LONGEST && end(s.bytes().next()) && end(s.bytes().last())
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Name of a device within its resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(String);

/// Why a string is not the name of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name of a device (1 to 63 letters, digits, `.`, `:`, `_`, `-`)")]
pub struct BadDeviceId(String);

impl DeviceId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = BadDeviceId;

    fn from_str(s: &str) -> Result<Self, BadDeviceId> {
        let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'_' | b'-'));
        if clean && !s.is_empty() && s.len() <= LONGEST {
            Ok(Self(s.to_owned()))
        } else {
            Err(BadDeviceId(s.to_owned()))
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_kubelet_refuses_are_refused_here() {
        for good in ["flyover.dev/switch-br0", "a/b", "a.b-c/D_e.f", "a/0"] {
            assert_eq!(good.parse::<ResourceName>().unwrap().as_str(), good);
        }
        let long = format!("a/{}", "x".repeat(64));
        for bad in ["", "cpu", "a/", "/b", "A/b", "a..b/c", "-a/b", "a/b/c", "a/b-", "a/-b", "a/b c", &long] {
            assert_eq!(bad.parse::<ResourceName>().unwrap_err(), BadResourceName::Form(bad.into()));
        }
        for kept in ["kubernetes.io/gpu", "x.kubernetes.io/gpu", "requests.a/b"] {
            assert_eq!(kept.parse::<ResourceName>().unwrap_err(), BadResourceName::Kept(kept.into()));
        }
    }

    #[test]
    fn a_bridge_whose_name_cannot_be_a_resources_is_refused_with_the_reason() {
        let of = |bridge: &str| {
            ResourceName::of_switch(&bridge.parse().unwrap())
                .map(|n| n.to_string())
                .map_err(|e| e.to_string())
        };
        assert_eq!(of("br0").unwrap(), "flyover.dev/switch-br0");
        assert_eq!(of("Br_dpdk.0").unwrap(), "flyover.dev/switch-Br_dpdk.0");
        assert_eq!(
            of("br-").unwrap_err(),
            "bridge `br-` cannot be a resource of pods: its name ends neither in a letter nor in a digit\n  \
             hint: give the bridge another name, such as br0"
        );
        let long = "b".repeat(57);
        assert_eq!(
            of(&long).unwrap_err(),
            format!(
                "bridge `{long}` cannot be a resource of pods: its name has more than 56 characters\n  \
                 hint: give the bridge another name, such as br0"
            )
        );
    }

    #[test]
    fn a_device_has_a_name_that_can_stand_anywhere() {
        for good in ["br0-0", "0000:06:00.1", "x"] {
            assert_eq!(good.parse::<DeviceId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "a,b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_bridge_has_a_resource_of_its_own_or_none(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,62}") {
            let bridge: OvsName = name.parse().unwrap();
            if let Ok(resource) = ResourceName::of_switch(&bridge) {
                prop_assert_eq!(resource.short().strip_prefix(SWITCH), Some(name.as_str()));
                prop_assert_eq!(resource.to_string().parse::<ResourceName>(), Ok(resource));
            }
        }
    }
}
