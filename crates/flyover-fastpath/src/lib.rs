//! The FastPath lane: carries established pod traffic past the node's network stack.
//!
//! The programs in `bpf/` learn what the slow path does to a flow's packets and then do the same without it. This
//! room loads them, tells them what changes on the node, and reads their books. It is the only room that links
//! libbpf.
//!
//! Invariant: whatever happens to the process, packets flow: links are pinned, and without a heartbeat the programs
//! stop bypassing by themselves.

pub mod abi;
#[expect(unsafe_code, reason = "libbpf does not map the variables of a map that it did not make")]
mod adopt;
mod attach;
mod books;
#[expect(unsafe_code, reason = "libbpf-rs cannot tell a qdisc that was there from one it made")]
mod clsact;
mod conntrack;
mod expedite;
mod filters;
mod forecast;
#[expect(unsafe_code, reason = "the C library has no safe name for giving memory back")]
mod heap;
mod instance;
mod inventory;
mod judge;
pub mod metrics;
mod node;
mod notrack;
mod programs;
mod reason;
mod report;
mod skel;
#[expect(unsafe_code, reason = "libbpf-rs has no tcx links yet")]
mod tcx;
pub mod view;

pub use attach::Means;
pub use books::{Books, BooksError, FlowEntry};
pub use forecast::{Attaching, Forecast, Gain, Probe, Setting};
pub use instance::{Instance, InstanceError, Lock, Restore};
pub use inventory::{Device, Kind, Tunnel};
pub use node::{Backend, Choice, NodeError, Settings, forecast, remove, run};
pub use programs::{Abilities, Hook, NodeTunnel, Place, Programs, Ran};
pub use reason::{REASONS, Reason, reason};
pub use report::{Report, ReportedConntrack, ReportedDevice, ReportedExpedite, ReportedTunnel};
