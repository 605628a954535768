//! `flyover switch`: what a userspace switch needs, is, and should be.

mod explain;
mod findings;
mod import;
mod input;
mod lint;
mod size;
mod sizing;

use std::process::ExitCode;

use clap::Subcommand;

/// Verbs of `flyover switch`.
#[derive(Debug, Subcommand)]
pub(crate) enum Switch {
    /// Compute what a switch needs: PMD mask, memory of each NUMA node, hugepages, reserved CPUs.
    ///
    /// Ends with 2 where the spec contradicts itself and with 4 where it does not fit this host.
    ///
    /// Example: flyover switch size -f switch.yaml --explain
    Size(size::Size),
    /// Write the spec of a switch that is set up already, with what is wrong in it.
    ///
    /// A configuration is parsed, never run; ends with 2 where a line of it is no setting.
    ///
    /// Example: flyover switch import --config-cfg /opt/ovs-config/config.cfg > switch.yaml
    Import(import::Import),
    /// Say what is wrong in attachments and their pods, and write better attachments.
    ///
    /// Ends with 3 where something should be mended.
    ///
    /// Example: flyover switch lint nad.yaml
    Lint(lint::Lint),
    /// Say what each field of a switch's spec means.
    ///
    /// Example: flyover switch explain dpdk.socketMemory
    Explain(explain::Explain),
}

impl Switch {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Size(verb) => verb.run(),
            Self::Import(verb) => verb.run(),
            Self::Lint(verb) => verb.run(),
            Self::Explain(verb) => verb.run(),
        }
    }
}
