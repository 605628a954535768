//! The measuring engine: ping-pong, streams, throughput, connections, and comparisons of paths.
//!
//! It prints nothing: everything it finds out is a value that somebody else shows. What is measured lies between
//! two [`place::Place`]s, which may be two network namespaces of this machine; both ends then run in this process,
//! one thread each.
//!
//! Invariant: a timed section holds nothing but the system calls that are measured and two readings of the clock:
//! no allocation, no lock, no descriptor table shared with another thread.
#![expect(unsafe_code, reason = "the time stamp counter is read by an instruction; see clock")]

pub mod clock;
pub mod compare;
pub mod connect;
mod duet;
mod error;
pub mod host;
pub mod list;
pub mod pingpong;
pub mod place;
#[cfg(test)]
mod rig;
pub mod samples;
pub mod session;
pub mod stats;
pub mod stream;
pub mod throughput;

pub use error::MeasureError;
