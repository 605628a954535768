//! `make demo-cluster`: a Kubernetes cluster of two nodes, Flyover installed, used and measured there, and removed.
//!
//! Invariants: it runs what a user runs, `kubectl flyover` among it; the cluster is the demo's own, and goes whether the demo
//! ends well, fails or is told to stop; a target that is missed is printed as it is.

mod bypass;
mod change;
mod interrupt;
mod number;
mod quiet;
mod stage;
mod userspace;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::demo::say;
use number::{seconds, within};
use stage::Stage;

/// From the first object to all of it ready, and from the word to a clean cluster.
const INSTALL_OR_REMOVE: Duration = Duration::from_secs(60);

/// Show Flyover on a cluster of this machine.
#[derive(Debug, Args)]
pub(crate) struct DemoCluster {
    /// The directory of the program `flyover`.
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
    /// The directory of the images' layouts.
    #[arg(long, value_name = "DIR", default_value = "target/images")]
    images: PathBuf,
}

impl DemoCluster {
    /// Runs it.
    pub(crate) fn run(self, root: &Path) -> anyhow::Result<()> {
        let began = Instant::now();
        interrupt::listen()?;
        if self.programs.ends_with("debug") {
            say("with programs for a debugger: larger and slower than those that are installed elsewhere");
        }
        let stage = Stage::raise(root, &root.join(&self.programs), &root.join(&self.images));
        let stage = interrupt::explain(stage)?;
        say(format!("a cluster of two nodes: {}", seconds(began.elapsed())));
        let shown = interrupt::explain(stage.load().and_then(|()| show(&stage)));
        let logs = stage.logs().display().to_string();
        let gone = stage.take_down();
        shown.and(gone)?;
        say(format!("the cluster is gone; its logs are below {logs}"));
        say(format!("all of it: {}", seconds(began.elapsed())));
        Ok(())
    }
}

fn show(stage: &Stage) -> anyhow::Result<()> {
    install(stage)?;
    bypass::show(stage)?;
    look(stage)?;
    change::show(stage)?;
    userspace::show(stage)?;
    quiet::show(stage)?;
    remove(stage)
}

fn install(stage: &Stage) -> anyhow::Result<()> {
    let began = Instant::now();
    stage.show(&["install", "--timeout", "2m"])?;
    say(format!(
        "from no object to all ready, with the images on the nodes: {}",
        within(began.elapsed(), INSTALL_OR_REMOVE)
    ));
    Ok(())
}

/// What somebody sees who was told only that Flyover is there.
fn look(stage: &Stage) -> anyhow::Result<()> {
    stage.show(&["status"])?;
    stage.show(&["explain", "pod", "default/left"])
}

fn remove(stage: &Stage) -> anyhow::Result<()> {
    let began = Instant::now();
    stage.show(&["uninstall", "--timeout", "2m"])?;
    stage.show(&["verify", "--removed"])?;
    let took = began.elapsed();
    stage.verify_nodes()?;
    say(format!("from the word to a cluster that is clean: {}", within(took, INSTALL_OR_REMOVE)));
    Ok(())
}
