//! systemd: enablement as links in `/etc/systemd/system`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::setup::put;
use super::{Machine, at, other};

pub(super) const ETC: &str = "/etc/systemd/system";
pub(super) const SEEN: &str = "/run/systemd/model/seen";

/// A unit as the manager knows it.
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) file: Option<PathBuf>,
    pub(super) masked: bool,
}

pub(super) fn find(root: &Path, asked: &str) -> Unit {
    let in_etc = at(root, &format!("{ETC}/{asked}"));
    if let Ok(target) = fs::read_link(&in_etc) {
        let masked = target == Path::new("/dev/null");
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).filter(|_| !masked);
        return match name {
            Some(name) if name != asked => find(root, &name),
            _ => Unit { name: asked.to_owned(), file: None, masked },
        };
    }
    let path =
        [ETC, "/usr/lib/systemd/system"].map(|directory| PathBuf::from(format!("{directory}/{asked}")));
    let file = path.into_iter().find(|path| at(root, &path.to_string_lossy()).is_file());
    Unit { name: asked.to_owned(), file, masked: false }
}

impl Unit {
    /// Links that enabling makes, with what they name.
    fn links(&self, root: &Path) -> Vec<(String, PathBuf)> {
        let Some(file) = &self.file else { return Vec::new() };
        let text = fs::read_to_string(at(root, &file.to_string_lossy())).unwrap_or_default();
        let link = |line: &str| match line.split_once('=')? {
            ("WantedBy", target) => Some(format!("{ETC}/{target}.wants/{}", self.name)),
            ("Alias", alias) => Some(format!("{ETC}/{alias}")),
            _ => None,
        };
        text.lines().filter_map(link).map(|link| (link, file.clone())).collect()
    }

    fn enablement(&self, root: &Path) -> &'static str {
        let links = self.links(root);
        match self {
            Self { masked: true, .. } => "masked",
            Self { file: None, .. } => "",
            _ if links.is_empty() => "static",
            _ if links.iter().any(|(link, _)| at(root, link).is_symlink()) => "enabled",
            _ => "disabled",
        }
    }

    fn show(&self, root: &Path) -> String {
        let load = match self {
            Self { masked: true, .. } => "masked",
            Self { file: None, .. } => "not-found",
            _ => "loaded",
        };
        format!(
            "Id={}\nNames={0}\nLoadState={load}\nUnitFileState={}\nActiveState={}\nFragmentPath={}\n",
            self.name,
            self.enablement(root),
            if self.is_active(root) { "active" } else { "inactive" },
            self.file.as_deref().unwrap_or(Path::new("")).display(),
        )
    }
}

/// What the manager has read of the units in `/etc`.
pub(super) fn on_disk(root: &Path) -> io::Result<String> {
    let mut seen = String::new();
    let mut names: Vec<_> =
        fs::read_dir(at(root, ETC))?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let path = at(root, &format!("{ETC}/{name}"));
        if path.is_file() && !path.is_symlink() {
            seen.push_str(&format!("{name}: {:?}\n", fs::read_to_string(path)?));
        }
    }
    Ok(seen)
}

/// The manager reads its units.
pub(super) fn note(root: &Path) -> io::Result<()> {
    put(root, SEEN, &on_disk(root)?)
}

impl Machine {
    pub(super) fn systemctl(&self, root: &Path, args: &[&str]) -> io::Result<String> {
        let now = args.contains(&"--now");
        let words: Vec<&str> = args.iter().copied().filter(|arg| !arg.starts_with("--")).collect();
        let unit = words.get(1).map(|name| find(root, name));
        match (words.as_slice(), unit) {
            (["show", units @ ..], _) => {
                let blocks = units.iter().map(|name| find(root, name).show(root));
                return Ok(blocks.collect::<Vec<_>>().join("\n"));
            }
            (["daemon-reload"], _) => note(root)?,
            (["reboot"], _) => self.boot(root)?,
            (["enable", _], Some(unit)) => self.enable(root, &unit)?,
            (["disable", _], Some(unit)) => {
                self.disable(root, &unit)?;
                self.stop(root, &unit, now)?;
            }
            (["mask", _], Some(unit)) => {
                let link = at(root, &format!("{ETC}/{}", unit.name));
                if !unit.masked {
                    symlink("/dev/null", link)?;
                }
                note(root)?;
                self.stop(root, &unit, now)?;
            }
            (["unmask", _], Some(unit)) if unit.masked => {
                fs::remove_file(at(root, &format!("{ETC}/{}", unit.name)))?;
                note(root)?;
            }
            (["unmask", _], _) => {}
            (["start", _], Some(unit)) => self.start(root, &unit)?,
            (["stop", _], Some(unit)) => self.stop(root, &unit, true)?,
            _ => return Err(other(format!("systemctl: what is {args:?}?"))),
        }
        Ok(String::new())
    }

    fn enable(&self, root: &Path, unit: &Unit) -> io::Result<()> {
        if unit.masked || unit.file.is_none() {
            return Err(other(format!("Failed to enable unit: {} is masked or not there", unit.name)));
        }
        for (link, target) in unit.links(root) {
            let link = at(root, &link);
            link.parent().map_or(Ok(()), fs::create_dir_all)?;
            if !link.is_symlink() {
                self.tick()?;
                symlink(target, link)?;
            }
        }
        note(root)
    }

    fn disable(&self, root: &Path, unit: &Unit) -> io::Result<()> {
        for (link, _) in unit.links(root) {
            let link = at(root, &link);
            if link.is_symlink() {
                self.tick()?;
                fs::remove_file(&link)?;
            }
            // systemd removes directories of links that it has emptied.
            if let Some(wants) = link.parent().filter(|parent| parent.to_string_lossy().ends_with(".wants")) {
                let _ = fs::remove_dir(wants);
            }
        }
        note(root)
    }
}
