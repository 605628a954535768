//! Takes over the maps that an earlier process of the instance pinned, with the flows they know.
//!
//! Programs of one layout can share maps, whatever their version: the new ones go on where the old ones were. Maps of
//! another layout are left to the programs that use them, and go with them.
//!
//! Invariant: the record that vouches for the pinned maps is taken away before they are replaced, and written after.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use libbpf_rs::skel::{OpenSkel, Skel};
use libbpf_rs::{MapCore, MapHandle};
use serde::{Deserialize, Serialize};

use crate::abi::LAYOUT;
use crate::instance::{Instance, InstanceError, failed, write_whole};
use crate::skel::{FlyoverSkel, OpenFlyoverSkel};
use crate::tcx;

/// The file of the record, in the instance's directory.
const FILE: &str = "maps.json";

/// What the pinned maps are.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    layout: u32,
    /// The network namespace whose devices they tell of.
    netns: u64,
}

impl Record {
    fn of_ours() -> Result<Self, InstanceError> {
        let here = Path::new("/proc/thread-self/ns/net");
        Ok(Self { layout: LAYOUT, netns: fs::metadata(here).map_err(failed("stat", here))?.ino() })
    }
}

/// What vouches for the pinned maps; a record that nobody could have written whole vouches for nothing.
fn found(instance: &Instance) -> Result<Option<Record>, InstanceError> {
    let file = instance.run_dir().join(FILE);
    match fs::read(&file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", &file)(e)),
    }
}

/// Whether what is pinned is of our layout, and of this namespace.
pub(crate) fn is_ours(instance: &Instance) -> Result<bool, InstanceError> {
    Ok(found(instance)? == Some(Record::of_ours()?))
}

/// Whether the instance ran in another network namespace before.
pub(crate) fn is_of_another_namespace(instance: &Instance) -> Result<bool, InstanceError> {
    let here = Record::of_ours()?.netns;
    Ok(found(instance)?.is_some_and(|record| record.netns != here))
}

/// Takes away what vouches for the pinned maps.
pub(crate) fn disown(instance: &Instance) -> Result<(), InstanceError> {
    let file = instance.run_dir().join(FILE);
    match fs::remove_file(&file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &file)(e)),
        _ => Ok(()),
    }
}

/// Vouches for them.
pub(crate) fn own(instance: &Instance) -> Result<(), InstanceError> {
    let json = serde_json::to_vec_pretty(&Record::of_ours()?).expect("plain data serialises");
    write_whole(&instance.run_dir().join(FILE), &json)
}

/// Makes the programs use the maps that are pinned there, if all are there and of the right shape; tells whether.
pub(crate) fn reuse(open: &mut OpenFlyoverSkel<'_>, dir: &Path) -> libbpf_rs::Result<bool> {
    let mut found = Vec::new();
    for map in open.open_object().maps() {
        let Some(pin) = pin_name(&map.name().to_string_lossy(), dir) else { continue };
        let Ok(handle) = MapHandle::from_pinned_path(&pin) else { return Ok(false) };
        let same = (map.map_type(), map.key_size(), map.value_size(), map.max_entries())
            == (handle.map_type(), handle.key_size(), handle.value_size(), handle.max_entries());
        if !same {
            return Ok(false);
        }
        found.push((pin, handle));
    }
    for mut map in open.open_object_mut().maps_mut() {
        let pin = pin_name(&map.name().to_string_lossy(), dir);
        if let Some((_, handle)) = found.iter().find(|(of, _)| pin.as_ref() == Some(of)) {
            map.reuse_fd(handle.as_fd())?;
        }
    }
    Ok(true)
}

/// Puts the variables of a map that was taken over where the skeleton looks for them: libbpf does so only for maps
/// that it made.
pub(crate) fn see_variables(skel: &mut FlyoverSkel<'_>) -> io::Result<()> {
    let map = skel.maps.bss.as_fd().as_raw_fd();
    let variables = skel.maps.bss_data.as_deref_mut().expect("the programs have variables");
    let (at, size) = (std::ptr::from_mut(variables), size_of_val(variables));
    // SAFETY: libbpf mapped whole pages at `at` for this map's variables, and unmaps them with the object; nobody
    // borrows them now, and they are replaced by pages of the same size and of the same layout.
    let mapped = unsafe {
        libc::mmap(
            at.cast(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED,
            map,
            0,
        )
    };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Pins all maps, each in place of an earlier one in one step.
pub(crate) fn pin(skel: &FlyoverSkel<'_>, dir: &Path) -> io::Result<()> {
    for map in skel.object().maps() {
        let Some(pin) = pin_name(&map.name().to_string_lossy(), dir) else { continue };
        // The BPF file system wants no dots in names.
        let fresh = PathBuf::from(format!("{}-new", pin.display()));
        // Left by a process that was killed here.
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        tcx::pin(map.as_fd(), &fresh)?;
        fs::rename(&fresh, &pin)?;
    }
    Ok(())
}

/// Where a map is pinned; none for the constants, which are each process's own.
fn pin_name(name: &str, dir: &Path) -> Option<PathBuf> {
    match name {
        name if name.ends_with(".rodata") => None,
        name if name.ends_with(".bss") => Some(dir.join("state")),
        name => Some(dir.join(name)),
    }
}
