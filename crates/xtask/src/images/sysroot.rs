//! What programs are linked with beside Rust's own: archives of Debian's packages, for each architecture.
//!
//! Those for arm64 are unpacked below target/tools, since the machine itself has none. Invariant: its own packages and
//! its choice of architectures are not touched; a folder that is there is whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flyover_bundle::Architecture;
use flyover_host::cmd::Cmd;
use flyover_testkit::apt::Apt;

/// Of C's own library, of what unwinds, and of the two libraries of libbpf.
const ARCHIVES: [&str; 4] = ["libc6-dev", "libgcc-12-dev", "libelf-dev", "zlib1g-dev"];
/// Headers without which C's own are not whole.
const HEADERS: &str = "linux-libc-dev";

/// Stands in for the machine's libraries where those are of another architecture; it is fetched unless it is there.
pub(super) fn of(root: &Path, architecture: Architecture) -> anyhow::Result<Option<PathBuf>> {
    if architecture == Architecture::Amd64 {
        return Ok(None);
    }
    let tools = root.join("target/tools");
    let (sysroot, part) = (tools.join("sysroot-arm64"), tools.join("sysroot-arm64.part"));
    if !sysroot.exists() {
        fetch(&tools, &part).context("failed to fetch what programs for arm64 are linked with")?;
        fs::rename(&part, &sysroot)?;
    }
    Ok(Some(sysroot))
}

fn fetch(tools: &Path, part: &Path) -> anyhow::Result<()> {
    if part.exists() {
        fs::remove_dir_all(part)?;
    }
    let packages: Vec<String> = ARCHIVES.iter().chain([&HEADERS]).map(|&name| name.to_owned()).collect();
    let versions = Apt::foreign(&tools.join("apt-arm64"), "arm64")?.unpack(&packages, part)?;
    Ok(fs::write(part.join("packages"), versions.join("\n"))?)
}

/// Names and versions of the packages whose archives are linked.
pub(super) fn archives(root: &Path, architecture: Architecture) -> anyhow::Result<Vec<(String, String)>> {
    let versions = match of(root, architecture)? {
        None => {
            let mine = ARCHIVES.map(|name| format!("{name}:amd64"));
            Cmd::new("dpkg-query")
                .args(["--show", "--showformat=${Package} ${Version}\n"])
                .args(mine)
                .run()?
        }
        Some(sysroot) => fs::read_to_string(sysroot.join("packages"))?,
    };
    let all = versions.lines().filter_map(|line| line.split_once(' '));
    let linked = all.filter(|(name, _)| ARCHIVES.contains(name));
    Ok(linked.map(|(name, version)| (name.to_owned(), version.to_owned())).collect())
}
