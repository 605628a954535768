//! `flyover switch`: what a userspace switch needs, is, and should be.

mod change;
mod explain;
mod findings;
mod gc;
mod import;
mod input;
mod lint;
mod look;
mod probe;
mod run;
mod size;
mod sizing;
mod status;

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
    /// Show what a spec would change, why, what it disturbs, its undo, and the commands a person would type.
    ///
    /// Example: flyover switch plan -f switch.yaml
    Plan(look::PlanOf),
    /// Make the switch what a spec says; what needs a restart is listed before, and is restarted once.
    ///
    /// Example: flyover switch apply -f switch.yaml
    Apply(change::Apply),
    /// Say whether the switch is still what a spec says; ends with 3 if it is not.
    ///
    /// Example: flyover switch verify
    Verify(look::Verify),
    /// Put back what was found, to after an earlier generation or to the very beginning.
    ///
    /// Example: flyover switch rollback --to 0
    Rollback(change::Rollback),
    /// Show the generations: what was applied, when, and how it ended.
    ///
    /// Example: flyover switch history
    History(look::History),
    /// Show what of the switch is Flyover's, and what was there before.
    ///
    /// Example: flyover switch receipt -o json
    Receipt(look::ReceiptOf),
    /// Show whether packets can pass: ports, peers, threads, pools, and what is wrong; ends with 3 if something is.
    ///
    /// Example: flyover switch status --watch
    Status(status::StatusOf),
    /// Run the node's process in the foreground: it watches, heals, collects, and serves metrics.
    ///
    /// What of the applied spec or of a pod's attachment somebody else undid is made again, also after the switch's
    /// database was wiped, and without touching the pods. Ending it changes nothing.
    ///
    /// Example: flyover switch run --metrics 127.0.0.1:9465
    Run(run::Run),
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
    /// Take away attachments that neither the runtime nor the kubelet has any more.
    ///
    /// Example: flyover switch gc --dry-run
    Gc(gc::Gc),
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
            Self::Plan(verb) => verb.run(),
            Self::Apply(verb) => verb.run(),
            Self::Verify(verb) => verb.run(),
            Self::Rollback(verb) => verb.run(),
            Self::History(verb) => verb.run(),
            Self::Receipt(verb) => verb.run(),
            Self::Status(verb) => verb.run(),
            Self::Run(verb) => verb.run(),
            Self::Import(verb) => verb.run(),
            Self::Lint(verb) => verb.run(),
            Self::Gc(verb) => verb.run(),
            Self::Explain(verb) => verb.run(),
        }
    }
}
