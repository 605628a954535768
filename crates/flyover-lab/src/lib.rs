//! A cluster network of network namespaces on one machine.
//!
//! [`Lab::up`] builds node namespaces joined by a wire, pods on a bridge in each, an overlay between them and
//! the rules of a Kubernetes node; [`Lab::down`] removes all of it. What is built is decided first, on data
//! ([`plan::steps`]), and then carried out in one place.
//!
//! Invariants: nothing is changed outside the lab's namespaces and its one record; a failed `up` leaves nothing;
//! `down` can be repeated, needs no record, and touches no namespace that a lab did not make.

pub mod address;
mod build;
mod error;
mod lab;
mod labs;
mod name;
pub mod plan;
mod record;
pub mod rules;
pub mod service;
mod spec;
pub mod status;
mod step;

pub use address::Family;
pub use error::{LabError, StepError};
pub use lab::{Lab, LabGuard, Node, Pod};
pub use labs::{Labs, Removed};
pub use name::{BadLabName, BadPlace, LabName, Place};
pub use service::Service;
pub use spec::{BadSpec, IpMode, LabSpec, Overlay, RuleForm, UnknownWord};
pub use step::{Deed, Step};
