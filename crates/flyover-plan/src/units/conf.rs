//! Files in which modules, their options and sysctls last beyond a boot.

use std::collections::BTreeMap;

use flyover_core::HostPath;

use crate::Settled;
use crate::units::{HEADER, closed, one_line};

/// The file of systemd-modules-load with every module, if there is one.
#[must_use]
pub fn modules_load(settled: &Settled) -> Option<(HostPath, String)> {
    file("/etc/modules-load.d/flyover.conf", settled.modules.keys().map(ToString::to_string))
}

/// The file of modprobe with the options of every module that has some.
#[must_use]
pub fn modprobe_options(settled: &Settled) -> Option<(HostPath, String)> {
    let with_options = settled.modules.iter().filter(|(_, options)| !options.is_empty());
    let lines = with_options.map(|(module, options)| format!("options {module} {}", option_words(options)));
    file("/etc/modprobe.d/flyover.conf", lines)
}

/// The file of systemd-sysctl with every sysctl. Files are read in the order of their names and the last word
/// counts; Debian links `99-sysctl.conf` to `/etc/sysctl.conf`, and we come after it.
#[must_use]
pub fn sysctl_conf(settled: &Settled) -> Option<(HostPath, String)> {
    let lines = settled.sysctls.iter().map(|(key, value)| format!("{key} = {}", one_line(value)));
    file("/etc/sysctl.d/zz-flyover.conf", lines)
}

/// Options of a module as modprobe and the kernel take them: `a=1 b="two words"`.
#[must_use]
pub(crate) fn option_words(options: &BTreeMap<String, String>) -> String {
    let word = |(key, value): (&String, &String)| match (one_line(key), one_line(value)) {
        (key, value) if value.contains(' ') => format!("{key}=\"{value}\""),
        (key, value) => format!("{key}={value}"),
    };
    options.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn file(path: &str, lines: impl Iterator<Item = String>) -> Option<(HostPath, String)> {
    let body: String = lines.map(|line| closed(&line)).collect();
    let path: HostPath = path.parse().expect("our own paths are absolute");
    (!body.is_empty()).then(|| (path, format!("{HEADER}\n{body}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(key: &str, value: &str) -> String {
        option_words(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_value_it_adds_no_line(value in "(?s).{0,20}") {
            let (_, text) = file("/etc/modprobe.d/flyover.conf", [words("a", &value), "last".to_owned()].into_iter())
                .unwrap();
            prop_assert_eq!(text.lines().count(), 3);
            prop_assert!(!text.contains("\\\n"));
        }
    }

    #[test]
    fn a_value_with_blanks_is_quoted_as_the_kernel_reads_it() {
        assert_eq!(words("ids", "8086:10fb,8086:1572"), "ids=8086:10fb,8086:1572");
        assert_eq!(words("dyndbg", "file a.c +p"), "dyndbg=\"file a.c +p\"");
    }

    #[test]
    fn there_is_no_file_of_nothing() {
        assert_eq!(file("/etc/modprobe.d/flyover.conf", std::iter::empty()), None);
    }
}
