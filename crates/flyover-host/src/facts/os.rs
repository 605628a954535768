//! The distribution, and who changes its image.

use std::collections::BTreeMap;

use flyover_core::HostPath;
use flyover_core::facts::{ManagedOs, OsFacts};

use super::dir::first_present;
use crate::root::HostRoot;

/// Reads the distribution.
pub(super) fn read(host: &HostRoot) -> OsFacts {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|p| host.text(&HostPath::fixed(p)));
    let release = parse(&text.unwrap_or_default());
    let word = |key: &str| release.get(key).cloned().unwrap_or_default();
    let like: Vec<String> = word("ID_LIKE").split_whitespace().map(str::to_owned).collect();
    let ostree = host.exists(&HostPath::fixed("/run/ostree-booted"));
    let programs = ["/usr/sbin/driverctl", "/sbin/driverctl", "/usr/bin/driverctl"];
    OsFacts {
        managed: managed(&word("ID"), &like, &word("VARIANT_ID"), ostree),
        id: word("ID"),
        version: word("VERSION_ID"),
        like,
        systemd: host.exists(&HostPath::fixed("/run/systemd/system")),
        driverctl: first_present(host, &programs).is_some(),
    }
}

/// Red Hat CoreOS called itself `rhcos` until 4.18 and is the variant `coreos` of `rhel` since.
fn managed(id: &str, like: &[String], variant: &str, ostree: bool) -> Option<ManagedOs> {
    let rhel = id == "rhel" || like.iter().any(|like| like == "rhel") && id != "fedora";
    match id {
        "rhcos" | "scos" => Some(ManagedOs::Rhcos),
        _ if variant == "coreos" && rhel => Some(ManagedOs::Rhcos),
        "talos" => Some(ManagedOs::Talos),
        "bottlerocket" => Some(ManagedOs::Bottlerocket),
        "flatcar" => Some(ManagedOs::Flatcar),
        _ => ostree.then_some(ManagedOs::Ostree),
    }
}

/// Reads assignments as a shell does, so far as os-release(5) allows them.
fn parse(text: &str) -> BTreeMap<String, String> {
    let assignment = |line: &str| {
        let (key, value) = line.trim().split_once('=')?;
        Some((key.to_owned(), unquoted(value)))
    };
    text.lines().filter_map(assignment).collect()
}

fn unquoted(value: &str) -> String {
    let inner = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
    let mut plain = String::with_capacity(value.len());
    let mut chars = inner.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            parse(&text);
        }
    }

    #[test]
    fn quotes_and_escapes_are_those_of_a_shell() {
        let read = parse("ID=debian\nNAME=\"A \\\"B\\\"\"\n# x\nVERSION_ID='12'\nempty=\"\"\nbroken=\"");
        let word = |key: &str| read.get(key).map(String::as_str);
        assert_eq!(word("ID"), Some("debian"));
        assert_eq!(word("NAME"), Some("A \"B\""));
        assert_eq!(word("VERSION_ID"), Some("12"));
        assert_eq!((word("empty"), word("broken")), (Some(""), Some("\"")));
    }

    #[test]
    fn coreos_is_openshifts_where_it_is_like_rhel_and_ostrees_where_it_is_fedora() {
        let rhel = ["rhel".to_owned(), "fedora".to_owned()];
        assert_eq!(managed("rhcos", &rhel, "", true), Some(ManagedOs::Rhcos));
        assert_eq!(managed("rhel", &[], "coreos", true), Some(ManagedOs::Rhcos));
        assert_eq!(managed("centos", &rhel, "coreos", true), Some(ManagedOs::Rhcos));
        assert_eq!(managed("fedora", &[], "coreos", true), Some(ManagedOs::Ostree));
        assert_eq!(managed("rhel", &[], "", false), None);
    }
}
