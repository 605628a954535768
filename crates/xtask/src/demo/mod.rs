//! `make demo-switch`: from nothing to packets between pods and virtual machines, by both documents' networks, and back to
//! nothing.
//!
//! Invariants: it runs the programs a user runs, with the files a user writes; the switch, its namespace, its folders and all
//! mounts are the demo's own; what is left at the end is looked for, and is an error.

mod attachments;
mod by_hand;
mod pods;
mod private;
mod switch;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use attachments::Plugin;
use private::Private;
use switch::Switch;

/// Show a userspace switch at work.
#[derive(Debug, Args)]
pub(crate) struct DemoSwitch {
    /// The directory of the programs `flyover` and `flyover-cni`.
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
    /// The program `flyover-cni`, where it is not in that directory.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Leaves the virtual machine out.
    #[arg(long)]
    no_vm: bool,
}

impl DemoSwitch {
    /// Runs it.
    pub(crate) fn run(self, root: &Path) -> anyhow::Result<()> {
        let programs = root.join(&self.programs);
        let plugin = self.plugin.map_or_else(|| programs.join("flyover-cni"), |plugin| root.join(plugin));
        let place = Private::enter()?;
        let shown = show(
            &place,
            &programs.join("flyover"),
            &plugin,
            (!self.no_vm).then(|| root.join("target/kernels")),
        );
        let left = place.leave().context("the demo left something behind");
        shown.and(left)?;
        say("nothing is left: no process, port, mount, namespace or folder");
        Ok(())
    }
}

fn show(place: &Private, flyover: &Path, plugin: &Path, kernels: Option<PathBuf>) -> anyhow::Result<()> {
    let switch = Switch::raise(place, flyover)?;
    let plugin = Plugin::install(place, plugin)?;
    let shown = pods::two_pods(&switch, &plugin).and_then(|()| match &kernels {
        Some(kernels) => pods::a_pod_and_a_machine(&switch, &plugin, kernels),
        None => Ok(()),
    });
    let detached = plugin.detach_all();
    let gone = switch.take_down();
    shown.and(detached).and(gone)
}

/// A line for whoever looks on.
#[expect(clippy::print_stdout, reason = "the demo is what it prints")]
pub(crate) fn say(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}
