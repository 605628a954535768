//! Everything here loads programs into the kernel, so it needs root.

mod checksum;
mod cost;
mod fast;
mod learn;
mod learn_not;
mod nat;
mod older;
mod round;
mod slow_entry;
mod slow_pod;
mod slow_wire;
mod types;
