//! `flyover <noun> <verb>`: one module for each noun.
//!
//! Invariants: stdout is data, stderr is talk; every error is one sentence, the chain of its causes and, where
//! the user can mend it, a hint; the exit code is that of [`fault::Exit`].

mod bench;
mod cluster;
mod fastpath;
mod fault;
mod generate;
mod lab;
mod node;
mod print;
mod spine;
mod switch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// What programs may rely on.
const EXITS: &str = "Ends with:\n  0  done, or all is as it should be\n  1  it failed\n  2  wrong usage, or input that \
                     makes no sense\n  3  something is other than was asked for, or is left\n  4  not possible on this machine";

/// The shortest safe path to the wire for Kubernetes pods and VMs, proven on every node.
#[derive(Debug, Parser)]
#[command(name = "flyover", version, propagate_version = true, arg_required_else_help = true, after_help = EXITS)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Build a cluster network of network namespaces on this machine.
    #[command(subcommand)]
    Lab(lab::Lab),
    /// Bypass the node's network stack for established pod traffic.
    #[command(subcommand)]
    Fastpath(fastpath::Fastpath),
    /// Prepare this node: hugepages, drivers, kernel arguments, CPUs, services.
    #[command(subcommand)]
    Node(node::Node),
    /// Set up the userspace switch: Open vSwitch on DPDK, its memory, threads, bridges and uplinks.
    #[command(subcommand)]
    Switch(switch::Switch),
    /// Measure paths beside their baseline.
    #[command(subcommand)]
    Bench(bench::Bench),
    #[command(flatten)]
    Cluster(cluster::Cluster),
    /// Write the reference, manual pages and completions.
    #[command(subcommand, hide = true)]
    Generate(generate::Generate),
}

/// How a reading verb prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs: documented, stable field names.
    Json,
}

/// The name by which kubectl finds a plugin.
const PLUGIN: &str = "kubectl-flyover";

/// The command line; as kubectl's plugin, help says what a person typed.
fn parse() -> Cli {
    let called = std::env::args_os().next().unwrap_or_default();
    let is_plugin = std::path::Path::new(&called).file_name().is_some_and(|name| name == PLUGIN);
    let command = Cli::command();
    let command =
        if is_plugin { command.name("kubectl flyover").bin_name("kubectl flyover") } else { command };
    let matches = command.get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Parses the command line, does what it says, and tells how that ended.
pub(crate) fn run() -> ExitCode {
    let cli = parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            // What fails there we tell ourselves, with what it was for.
            tracing_subscriber::EnvFilter::try_from_env("FLYOVER_LOG")
                .unwrap_or_else(|_| "info,kube_client=off".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(
            std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none(),
        )
        .with_target(false)
        .init();
    let done = match cli.noun {
        Noun::Lab(verb) => verb.run(),
        Noun::Fastpath(verb) => verb.run(),
        Noun::Node(verb) => verb.run(),
        Noun::Switch(verb) => verb.run(),
        Noun::Bench(verb) => verb.run(),
        Noun::Cluster(verb) => verb.run(),
        Noun::Generate(verb) => verb.run(Cli::command()),
    };
    match done {
        Ok(code) => code,
        Err(error) => fault::report(&error),
    }
}
