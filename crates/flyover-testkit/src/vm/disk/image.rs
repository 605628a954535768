//! The disk that every test starts from: made once, kept as long as its recipe is the same.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use super::POWER_OFF;
use super::qemu::{Disk, Qemu};
use super::{debian, layout};
use crate::vm::Hardware;

/// Made in the guest, as a node's is: a later `update-grub` with the same settings writes the same bytes.
const FIRST_BOOT: &str = "set -e\nsystemctl is-system-running --wait || systemctl --failed\nupdate-grub\n\
    grep -q 'root=UUID=' /boot/grub/grub.cfg\nsync\n";

/// A disk with a Debian 12 that boots by GRUB. It is never written to: see [`super::DiskVm`].
#[derive(Clone, Debug)]
pub struct Image {
    disk: PathBuf,
}

impl Image {
    /// The one in `store`, made there if there is none of today's recipe. That takes root and minutes.
    pub fn get(store: &Path) -> anyhow::Result<Self> {
        Self::with(store, &[])
    }

    /// The same with `more` packages. A store keeps one image and nothing else, so this takes a store of its own.
    pub fn with(store: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let recipe = [debian::recipe(more)?, layout::recipe(), FIRST_BOOT.into()].concat();
        let hash: String = Sha256::digest(recipe).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let disk = store.join(format!("debian-12-{hash}.raw"));
        fs::create_dir_all(store)?;
        // Whoever comes second takes what the first has made.
        let lock = File::create(store.join("lock"))?;
        lock.lock().with_context(|| format!("failed to lock `{}`", store.display()))?;
        if !disk.exists() {
            make(store, &disk, more).context("failed to make the disk of a node")?;
        }
        Ok(Self { disk: disk.canonicalize()? })
    }

    pub(super) fn disk(&self) -> &Path {
        &self.disk
    }
}

/// Whole or not at all: what is interrupted leaves a folder that nobody takes for an image, and the next one
/// removes. So are images of older recipes.
fn make(store: &Path, disk: &Path, more: &[&str]) -> anyhow::Result<()> {
    for old in fs::read_dir(store)? {
        let old = old?.path();
        if old.is_dir() {
            fs::remove_dir_all(old)?;
        } else if old.extension().is_some_and(|e| e == "raw") {
            fs::remove_file(old)?;
        }
    }
    let folder = tempfile::Builder::new().prefix("making-").tempdir_in(store)?;
    let part = folder.path().join("disk.raw");
    layout::write(&debian::make(folder.path(), more)?, &part)?;
    first_boot(&part)?;
    fs::rename(part, disk)?;
    Ok(())
}

fn first_boot(disk: &Path) -> anyhow::Result<()> {
    let sockets = tempfile::tempdir()?;
    let disk = Disk { path: disk, format: "raw" };
    let mut qemu = Qemu::start(Hardware::Node { iommu: true }, disk, sockets.path())?;
    let limit = Duration::from_secs(300);
    qemu.agent.ready("", limit, &mut qemu.console)?;
    let output = qemu.agent.run(FIRST_BOOT, limit, &mut qemu.console)?;
    ensure!(output.status == 0, "the first boot failed: {}", output.text);
    qemu.agent.run(POWER_OFF, limit, &mut qemu.console)?;
    qemu.wait(limit)
}
