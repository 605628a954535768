//! `kubectl flyover`: a whole cluster, through its API server.
//!
//! The same program is the node's command line and kubectl's plugin; what is here never touches the machine it runs on.

mod agents;
mod connect;
mod explain;
mod format;
mod install;
mod left;
mod plan;
mod progress;
mod seen;
mod status;
mod told;
mod uninstall;
mod verify;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

/// Verbs for a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Install Flyover in a cluster, or upgrade it, and wait until it is ready.
    ///
    /// Example: kubectl flyover install
    Install(install::Install),
    /// Show what is wrong in a cluster first, then its resources and nodes; ends with 3 if something is wrong.
    ///
    /// Example: kubectl flyover status --watch
    Status(status::StatusOf),
    /// Say what resources would do on which nodes; nothing is changed.
    ///
    /// The API server checks them as if they were applied. Ends with 2 if it refuses them.
    ///
    /// Example: kubectl flyover plan -f switch.yaml
    Plan(plan::Plan),
    /// Say which way the packets of something go, and why.
    #[command(subcommand)]
    Explain(explain::Explain),
    /// Have every node put back what was found on it, print what was put back, and remove Flyover.
    ///
    /// Ends with 1 if something is left, and names it.
    ///
    /// Example: kubectl flyover uninstall
    Uninstall(uninstall::Uninstall),
    /// Say whether something of Flyover is left in a cluster, or on this machine; ends with 3 if so, and names it.
    ///
    /// Example: kubectl flyover verify --removed
    Verify(verify::Verify),
}

impl Cluster {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.context("failed to start")?.block_on(async {
            match self {
                Self::Install(verb) => verb.run().await,
                Self::Status(verb) => verb.run().await,
                Self::Plan(verb) => verb.run().await,
                Self::Explain(verb) => verb.run().await,
                Self::Uninstall(verb) => verb.run().await,
                Self::Verify(verb) => verb.run().await,
            }
        })
    }
}
