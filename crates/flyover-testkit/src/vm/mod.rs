//! Boots other kernels in virtual machines and runs commands there.
//!
//! Three parts, each of use by itself: a [`Kernel`] is a Debian kernel unpacked below one folder, an
//! [`Initramfs`] is what the guest finds when it starts, a [`Guest`] is the list of commands it runs and
//! the verdict on each. [`Machine`] boots the first with the second and reads the third from the console.
//! [`disk`] is for what needs a whole system: a boot loader, services, reboots, a power cut. Both rigs can have
//! the [`Hardware`] of a node.
//!
//! Invariants: nothing is installed into the machine's own `/boot` or apt; no loop device, mount, bridge or
//! tun device is made; QEMU emulates (stock kernels hang under some hosts' KVM) and ends within its limit.

mod cpio;
pub mod disk;
mod guest;
mod hardware;
mod initramfs;
mod kernel;
mod machine;
mod modules;

pub use guest::{Guest, Verdict};
pub use hardware::{Hardware, Nic};
pub use initramfs::Initramfs;
pub use kernel::{KNOWN, Kernel, Origin};
pub use machine::Machine;
pub use modules::Modules;
