//! Reduces files to the lines that are read of them, and takes out what looks like the name of one machine.

use flyover_core::{Bytes, HostPath};

use super::arguments::kept;
use super::ways::Aliases;
use crate::facts::CPU_FLAGS;
use crate::tree::{HostTree, Node};

/// Files of which only some lines are read, and by what these lines begin, blanks aside.
const LINES: [(&str, &[&str]); 6] = [
    ("/etc/os-release", &["ID=", "ID_LIKE=", "VERSION_ID=", "VARIANT_ID="]),
    ("/usr/lib/os-release", &["ID=", "ID_LIKE=", "VERSION_ID=", "VARIANT_ID="]),
    ("/etc/default/grub", &["GRUB_ENABLE_BLSCFG="]),
    ("/proc/meminfo", &["MemTotal:", "MemFree:", "MemAvailable:", "Hugepagesize:"]),
    (
        "/var/lib/kubelet/config.yaml",
        &["cpuManagerPolicy:", "topologyManagerPolicy:", "memoryManagerPolicy:", "reservedSystemCPUs:"],
    ),
    ("/etc/hosts", &[]),
];

/// Reduces each file that holds more than is read.
pub(super) fn reduce(tree: &mut HostTree, aliases: &Aliases) {
    for (path, node) in &mut tree.nodes {
        let Node::File { content, .. } = node else { continue };
        let text = String::from_utf8_lossy(&content.0).into_owned();
        if let Some(less) = reduced(path, &text, aliases) {
            *content = less.into();
        }
    }
}

fn reduced(path: &HostPath, text: &str, aliases: &Aliases) -> Option<String> {
    let path = path.as_str();
    if let Some((_, starts)) = LINES.iter().find(|(file, _)| *file == path) {
        let wanted = |line: &str| starts.iter().any(|start| line.trim_start().starts_with(start));
        return Some(only(text, wanted));
    }
    match path {
        "/proc/cpuinfo" => Some(first_processor(text)),
        "/proc/cmdline" => Some(format!("{}\n", kept(text))),
        "/proc/self/mounts" => Some(only(text, |line| line.contains(" hugetlbfs "))),
        _ if path.ends_with("/grub.cfg") => {
            Some(if text.contains("configfile") { "configfile\n" } else { "" }.to_owned())
        }
        _ if path.starts_with("/sys/devices/system/node/") && path.ends_with("/meminfo") => {
            Some(only(text, |line| line.contains("MemTotal:") || line.contains("MemFree:")))
        }
        _ if path.starts_with("/proc/") || path.starts_with("/sys/") => None,
        // A kubeconfig may be anywhere, behind a link.
        _ => Some(aliases.kubeconfig(text)),
    }
}

/// The lines that tell who made a processor, and the flags that decide something.
fn first_processor(text: &str) -> String {
    let kept = ["processor", "vendor_id", "model name", "CPU implementer", "CPU part"];
    let line = |line: &str| {
        let key = line.split(':').next()?.trim();
        let flags = line.split_whitespace().filter(|word| CPU_FLAGS.contains(word));
        match key {
            "flags" | "Features" => Some(format!("{key}\t: {}\n", flags.collect::<Vec<_>>().join(" "))),
            _ => kept.contains(&key).then(|| format!("{line}\n")),
        }
    };
    text.trim().lines().take_while(|line| !line.trim().is_empty()).filter_map(line).collect()
}

fn only(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| wanted(line)).map(|line| format!("{line}\n")).collect()
}

/// Puts zeros in place of UUIDs and machine ids, in paths, targets, texts and answers.
pub(super) fn scrub(tree: &mut HostTree) {
    let nodes = std::mem::take(&mut tree.nodes);
    for (path, mut node) in nodes {
        match &mut node {
            Node::File { content, .. } => {
                if let Some(text) = content.text().map(anonymous) {
                    *content = Bytes::from(text);
                }
            }
            Node::Link(target) => *target = anonymous(target),
            Node::Dir => {}
        }
        let path = anonymous(path.as_str()).parse().expect("zeros for hexadecimal digits keep a path a path");
        tree.put(path, node);
    }
    tree.answers = std::mem::take(&mut tree.answers).into_iter().map(|(c, o)| (c, anonymous(&o))).collect();
}

/// Lengths of the parts of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];
/// Digits of a machine id, of which a UUID without hyphens has as many.
const MACHINE_ID: usize = 32;

fn anonymous(text: &str) -> String {
    let of_name = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(rest.find(|c| !of_name(c)).unwrap_or(rest.len()));
        told += &nameless(run);
        let (other, next) = behind.split_at(behind.find(of_name).unwrap_or(behind.len()));
        told += other;
        rest = next;
    }
    told
}

/// A run of hexadecimal digits and hyphens, with zeros where it names something.
fn nameless(run: &str) -> String {
    let mut parts: Vec<String> = run.split('-').map(str::to_owned).collect();
    let lengths: Vec<usize> = parts.iter().map(String::len).collect();
    let uuids = lengths.windows(UUID.len()).enumerate().filter(|(_, window)| *window == UUID);
    let mut named: Vec<usize> = uuids.flat_map(|(at, _)| at..at + UUID.len()).collect();
    named.extend((0..parts.len()).filter(|at| lengths[*at] >= MACHINE_ID));
    for at in named {
        parts[at] = "0".repeat(lengths[at]);
    }
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_and_machine_ids_become_zeros_and_nothing_else_does() {
        assert_eq!(
            anonymous("root=UUID=3e1a9c5e-0000-4b6a-9d1d-0f1e2d3c4b5a cafe"),
            "root=UUID=00000000-0000-0000-0000-000000000000 cafe"
        );
        assert_eq!(
            anonymous("/x/0123456789abcdef0123456789abcdef-6.1.conf"),
            "/x/00000000000000000000000000000000-6.1.conf"
        );
        assert_eq!(anonymous("root=/dev/mapper/vg-root"), "root=/dev/mapper/vg-root");
    }
}
