//! Chores of the repository: other kernels, a cluster, the demos of the switch and of a cluster, generated files.

mod built;
mod cluster;
mod demo;
mod demo_cluster;
mod generated;
mod images;
mod kernels;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

/// Chores of the repository.
#[derive(Debug, Parser)]
enum Chore {
    /// Boot kernels in virtual machines and run the guest's list of commands there.
    Kernels(kernels::Kernels),
    /// Raise a Kubernetes cluster on this machine, use it, and take it away.
    Cluster(cluster::Cluster),
    /// Show a userspace switch with pods and a virtual machine, on parts of its own.
    DemoSwitch(demo::DemoSwitch),
    /// Show Flyover on a cluster of two nodes, installed, measured and removed.
    DemoCluster(demo_cluster::DemoCluster),
    /// Write the images that a cluster installs, as OCI layouts below target/images.
    Images(images::Images),
    /// Write the files of the repository that are made from its programs.
    Gen(generated::Gen),
}

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    match Chore::parse() {
        Chore::Kernels(kernels) => kernels.run(&root),
        Chore::Cluster(cluster) => cluster.run(&root),
        Chore::DemoSwitch(demo) => demo.run(&root).map(|()| ExitCode::SUCCESS),
        Chore::DemoCluster(demo) => demo.run(&root).map(|()| ExitCode::SUCCESS),
        Chore::Images(images) => images.run(&root),
        Chore::Gen(gen_files) => gen_files.run(&root),
    }
}
