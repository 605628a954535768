//! Nodes as virtual machines with a disk, systemd and GRUB: what is tested there may reboot, lose its power, and
//! take its NICs away. `make test-vm` runs it.
//!
//! A test is a function in `root` that takes a [`rig::node`] and does to it what it likes. All of them need root,
//! for the image and for QEMU's network namespace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;
mod root;
