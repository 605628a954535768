//! Everything here needs root, a lab each, and an agent on each of its nodes.

mod backend;
mod books;
mod changes;
mod cli;
mod conntrack;
mod cycle;
mod dry;
#[expect(unsafe_code, reason = "libbpf-rs has no tcx links yet")]
mod foreign;
mod hazards;
mod input;
mod moves;
mod nat;
mod off;
mod offload;
mod outs;
mod places;
mod policy;
mod rig;
mod scale;
mod tcp;
mod udp;
