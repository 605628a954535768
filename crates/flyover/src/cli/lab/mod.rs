//! `flyover lab`: builds, shows, enters and removes labs.

pub(crate) mod fastpath;
mod table;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use flyover_host::cmd::Cmd;
use flyover_lab::status::LabStatus;
use flyover_lab::{IpMode, Lab as Built, LabError, LabName, LabSpec, Labs, Overlay, Place, RuleForm, plan};

use super::Output;
use super::fault::{Exit, Fault};

/// Verbs of `flyover lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Build a lab of nodes and pods; a failed build leaves nothing.
    ///
    /// Example: flyover lab up --nodes 3 --ip dual --rules nft --network-policy
    Up(Up),
    /// Show every namespace, device, address and service, and whether it is up.
    ///
    /// Example: flyover lab status -o json
    Status(Status),
    /// Run a command in a node or a pod; its exit code is ours.
    ///
    /// Example: flyover lab exec n1/p1 -- ip route
    Exec(Exec),
    /// Turn the bypass on or off on every node of a lab.
    #[command(subcommand)]
    Fastpath(fastpath::Fastpath),
    /// Remove a lab, what runs in it, and what a crash left of it.
    ///
    /// Example: flyover lab down --all
    Down(Down),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Name of the lab; its namespaces are NAME-n1, NAME-n1-p1 and so on.
    #[arg(long, default_value = "lab")]
    name: LabName,
    /// Nodes.
    #[arg(long, default_value_t = 2)]
    nodes: u8,
    /// Pods on each node.
    #[arg(long, default_value_t = 2)]
    pods: u8,
    /// How pods reach pods on other nodes.
    #[arg(long, default_value = "vxlan", value_parser = words::<Overlay>(Overlay::WORDS))]
    overlay: Overlay,
    /// Families of addresses, inner and outer.
    #[arg(long, default_value = "4", value_parser = words::<IpMode>(IpMode::WORDS))]
    ip: IpMode,
    /// Form of the rules that kube-proxy and the CNI plugin would write; iptables, kube-proxy's own default, is the
    /// one over nftables.
    #[arg(long, default_value = "iptables", value_parser = words::<RuleForm>(RuleForm::WORDS))]
    rules: RuleForm,
    /// Services nobody uses, to make the rules as many as a cluster's.
    #[arg(long, default_value_t = 200)]
    services: u16,
    /// Give each pod a policy that lets in the services' ports from other pods and drops the rest.
    #[arg(long)]
    network_policy: bool,
    /// MTU of the wire.
    #[arg(long, default_value_t = 1500)]
    mtu: u16,
    /// Turn transmit offloads off, so that every checksum on the wire is real.
    #[arg(long)]
    no_offload: bool,
    /// Print the commands that would do the same, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Name of the lab; all labs if none is given.
    #[arg(long)]
    name: Option<LabName>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Name of the lab.
    #[arg(long, default_value = "lab")]
    name: LabName,
    /// A node such as n1, or a pod such as n1/p2.
    place: Place,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Name of the lab.
    #[arg(long, default_value = "lab", conflicts_with = "all")]
    name: LabName,
    /// Remove all labs.
    #[arg(long)]
    all: bool,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Lab {
    /// Does what the verb says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up(verb) => verb.run(),
            Self::Status(verb) => verb.run(),
            Self::Exec(verb) => verb.run(),
            Self::Fastpath(verb) => verb.run(),
            Self::Down(verb) => verb.run(),
        }
    }
}

