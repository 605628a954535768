//! What runs: services as files in `/run/systemd/model/active`, mounts in the table of mounts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::systemd::{ETC, SEEN, Unit, find, note, on_disk};
use super::{Machine, at, other};

impl Unit {
    fn text(&self, root: &Path) -> String {
        let file = self.file.as_ref().map(|file| at(root, &file.to_string_lossy()));
        file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default().replace("\\\n", " ")
    }

    fn value(&self, root: &Path, key: &str) -> Option<String> {
        let text = self.text(root);
        let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.replace("%%", "%"));
        text.lines().find_map(value)
    }

    fn sign(&self, root: &Path) -> PathBuf {
        at(root, &format!("/run/systemd/model/active/{}", self.name))
    }

    /// Where a unit of a mount mounts.
    fn mount_point(&self, root: &Path) -> Option<String> {
        self.value(root, "Where").filter(|_| self.name.ends_with(".mount"))
    }

    pub(super) fn is_active(&self, root: &Path) -> bool {
        let Some(path) = self.mount_point(root) else { return self.sign(root).exists() };
        let table = fs::read_to_string(at(root, "/proc/self/mounts")).unwrap_or_default();
        table.lines().any(|line| line.split(' ').nth(1) == Some(&path))
    }
}

impl Machine {
    pub(super) fn stop(&self, root: &Path, unit: &Unit, really: bool) -> io::Result<()> {
        if !really || !unit.is_active(root) {
            return Ok(());
        }
        self.tick()?;
        match unit.mount_point(root) {
            Some(path) => self.mount(root, "umount", &[&path]).map(drop),
            None => fs::remove_file(unit.sign(root)),
        }
    }

    pub(super) fn start(&self, root: &Path, unit: &Unit) -> io::Result<()> {
        if unit.masked {
            return Err(other(format!("Unit {} is masked.", unit.name)));
        }
        if on_disk(root)? != fs::read_to_string(at(root, SEEN))? {
            return Err(other("units changed on disk and nobody ran daemon-reload"));
        }
        if unit.file.is_none() {
            return Err(other(format!("Unit {} not found.", unit.name)));
        }
        if let Some(path) = unit.mount_point(root) {
            return self.start_mount(root, unit, &path);
        }
        for line in unit.text(root).lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let script = line.trim_start_matches('-').strip_prefix("/bin/sh -c '");
            // Other programs do nothing that could be seen.
            let Some(script) = script.and_then(|script| script.strip_suffix('\'')) else { continue };
            if !self.script(root, script)? && !line.starts_with('-') {
                return Err(other(format!("Job for {} failed.", unit.name)));
            }
        }
        fs::write(unit.sign(root), "")
    }

    /// The mount point is made where there is none; nobody takes it away.
    fn start_mount(&self, root: &Path, unit: &Unit, path: &str) -> io::Result<()> {
        if unit.is_active(root) {
            return Ok(());
        }
        self.tick()?;
        fs::create_dir_all(at(root, path))?;
        self.tick()?;
        let options = unit.value(root, "Options").unwrap_or_default();
        let offered = at(root, "/sys/kernel/mm/hugepages/hugepages-1048576kB").exists();
        if options.contains("pagesize=1G") && !offered {
            return Err(other("mount: unsupported page size"));
        }
        let words = ["-t", "hugetlbfs", "-o", &options, "hugetlbfs", path];
        self.mount(root, "mount", &words).map(drop)
    }

    /// What starts at boot.
    pub(super) fn start_enabled(&self, root: &Path) -> io::Result<()> {
        note(root)?;
        let wants = at(root, &format!("{ETC}/multi-user.target.wants"));
        let entries = fs::read_dir(wants).into_iter().flatten();
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        // A unit that fails leaves the others be.
        names
            .iter()
            .map(|name| find(root, name))
            .filter(|unit| !unit.masked)
            .for_each(|unit| drop(self.start(root, &unit)));
        Ok(())
    }
}
