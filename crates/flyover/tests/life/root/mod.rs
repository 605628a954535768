//! Everything here needs root, a lab each, and an agent on each of its nodes.

mod cycle;
mod moves;
mod nat;
mod off;
mod policy;
mod rig;
mod udp;
