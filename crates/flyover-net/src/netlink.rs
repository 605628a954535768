//! A blocking conversation with the kernel's routing netlink.
//!
//! Invariant: a [`Netlink`] speaks to the namespace it was opened in, wherever its thread goes later.
//! What can be asked stands in the modules of the things asked about: [`crate::link`], [`crate::address`],
//! [`crate::route`], [`crate::neigh`].

use std::fmt;
use std::io;

use flyover_core::IfName;
use tokio::runtime::{Builder, Runtime};

use crate::netns::{Netns, NetnsError};

/// An open conversation. It brings a runtime of its own, so it must not be used from async code.
pub struct Netlink {
    runtime: Runtime,
    handle: rtnetlink::Handle,
}

/// What the kernel would not do.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No conversation could be opened.
    #[error("failed to open a netlink socket")]
    Open(#[source] io::Error),
    /// The namespace could not be entered.
    #[error("failed to reach the namespace")]
    Netns(#[source] NetnsError),
    /// The kernel said no.
    #[error("failed to {what}")]
    Refused {
        /// What was asked.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has no such kind of device.
    #[error("failed to {what}: this kernel has no {kind} devices")]
    NoSuchKind {
        /// What was asked.
        what: String,
        /// The kind of device.
        kind: &'static str,
    },
    /// There is no device of that name.
    #[error("there is no network device `{name}`")]
    NoSuchDevice {
        /// The name.
        name: IfName,
    },
}

impl Netlink {
    /// Opens a conversation with the namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let runtime = Builder::new_current_thread().enable_io().build().map_err(NetlinkError::Open)?;
        let (connection, handle, _) = {
            let _inside = runtime.enter();
            rtnetlink::new_connection().map_err(NetlinkError::Open)?
        };
        runtime.spawn(connection);
        Ok(Self { runtime, handle })
    }

    /// Opens a conversation with that namespace.
    pub fn open_in(netns: &Netns) -> Result<Self, NetlinkError> {
        netns.run(Self::open).map_err(NetlinkError::Netns)?
    }

    pub(crate) fn handle(&self) -> &rtnetlink::Handle {
        &self.handle
    }

    /// Waits for an answer; `what` says in the error what was asked.
    pub(crate) fn ask<T>(
        &self,
        what: impl fmt::Display,
        question: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> Result<T, NetlinkError> {
        self.runtime
            .block_on(question)
            .map_err(|e| NetlinkError::Refused { what: what.to_string(), source: io_error(&e) })
    }
}

impl fmt::Debug for Netlink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netlink").finish_non_exhaustive()
    }
}

fn io_error(error: &rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(said) => said.to_io(),
        other => io::Error::other(other.to_string()),
    }
}