impl Up {
    fn run(self) -> anyhow::Result<ExitCode> {
        let dry_run = self.dry_run;
        let spec = self.spec();
        let what = format!("failed to build lab `{}`", spec.name);
        if dry_run {
            spec.validate().map_err(|error| fault(&what, error.into()))?;
            plan::steps(&spec).iter().for_each(|step| table::line(&step.to_string()));
            return Ok(ExitCode::SUCCESS);
        }
        let started = Instant::now();
        let lab = Built::up(&spec).map_err(|error| fault(&what, error))?;
        table::line(&format!(
            "lab `{}` is up in {:.1?}: nodes {}, pods {}, overlay {}, IP {}, rules {}",
            lab.name(),
            started.elapsed(),
            spec.nodes,
            lab.pods().count(),
            spec.overlay,
            spec.ip,
            spec.rules
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn spec(self) -> LabSpec {
        LabSpec {
            name: self.name,
            nodes: self.nodes,
            pods: self.pods,
            overlay: self.overlay,
            ip: self.ip,
            rules: self.rules,
            services: self.services,
            network_policy: self.network_policy,
            mtu: self.mtu,
            offload: !self.no_offload,
        }
    }
}

impl Status {
    fn run(self) -> anyhow::Result<ExitCode> {
        let labs = Labs::from_env();
        let names = match self.name {
            Some(name) => vec![name],
            None => labs.names().map_err(|error| fault("failed to list the labs", error))?,
        };
        let look = |name: &LabName| {
            labs.status(name).map_err(|error| fault(&format!("failed to look at lab `{name}`"), error))
        };
        let found = names.iter().map(look).collect::<anyhow::Result<Vec<LabStatus>>>()?;
        match self.output {
            Output::Json => {
                let json = serde_json::json!({ "labs": found });
                table::line(&serde_json::to_string_pretty(&json).context("failed to write JSON")?);
            }
            Output::Table if found.is_empty() => table::line("there are no labs"),
            Output::Table => found.iter().for_each(table::print),
        }
        Ok(if found.iter().all(|lab| lab.up) { ExitCode::SUCCESS } else { Exit::Differs.into() })
    }
}

impl Exec {
    fn run(self) -> anyhow::Result<ExitCode> {
        let what = format!("failed to run a command in {} of lab `{}`", self.place, self.name);
        let (program, args) = self.command.split_first().context("no command was given")?;
        let ended = Built::open(&self.name)
            .and_then(|lab| lab.exec(self.place, Cmd::new(program).args(args)))
            .map_err(|error| fault(&what, error))?;
        Ok(code_of(ended))
    }
}

impl Down {
    fn run(self) -> anyhow::Result<ExitCode> {
        let labs = Labs::from_env();
        let names = if self.all {
            labs.names().map_err(|error| fault("failed to list the labs", error))?
        } else {
            vec![self.name]
        };
        let mut first_error = None;
        for name in names {
            let what = format!("failed to remove all of lab `{name}`");
            let there = labs.would_remove(&name);
            if let (false, Ok(there)) = (self.dry_run, &there) {
                // What the bypass pinned does not go with the namespaces.
                for error in there.namespaces.iter().filter_map(|netns| fastpath::remove(netns).err()) {
                    first_error.get_or_insert(error);
                }
            }
            let done = if self.dry_run { there } else { labs.down(&name) };
            match done {
                Ok(removed) => {
                    let (namespaces, processes) = (removed.namespaces.len(), removed.killed.len());
                    let to_be = if self.dry_run { "to be " } else { "" };
                    table::line(&format!(
                        "lab `{name}`: {namespaces} namespaces {to_be}removed, {processes} processes {to_be}killed"
                    ));
                }
                Err(error) => _ = first_error.get_or_insert(fault(&what, error)),
            }
        }
        first_error.map_or(Ok(ExitCode::SUCCESS), Err)
    }
}

/// Says what failed, why, what to do, and ends with the right code.
fn fault(what: &str, error: LabError) -> anyhow::Error {
    let exit = match &error {
        LabError::Spec(_) => Exit::Usage,
        error if error.is_impossible() => Exit::Impossible,
        _ => Exit::Failed,
    };
    let fault = Fault::new(exit, what);
    let fault = match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    };
    anyhow::Error::new(error).context(fault)
}

/// The exit code of a command as a shell would tell it: 128 and the number of the signal that ended it.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// A parser that knows its words, so that help and completions name them.
fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}
