//! The hands of the house on the host itself.
//!
//! Today this room holds one thing: [`cmd`], the only place that starts processes. The facts of a host and
//! the actions upon it will live here too.

pub mod cmd;
pub mod executor;
pub mod hands;
pub mod journal;
pub mod live;
pub mod receipt;
pub mod root;
pub mod store;
