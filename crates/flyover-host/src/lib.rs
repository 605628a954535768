//! The hands of the house on the host itself.
//!
//! [`root`] is the host, [`facts`] reads it, [`cmd`] is the only place that starts processes.

pub mod cmd;
pub mod facts;
pub mod live;
pub mod root;
