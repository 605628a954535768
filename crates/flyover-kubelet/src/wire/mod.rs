//! What kubelet and its plugins say to each other, as it goes over the wire.
//!
//! These few messages are written down by hand, not generated: the interfaces are frozen (`v1beta1` of device plugins since
//! 2018, `v1` of pod resources is only ever added to), and every generator that needs no installed compiler brings a dozen
//! crates, two of them in second versions. The tests hold each number and kind of field against bytes that kubelet's own
//! Go code wrote.
//!
//! Invariant: a field has the name it has in the interface, but for its case; what we never read is left out, and
//! unknown fields are skipped.

pub mod device;
pub mod pods;

#[cfg(test)]
mod tests;
