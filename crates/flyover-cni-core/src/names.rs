//! Who is attached to what: the names a runtime gives, and the short one made of them.
//!
//! Invariants: a name becomes part of paths and rows only as one of these types; the short name of an attachment is
//! the same for ADD and for a DEL that knows nothing but the runtime's three names.

use std::fmt;
use std::str::FromStr;

use flyover_core::IfName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a string is not such a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {what}", shown(.text))]
pub struct BadName {
    what: &'static str,
    text: String,
}

/// The longest name that still is the name of a file: the runtime keeps its own cache by it.
const LONGEST: usize = 255;

/// What a name shows of itself in an error: a hostile one may be long and hold anything.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

/// The specification's grammar of container ids and network names.
fn is_name(text: &str) -> bool {
    let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    clean && text.len() <= LONGEST && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $good:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(s: &str) -> Result<Self, BadName> {
                let good: fn(&str) -> bool = $good;
                if good(s) { Ok(Self(s.to_owned())) } else { Err(BadName { what: $what, text: s.to_owned() }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(s: String) -> Result<Self, BadName> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// A container, as the runtime names it: any length up to a file name's.
    ContainerId, "container id", is_name
}

name! {
    /// A network, as its configuration names it.
    NetworkName, "name of a network", is_name
}

name! {
    /// A plugin: a file below the directories of `CNI_PATH`.
    PluginName, "name of a plugin", is_name
}

name! {
    /// The uid of a pod: one component of the kubelet's paths.
    PodUid, "pod uid", |s| s.len() <= 63 && !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

name! {
    /// A pod or its namespace.
    PodName, "name of a pod or namespace", |s| s.len() <= 253 && is_name(s)
}

name! {
    /// An attachment: sixteen hexadecimal digits of a hash over network, container and interface.
    AttachmentId, "short name of an attachment", |s| {
        s.len() == 16 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }
}

impl ContainerId {
    /// All of it if it is short, and the first twelve characters of a hash, as runtimes give. What is neither may begin as
    /// many others do, and has sixteen digits of its own hash.
    #[must_use]
    pub fn short(&self) -> String {
        match self.0.get(..12) {
            None => self.0.clone(),
            Some(short) if short == self.0 || short.bytes().all(|b| b.is_ascii_hexdigit()) => {
                short.to_owned()
            }
            Some(_) => digits(&self.0),
        }
    }
}

impl AttachmentId {
    /// The short name of anything that a text decides.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(digits(text))
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Sixteen hexadecimal digits of a hash.
fn digits(text: &str) -> String {
    hash(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The three names a runtime has for an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container: ContainerId,
    /// The interface in it.
    pub ifname: IfName,
}

impl Attachment {
    /// Its short name.
    #[must_use]
    pub fn id(&self) -> AttachmentId {
        AttachmentId::of(&self.text())
    }

    /// An Ethernet address of its own, locally administered.
    #[must_use]
    pub fn mac(&self) -> flyover_core::MacAddr {
        let digest = hash(&self.text());
        let [a, b, c, d, e, ..] = digest[8..] else { unreachable!("the digest has 32 bytes") };
        flyover_core::MacAddr([2, a, b, c, d, e])
    }

    fn text(&self) -> String {
        format!("{}\0{}\0{}", self.network, self.container, self.ifname)
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of container {} in network {}", self.ifname, self.container, self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_out_of_a_directory_or_be_options_are_refused() {
        for bad in ["", ".", "..", "-", "--", "-x", "a/b", "a\nb", "a b", "a;b", &"x".repeat(300)] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad:?}");
            assert!(bad.parse::<NetworkName>().is_err(), "{bad:?}");
            assert!(bad.parse::<PluginName>().is_err(), "{bad:?}");
        }
        for bad in ["", "..", "a/b", "a.b", "a\nb"] {
            assert!(bad.parse::<PodUid>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_short_container_id_is_its_own_short_form() {
        let short = |text: &str| text.parse::<ContainerId>().unwrap().short();
        assert_eq!((short("pod"), short("pod-in-twelv")), ("pod".to_owned(), "pod-in-twelv".to_owned()));
        assert_eq!(short("0123456789abcdef"), "0123456789ab");
        // Sandboxes that are named after their pods begin alike.
        let [a, b] = ["my-deployment-1", "my-deployment-2"].map(short);
        assert_ne!(a, b);
        assert!([a, b].iter().all(|short| short.parse::<AttachmentId>().is_ok()));
    }

    #[test]
    fn an_attachment_has_a_short_name_and_an_address_that_its_three_names_decide() {
        let attachment = |ifname: &str| Attachment {
            network: "net".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: ifname.parse().unwrap(),
        };
        assert_eq!(attachment("net1").id(), attachment("net1").id());
        assert_ne!(attachment("net1").id(), attachment("net2").id());
        assert!(attachment("net1").id().as_str().parse::<AttachmentId>().is_ok());
        assert_eq!(attachment("net1").mac().0[0], 2);
    }
}
