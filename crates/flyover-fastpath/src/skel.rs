//! The skeleton that libbpf generates from the compiled programs.

#![expect(clippy::allow_attributes, reason = "the file below is generated")]
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    clippy::allow_attributes_without_reason,
    clippy::missing_safety_doc,
    reason = "generated code is not held to the house's style"
)]

include!(concat!(env!("OUT_DIR"), "/flyover.skel.rs"));
