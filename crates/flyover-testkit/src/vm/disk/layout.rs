//! From a tree to a disk that boots: an MBR, GRUB behind it, and one ext4 file system.
//!
//! Invariant: no loop device and no mount. `mke2fs` fills the file system from the tree, and GRUB's first two
//! stages are bytes at known places: its boot sector looks for the rest right behind itself.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use flyover_host::cmd::Cmd;

const SECTOR: usize = 512;
/// Where the file system begins; GRUB lies below.
const START: u64 = 1024 * 1024;
/// Sparse: what is not written takes no room.
const SIZE: u64 = 3 * 1024 * 1024 * 1024;

/// Boot code in the first sector; what follows is the partition table.
const BOOT_CODE: usize = 440;

/// What GRUB needs to find and read its configuration, and to run the one of the first boot.
const GRUB_MODULES: &str = "biosdisk part_msdos ext2 search search_label search_fs_uuid normal configfile serial \
    terminal linux echo boot";

const FIRST_CONFIG: &str = include_str!("guest/grub-first.cfg");

/// Everything that decides how the disk is laid out.
pub(super) fn recipe() -> String {
    format!("{START} {SIZE} {GRUB_MODULES} {FIRST_CONFIG}")
}

/// Writes `tree` to a raw disk. It is completed by what goes with the disk, not with packages.
pub(super) fn write(tree: &Path, disk: &Path) -> anyhow::Result<()> {
    for folder in ["dev", "proc", "sys", "run"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    let core = grub(tree).context("failed to put GRUB together")?;
    ensure!((SECTOR + core.len()) as u64 <= START, "GRUB does not fit before the first partition");
    let file = File::create(disk).with_context(|| format!("failed to create `{}`", disk.display()))?;
    file.set_len(SIZE)?;
    Cmd::new("/sbin/mke2fs")
        .args(["-q", "-t", "ext4", "-L", "flyover", "-E", &format!("offset={START},lazy_itable_init=1")])
        // GRUB 2.06 cannot read a file system with this one.
        .args(["-O", "^metadata_csum_seed", "-d"])
        .args([tree, disk])
        .args([format!("{}k", (SIZE - START) / 1024)])
        .timeout(Duration::from_secs(300))
        .run()?;
    let boot = fs::read(tree.join("usr/lib/grub/i386-pc/boot.img"))?;
    file.write_all_at(&boot_sector(&boot), 0)?;
    file.write_all_at(&core, SECTOR as u64)?;
    file.sync_all()?;
    Ok(())
}

/// Puts GRUB's modules and first configuration into the tree, and returns its second stage.
fn grub(tree: &Path) -> anyhow::Result<Vec<u8>> {
    let (from, to) = (tree.join("usr/lib/grub/i386-pc"), tree.join("boot/grub/i386-pc"));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "mod" || e == "lst") {
            fs::copy(&file, to.join(file.file_name().expect("an entry has a name")))?;
        }
    }
    fs::write(tree.join("boot/grub/grub.cfg"), FIRST_CONFIG.replace("RELEASE", &release(tree)?))?;
    fs::write(tree.join("boot/grub/device.map"), "(hd0) /dev/vda\n")?;
    let core = "/boot/grub/i386-pc/core.img";
    Cmd::new("chroot")
        .args([tree])
        .args(["grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub"])
        .args(GRUB_MODULES.split_whitespace())
        .run()?;
    Ok(fs::read(tree.join(core.trim_start_matches('/')))?)
}

/// The kernel's release, by the name of its image.
fn release(tree: &Path) -> anyhow::Result<String> {
    let names =
        fs::read_dir(tree.join("boot"))?.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    names
        .filter_map(|n| n.strip_prefix("vmlinuz-").map(str::to_owned))
        .next()
        .context("no kernel in the tree")
}

/// The first sector: GRUB's boot code, and one bootable Linux partition.
fn boot_sector(boot: &[u8]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[..BOOT_CODE].copy_from_slice(&boot[..BOOT_CODE]);
    sector[BOOT_CODE..BOOT_CODE + 4].copy_from_slice(b"flyo");
    // Cylinders, heads and sectors say "look at the numbers behind": 254, 63, 1023.
    let chs = [0xfe, 0xff, 0xff];
    let entry = &mut sector[446..462];
    (entry[0], entry[4]) = (0x80, 0x83);
    entry[1..4].copy_from_slice(&chs);
    entry[5..8].copy_from_slice(&chs);
    let sectors = |bytes: u64| u32::try_from(bytes / SECTOR as u64).expect("the disk is smaller than 2 TiB");
    entry[8..12].copy_from_slice(&sectors(START).to_le_bytes());
    entry[12..16].copy_from_slice(&sectors(SIZE - START).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sector_names_one_bootable_linux_partition() {
        let sector = boot_sector(&[0x90; 512]);
        assert_eq!(sector[..440], [0x90; 440]);
        let words = |at: usize| u32::from_le_bytes(sector[at..at + 4].try_into().unwrap());
        assert_eq!((sector[446], sector[450], words(454), words(458)), (0x80, 0x83, 2048, 6_289_408));
        assert_eq!(sector[462..510], [0; 48]);
        assert_eq!(sector[510..], [0x55, 0xaa]);
    }
}
