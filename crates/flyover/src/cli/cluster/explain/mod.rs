//! `kubectl flyover explain`: which way packets go, and why; or what is said of a node.

mod flows;
mod node;
mod paths;
mod pod;

use std::process::ExitCode;

use clap::Subcommand;

/// What is explained.
#[derive(Debug, Subcommand)]
pub(crate) enum Explain {
    /// Say for each interface of a pod what carries its packets, or why Flyover does not, and what to change.
    ///
    /// Which of its flows are bypassed at this moment is asked by a command in the pod of its node's agent, which takes the
    /// right to `create` `pods/exec` there; without it all else is said.
    ///
    /// Example: kubectl flyover explain pod web/shop-5d9f
    Pod(pod::OfPod),
    /// Say what a node is to have, how far it is, what was done last, and what is wrong.
    ///
    /// Example: kubectl flyover explain node worker-3
    Node(node::OfNode),
}

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Pod(verb) => verb.run().await,
            Self::Node(verb) => verb.run().await,
        }
    }
}
