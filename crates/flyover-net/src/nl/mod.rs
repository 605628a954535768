//! Netlink as bytes: messages, attributes, and a socket that asks and listens.
//!
//! Rule sets, hooks and traffic control are read with these few small parsers, because a node's agent must be able
//! to read them without `nft`, `iptables` or `tc`, and to say "I do not understand this" instead of guessing.
//!
//! Invariant: the parsers are total. Bytes from the kernel, or from a pod by way of the kernel, never panic them,
//! and bytes that are cut short are an error, not an empty answer.

mod attr;
mod message;
mod socket;

pub(crate) use attr::{Attrs, be16, be32, be64, ne16, ne32, text};
pub(crate) use message::{Message, Request, messages};
pub(crate) use socket::{Talk, open};

/// Bytes that are not what the kernel's headers promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    /// What the bytes were taken for.
    pub what: &'static str,
}

/// Why the kernel could not be asked, and about what.
#[derive(Debug, thiserror::Error)]
pub enum NlError {
    /// No socket, or it broke.
    #[error("failed to {verb} a netlink socket for {what}")]
    Socket {
        /// What was attempted.
        verb: &'static str,
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel said no.
    #[error("the kernel refused to tell {what}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// What was being listed changed while it was listed; ask again.
    #[error("{what} changed while being listed")]
    Interrupted {
        /// What was asked for.
        what: &'static str,
    },
    /// The answer makes no sense.
    #[error("failed to understand the kernel's list of {what}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// Which part.
        source: Malformed,
    },
}

impl NlError {
    /// Whether the kernel said that it has no such feature or object.
    pub(crate) fn is_absent(&self) -> bool {
        let (Self::Refused { source, .. } | Self::Socket { source, .. }) = self else { return false };
        matches!(
            source.raw_os_error(),
            Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::EINVAL | libc::ENOENT)
        )
    }
}
