//! Everything here loads programs into the kernel, so it needs root.

mod checksum;
mod fast;
mod learn;
mod nat;
mod slow_entry;
mod slow_pod;
mod slow_wire;
