//! What a rig may not leave: processes in its namespace, mounts below its folder. And what programs left that were killed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use anyhow::{Context, ensure};
use flyover_net::netns::Netns;

/// Before the owner's id in a namespace's name, and in a folder's.
const PREFIX: &str = "fo-ovs-";
const FOLDER: &str = "fo";
/// Where folders are. A socket's path may have 107 bytes, so all that are left are for those who put sockets there.
pub(super) const PLACE: &str = "/tmp";

/// The name of this program's rig with that number.
pub(super) fn name(number: u32) -> String {
    format!("{PREFIX}{}-{number}", process::id())
}

/// How the folders of this program's rigs begin.
pub(super) fn folder_prefix() -> String {
    format!("{FOLDER}{}-", process::id())
}

/// Takes away the namespaces and folders of programs that were killed. Their processes died with them. A folder that
/// something is mounted in stays: what lies below the mount need not be ours.
pub(super) fn sweep() -> anyhow::Result<()> {
    for name in Netns::list()? {
        if is_of_dead(&name, PREFIX) {
            Netns::delete(&name)?;
        }
    }
    for entry in fs::read_dir(PLACE).with_context(|| format!("failed to list `{PLACE}`"))?.flatten() {
        let path = entry.path();
        if is_of_dead(&entry.file_name().to_string_lossy(), FOLDER) && mounts(&path)?.is_empty() {
            match fs::remove_dir_all(&path) {
                // Another program sweeps as well.
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("failed to remove `{}`", path.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a name bears the id of a process that is no more.
fn is_of_dead(name: &str, prefix: &str) -> bool {
    let owner = name.strip_prefix(prefix).and_then(|rest| rest.split_once('-')).map(|(owner, _)| owner);
    let owner = owner.filter(|owner| owner.bytes().all(|b| b.is_ascii_digit()) && !owner.is_empty());
    owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists())
}

/// What is mounted below a folder.
fn mounts(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("failed to list mounts")?;
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(targets.filter(|target| Path::new(target).starts_with(folder)).map(str::to_owned).collect())
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

    let below = mounts(folder)?;
    ensure!(below.is_empty(), "still mounted: {}", below.join(", "));
    Ok(())
}

fn command(id: &str) -> String {
    fs::read_to_string(Path::new("/proc").join(id).join("comm")).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_the_id_of_a_dead_process_is_swept() {
        let own = process::id();
        let names =
            [format!("fo{own}-x"), "fo4194305-x".into(), "fo-x".into(), "fox-y".into(), "fo41".into()];
        let dead: Vec<bool> = names.iter().map(|name| is_of_dead(name, FOLDER)).collect();
        assert_eq!(dead, [false, true, false, false, false]);
    }
}
