//! `flyover broker`: the process between a pod and the switch, where the node's process starts it anew.
//!
//! Invariant: its words are those of the plugin's broker, which is found by its command line; it says one line, when it is
//! ready or why it never will be.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flyover_cni_core::broker::READY;

use super::print;

/// `flyover broker`.
#[derive(Debug, Args)]
pub(crate) struct Broker {
    /// The socket for the pod.
    front: PathBuf,
    /// The socket for the switch.
    back: PathBuf,
}

impl Broker {
    /// Is one until it is ended.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let broker = flyover_vhost::broker::Broker::bind(&self.front, &self.back)?;
        // Whoever started us may go away, and so may the directory it was in.
        std::env::set_current_dir("/")?;
        print::text(READY)?;
        broker.run()?;
        Ok(ExitCode::FAILURE)
    }
}
