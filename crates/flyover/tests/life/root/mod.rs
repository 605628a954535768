//! Everything here needs root, a lab each, and an agent on each of its nodes.

mod changes;
mod cli;
mod conntrack;
mod cycle;
#[expect(unsafe_code, reason = "libbpf-rs has no tcx links yet")]
mod foreign;
mod input;
mod moves;
mod nat;
mod off;
mod offload;
mod outs;
mod policy;
mod rig;
mod scale;
mod tcp;
mod udp;
