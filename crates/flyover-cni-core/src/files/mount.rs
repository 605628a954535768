//! A directory put onto another one by descriptor, so that no name can be changed in between.
//!
//! Invariant: what a pod may write to is mounted without symbolic links, set-user-id, devices and execution; links in
//! it stay links to the switch.

#![expect(unsafe_code, reason = "the calls of the new mount interface have no safe wrapper")]

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::mount::{MntFlags, umount2};

use super::Beneath;
use crate::failpoint;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC.unsigned_abs();
const MOVE_MOUNT_BOTH_ARE_DESCRIPTORS: libc::c_uint = 0x04 | 0x40;
const NOSUID_NODEV_NOEXEC_NOSYMFOLLOW: u64 = 0x2 | 0x4 | 0x8 | 0x20_0000;

/// What `mount_setattr` is told.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Puts one directory onto another, unless something is there already.
pub fn graft(source: &Beneath, parent: &Beneath, name: &OsStr) -> io::Result<()> {
    if parent.is_covered(name)? {
        return Ok(());
    }
    let target = parent.uncovered(name)?;
    let tree = open_tree(source.as_fd())?;
    restrict(tree.as_fd())?;
    failpoint::before("mount");
    move_mount(tree.as_fd(), target.as_fd())
}

/// Takes away all that is mounted on a directory.
pub fn ungraft(parent: &Beneath, name: &OsStr) -> io::Result<()> {
    loop {
        match parent.is_covered(name) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        }
        failpoint::before("unmount");
        // A busy mount goes when its last user does; nobody else finds it any more.
        umount2(&parent.path().join(name), MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
}

fn open_tree(of: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH.unsigned_abs();
    // SAFETY: the descriptor is open as long as the borrow lives, and the path is an empty C string.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, of.as_raw_fd(), c"".as_ptr(), flags) };
    let fd = i32::try_from(done(fd)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn restrict(tree: BorrowedFd<'_>) -> io::Result<()> {
    let attributes =
        Attributes { set: NOSUID_NODEV_NOEXEC_NOSYMFOLLOW, clear: 0, propagation: 0, user_namespace: 0 };
    let (flags, size) = (libc::AT_EMPTY_PATH, size_of::<Attributes>());
    // SAFETY: the descriptor is open, the path an empty C string, and the structure as long as we say.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size,
        )
    };
    done(answer).map(drop)
}

fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let (from, to, empty) = (from.as_raw_fd(), to.as_raw_fd(), c"".as_ptr());
    // SAFETY: both descriptors are open, and both paths are empty C strings.
    let answer = unsafe {
        libc::syscall(libc::SYS_move_mount, from, empty, to, empty, MOVE_MOUNT_BOTH_ARE_DESCRIPTORS)
    };
    done(answer).map(drop)
}

fn done(answer: libc::c_long) -> io::Result<libc::c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
