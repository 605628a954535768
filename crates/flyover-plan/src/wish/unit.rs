//! Names and text of units of ours.

use std::fmt::Write as _;

use flyover_core::HostPath;

/// The unit that systemd takes for the mount at `path`: `systemd-escape --path --suffix=mount`.
#[must_use]
pub fn mount_unit_name(path: &HostPath) -> String {
    let inner = path.as_str().trim_matches('/');
    if inner.is_empty() {
        return "-.mount".to_owned();
    }
    let mut name = String::new();
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            b if b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.') => name.push(char::from(b)),
            b => write!(name, "\\x{b:02x}").expect("strings take all that is written"),
        }
    }
    name + ".mount"
}

/// `text` where systemd would else see a specifier.
pub(super) fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_unit_is_named_as_systemd_escapes_its_path() {
        for (path, name) in [
            ("/", "-.mount"),
            ("/dev/hugepages", "dev-hugepages.mount"),
            ("/dev/hugepages-1G", "dev-hugepages\\x2d1G.mount"),
            ("/mnt/a b", "mnt-a\\x20b.mount"),
            ("/.huge/.x", "\\x2ehuge-.x.mount"),
            ("/ä", "\\xc3\\xa4.mount"),
        ] {
            assert_eq!(mount_unit_name(&path.parse().unwrap()), name);
        }
    }
}
