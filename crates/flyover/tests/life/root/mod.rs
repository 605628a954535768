//! Everything here needs root, a lab each, and an agent on each of its nodes.

mod conntrack;
mod cycle;
mod moves;
mod nat;
mod off;
mod policy;
mod rig;
mod tcp;
mod udp;
