//! Files, whole.
//!
//! Directories made for a file are known from what was found, and go with it when they are empty. Who reads files of
//! a directory only when told (systemd, udev) is told.

use flyover_core::{Action, FileAt, HostPath};

use super::{Hand, QUICK, has_room, refused};
use crate::root::{HostError, HostRoot};

/// Directories above a path that are not there, the deepest first.
pub(crate) fn missing_above(host: &HostRoot, path: &HostPath) -> Vec<HostPath> {
    let mut missing = Vec::new();
    let mut next = path.parent();
    while let Some(directory) = next.filter(|directory| !host.exists(directory)) {
        next = directory.parent();
        missing.push(directory);
    }
    missing
}

/// The file at a path as it is, with the directories it would need.
pub(super) fn found_at(host: &HostRoot, path: &HostPath) -> Result<FileAt, HostError> {
    let file = host.file(path)?;
    let dirs = if file.is_none() { missing_above(host, path) } else { Vec::new() };
    Ok(FileAt { path: path.clone(), file, dirs })
}

/// Brings the file to the state, and touches nothing that is so already.
pub(super) fn settle(host: &HostRoot, wanted: &FileAt) -> Result<(), HostError> {
    host.clear_unfinished(&wanted.path);
    let now = host.file(&wanted.path)?;
    match &wanted.file {
        Some(file) if now.as_ref() != Some(file) => {
            if let Some(directory) = wanted.path.parent() {
                host.make_directory(&directory)?;
            }
            host.replace_file(&wanted.path, file)?;
            tracing::info!(path = %wanted.path, "file replaced");
        }
        None if now.is_some() => {
            host.remove_file(&wanted.path)?;
            tracing::info!(path = %wanted.path, "file removed");
        }
        _ => {}
    }
    if wanted.file.is_none() {
        wanted.dirs.iter().try_for_each(|directory| host.remove_empty_directory(directory))?;
    }
    Ok(())
}

/// Tells who would not look by himself.
fn tell(host: &HostRoot, path: &HostPath) -> Result<(), HostError> {
    let below = |directory: &str| path.as_path().starts_with(directory);
    let runs = |sign: &str| host.exists(&HostPath::fixed(sign));
    if below("/etc/systemd/system") && runs("/run/systemd/system") {
        host.run("systemctl", &["daemon-reload"], QUICK)?;
    }
    if below("/etc/udev/rules.d") && runs("/run/udev/control") {
        host.run("udevadm", &["control", "--reload"], QUICK)?;
    }
    Ok(())
}

impl Hand for FileAt {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        let there = host.path(&self.path).symlink_metadata();
        if there.is_ok_and(|meta| !meta.is_file()) {
            return Err(refused(
                format!("`{}` is a link, a directory or a device, and is not replaced", self.path),
                "choose another path, or move it away",
            ));
        }
        let directory = self.path.parent().unwrap_or_else(|| self.path.clone());
        has_room(host, &directory, self.file.as_ref().map_or(0, |file| file.content.0.len() as u64))
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::File(found_at(host, &self.path)?))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(host.file(&self.path)? == self.file)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        settle(host, self)?;
        tell(host, &self.path)
    }
}
