//! Mounts of hugepages: what is mounted already, and what stands in the way.
//!
//! Source: `hugetlbfs_show_options()` of fs/hugetlbfs/inode.c for what the kernel prints.

use flyover_api::HugepageMountSpec;
use flyover_core::facts::HugetlbMount;
use flyover_core::{FileMode, HostPath, HugepageSize, Refusal};

use super::Draft;
use super::files::in_one_line;
use super::hugepages::{Offer, no_such_size, offer};

/// Directories whose content a mount would hide from the host.
const NEEDED: [&str; 14] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/root", "/run", "/sbin", "/tmp", "/usr",
    "/var",
];

/// What the kernel takes when a mount does not say.
const DEFAULT_MODE: u32 = 0o755;

pub(super) fn settle(draft: &mut Draft<'_>) {
    let mounts = &draft.spec.hugepages.mounts;
    for (i, mount) in mounts.iter().enumerate() {
        let field = format!("hugepages.mounts[{i}]");
        if let Some(refusal) = refusal(draft, &field, i) {
            draft.refuse(refusal);
            continue;
        }
        match draft.facts.memory.mounts.iter().find(|there| there.path == mount.path) {
            None => draft.settled.mounts.push(mount.clone()),
            Some(there) if is_as(there, mount, draft.facts.memory.default_hugepage) => {
                draft.note(format!("{} is mounted as asked already, and not by Flyover", mount.path));
            }
            Some(there) => {
                let refusal = Refusal::impossible(
                    format!("{field}.path"),
                    format!(
                        "{} is mounted by somebody else with other options ({})",
                        there.path, there.options
                    ),
                );
                draft.refuse(
                    refusal.hint(format!("choose another directory: /dev/hugepages-{}", mount.page_size)),
                );
            }
        }
    }
    if !draft.settled.mounts.is_empty() && !draft.facts.os.systemd {
        draft.note("systemd does not run this host, so mounts of hugepages do not come back after a boot");
    }
    draft.settled.mounts.sort_by(|a, b| a.path.cmp(&b.path));
}

fn refusal(draft: &Draft<'_>, field: &str, at: usize) -> Option<Refusal> {
    let mounts = &draft.spec.hugepages.mounts;
    let mount = &mounts[at];
    let path = format!("{field}.path");
    if let Some(i) = mounts[..at].iter().position(|other| other.path == mount.path) {
        let what = format!("{} is asked for at hugepages.mounts[{i}] too", mount.path);
        return Some(Refusal::invalid(path, what).hint("keep one of them"));
    }
    if let Some(refusal) = in_one_line(&path, &mount.path) {
        return Some(refusal);
    }
    if hides_the_host(&mount.path) {
        let what = format!("a mount at {} would hide what the host needs", mount.path);
        return Some(Refusal::invalid(path, what).hint(format!("say /dev/hugepages-{}", mount.page_size)));
    }
    if offer(draft.facts, mount.page_size) == Offer::Never {
        return Some(no_such_size(draft.facts, &format!("{field}.pageSize"), mount.page_size));
    }
    let size = mount.size.as_ref()?;
    match bytes(size) {
        Some(bytes) if bytes >= mount.page_size.kib() * 1024 => None,
        Some(_) => Some(Refusal::invalid(
            format!("{field}.size"),
            format!("{size} is less than one page of {}", mount.page_size),
        )),
        None => Some(
            Refusal::invalid(format!("{field}.size"), format!("`{size}` is not an amount of memory"))
                .hint("a number with K, M or G: 2G"),
        ),
    }
}

fn hides_the_host(path: &HostPath) -> bool {
    let path = path.as_str();
    NEEDED.contains(&path)
        || ["/proc", "/sys"].iter().any(|top| path == *top || path.starts_with(&format!("{top}/")))
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: u64 = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Whether a mount does what is asked. What is not asked does not matter.
fn is_as(there: &HugetlbMount, asked: &HugepageMountSpec, default: Option<HugepageSize>) -> bool {
    let option = |name: &str| {
        there
            .options
            .split(',')
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let mode = || option("mode").map_or(Some(DEFAULT_MODE), |mode| u32::from_str_radix(&mode, 8).ok());
    there.size.or(default) == Some(asked.page_size)
        && asked.mode.is_none_or(|asked| mode().and_then(FileMode::new) == Some(asked))
        && asked.gid.is_none_or(|gid| option("gid").map_or(Some(0), |there| there.parse().ok()) == Some(gid))
        && asked
            .size
            .as_ref()
            .is_none_or(|size| option("size").and_then(|there| bytes(&there)) == bytes(size))
}
