//! What a rig may not leave: processes in its namespace, mounts below its folder, and names of programs that died.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use anyhow::{Context, ensure};
use flyover_net::netns::Netns;

const PREFIX: &str = "fo-ovs-";

/// The name of this program's rig with that number.
pub(super) fn name(number: u32) -> String {
    format!("{PREFIX}{}-{number}", process::id())
}

/// Takes away the namespaces of programs that were killed. Their processes died with them.
pub(super) fn sweep() -> anyhow::Result<()> {
    for name in Netns::list()? {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).map(|(owner, _)| owner);
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            Netns::delete(&name)?;
        }
    }
    Ok(())
}

/// Fails if there are processes in the namespace or mounts below the folder.
pub(super) fn none(namespace: &str, folder: &Path) -> anyhow::Result<()> {
    let named = fs::metadata(Path::new("/run/netns").join(namespace))?;
    let inside = |id: &str| {
        let theirs = fs::metadata(Path::new("/proc").join(id).join("ns/net"));
        theirs.is_ok_and(|theirs| (theirs.dev(), theirs.ino()) == (named.dev(), named.ino()))
    };
    let entries = fs::read_dir("/proc").context("failed to list processes")?.flatten();
    let ids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ids = ids.filter(|id| id.bytes().all(|b| b.is_ascii_digit()) && inside(id));
    let running: Vec<String> = ids.map(|id| format!("{id} ({})", command(&id))).collect();
    ensure!(running.is_empty(), "processes still run in {namespace}: {}", running.join(", "));

    let mounts = fs::read_to_string("/proc/self/mountinfo").context("failed to list mounts")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let below: Vec<&str> = targets.filter(|target| Path::new(target).starts_with(folder)).collect();
    ensure!(below.is_empty(), "still mounted: {}", below.join(", "));
    Ok(())
}

fn command(id: &str) -> String {
    fs::read_to_string(Path::new("/proc").join(id).join("comm")).unwrap_or_default().trim().to_owned()
}
