//! `flyover node`: what a node is, what it should be, and the way there and back.

mod change;
mod emit;
mod input;
mod look;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::print::Printed;

pub(crate) use input::{read_text, refused};

/// Verbs of `flyover node`.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Show what the node is: CPUs, NUMA, hugepages, NICs, IOMMU, kernel arguments, services.
    ///
    /// Example: flyover node inspect -o json
    Inspect(look::Inspect),
    /// Show what a profile would change, why, at what risk, its undo, and the commands a person would type.
    ///
    /// Example: flyover node plan -f worker.yaml
    Plan(look::PlanOf),
    /// Make the node what a profile says; goes on after a crash or a reboot.
    ///
    /// Example: flyover node apply -f worker.yaml --allow-reboot
    Apply(change::Apply),
    /// Say whether the node is still what a profile says; ends with 3 if it is not.
    ///
    /// Example: flyover node verify
    Verify(look::Verify),
    /// Put back what was found, to after an earlier generation or to the very beginning.
    ///
    /// Example: flyover node rollback --to 0
    Rollback(change::Rollback),
    /// Show the generations: what was applied, when, and how it ended.
    ///
    /// Example: flyover node history
    History(look::History),
    /// Show what on this node is Flyover's, and what was there before.
    ///
    /// Example: flyover node receipt -o json
    Receipt(look::ReceiptOf),
    /// Write a profile in the form of a system that manages its nodes itself.
    ///
    /// Example: flyover node emit -f worker.yaml --for machineconfig
    Emit(emit::Emit),
    /// Say what each field of a profile means.
    ///
    /// Example: flyover node explain hugepages.pages
    Explain(look::Explain),
    /// Write what a plan is made from, redacted, to a file: for a bug report, or to plan for this node elsewhere.
    ///
    /// Example: flyover node capture > node.host
    Capture(look::Capture),
}

/// Which host.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// A host that `flyover node capture` wrote, instead of this machine. Nothing can be changed on it.
    #[arg(long, value_name = "FILE")]
    host: Option<PathBuf>,
}

impl Node {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Inspect(verb) => verb.run(),
            Self::Plan(verb) => verb.run(),
            Self::Apply(verb) => verb.run(),
            Self::Verify(verb) => verb.run(),
            Self::Rollback(verb) => verb.run(),
            Self::History(verb) => verb.run(),
            Self::Receipt(verb) => verb.run(),
            Self::Emit(verb) => verb.run(),
            Self::Explain(verb) => verb.run(),
            Self::Capture(verb) => verb.run(),
        }
    }
}
