//! Debian kernels, fetched once and unpacked below a folder of ours.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use flyover_host::cmd::Cmd;

use crate::apt::Apt;

/// Where a kernel comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The machine's own release, by this metapackage.
    Own(&'static str),
    /// The newest of another suite, by this metapackage: it moves on, so a newer kernel than named is right.
    Newest(&'static str, &'static str),
}

/// The kernels we know how to get, by the names people ask for them.
pub const KNOWN: [(&str, Origin); 3] = [
    ("6.1", Origin::Own("linux-image-amd64")),
    ("6.12", Origin::Own("linux-image-6.12-amd64")),
    ("7.2", Origin::Newest("sid", "linux-image-amd64")),
];

/// Reading the modules of a kernel on a busy machine.
const SLOW: Duration = Duration::from_secs(300);

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The name it was asked for by, e.g. `6.1`.
    pub name: String,
    /// What `uname -r` says there.
    pub release: String,
    folder: PathBuf,
}

impl Kernel {
    /// The kernel `name`, from `store` if it is there already.
    pub fn get(name: &str, store: &Path) -> anyhow::Result<Self> {
        let Some((_, origin)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = KNOWN.iter().map(|(known, _)| *known).collect();
            bail!("there is no recipe for kernel `{name}`, only for {}", names.join(", "));
        };
        let folder = store.join(name);
        if !folder.join("release").exists() {
            fetch(name, *origin, store).with_context(|| format!("failed to fetch kernel {name}"))?;
        }
        let release = fs::read_to_string(folder.join("release"))?;
        Ok(Self { name: name.to_owned(), release, folder })
    }

    /// The image to boot.
    pub fn vmlinuz(&self) -> anyhow::Result<PathBuf> {
        // Since 6.17 or so Debian keeps the image beside the modules.
        let places = [
            format!("image/boot/vmlinuz-{}", self.release),
            format!("image/lib/modules/{}/vmlinuz", self.release),
        ];
        let found = places.iter().map(|p| self.folder.join(p)).find(|p| p.is_file());
        found.with_context(|| format!("no vmlinuz of {} in `{}`", self.release, self.folder.display()))
    }

    /// The folder of its modules.
    pub fn modules(&self) -> PathBuf {
        self.folder.join("image/lib/modules").join(&self.release)
    }
}

fn fetch(name: &str, origin: Origin, store: &Path) -> anyhow::Result<()> {
    let (apt, meta, moving) = match origin {
        Origin::Own(meta) => (Apt::own(&store.join("apt/own"))?, meta, false),
        Origin::Newest(suite, meta) => (Apt::other(&store.join("apt").join(suite), suite)?, meta, true),
    };
    let depends = apt.depends(meta)?;
    let image = depends.iter().find(|d| is_image(d)).with_context(|| format!("`{meta}` names no image"))?;
    let release = image.trim_start_matches("linux-image-");
    ensure!(serves(release, name, moving), "`{meta}` is {release} now");

    // Whole or not at all: an interrupted fetch leaves only the `.part`.
    let part = store.join(format!("{name}.part"));
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    apt.unpack(&packages(&apt, image, release)?, &part.join("image"))?;
    finish(&part.join("image"), release)?;
    fs::write(part.join("release"), release)?;
    fs::rename(&part, store.join(name))?;
    Ok(())
}

fn is_image(package: &str) -> bool {
    package.strip_prefix("linux-image-").is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
}

/// The image and, where Debian splits it, its parts.
fn packages(apt: &Apt, image: &str, release: &str) -> anyhow::Result<Vec<String>> {
    let split = |p: &String| p.starts_with("linux-modules-") || p.starts_with("linux-binary-");
    let mut packages = vec![image.to_owned()];
    packages.extend(apt.depends(image)?.into_iter().filter(split));
    // Lists of what is built in, without which depmod and modprobe miss half of what there is.
    let base = format!("linux-base-{release}");
    if apt.knows(&base) {
        packages.push(base);
    }
    Ok(packages)
}

fn finish(image: &Path, release: &str) -> anyhow::Result<()> {
    // One place for modules, whether the package merged /usr or not.
    if !image.join("lib").exists() {
        symlink("usr/lib", image.join("lib"))?;
    }
    Cmd::new("/sbin/depmod")
        .args(["-b".as_ref(), image.as_os_str(), release.as_ref()])
        .timeout(SLOW)
        .run()?;
    Ok(())
}

/// Whether a release is what the name asks for; a suite that moves may give a newer one.
fn serves(release: &str, name: &str, moving: bool) -> bool {
    let version = |s: &str| {
        let mut numbers = s.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    };
    let (is, asked) = (version(release), version(name));
    is == asked || (moving && is > asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_serves_the_name_it_begins_with() {
        assert!(serves("6.1.0-56-amd64", "6.1", false));
        assert!(!serves("6.12.117+deb12-amd64", "6.1", false));
        assert!(serves("7.3.1+deb14-amd64", "7.2", true));
        assert!(!serves("6.18.3+deb14-amd64", "7.2", true));
    }

    #[test]
    fn an_unknown_kernel_is_refused_with_the_names_of_the_known() {
        let error = Kernel::get("2.4", Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.to_string(), "there is no recipe for kernel `2.4`, only for 6.1, 6.12, 7.2");
    }
}
