//! `cargo xtask kernels`: boots each kernel with the programs under test inside, and says what passed there.

mod list;
mod node;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use flyover_testkit::vm::{Guest, Hardware, Initramfs, KNOWN, Kernel, Machine, Verdict};

use crate::built;

/// From QEMU's start to the first command, on a busy machine.
const BOOT: Duration = Duration::from_secs(120);

/// What `cargo xtask kernels` takes.
#[derive(Debug, Args)]
pub(crate) struct Kernels {
    /// Kernels by name; all that are known if none is given.
    names: Vec<String>,
    /// Run this shell script in the guest instead of the list; can be given several times.
    #[arg(long, value_name = "SCRIPT")]
    run: Vec<String>,
    /// Boot them on the hardware of a node, and run the list for that.
    #[arg(long, conflicts_with_all = ["cpus", "memory"])]
    node: bool,
    /// Run only what a kernel's own ways decide.
    #[arg(long, conflicts_with = "node")]
    brief: bool,
    /// Fetch and build what they need, and boot none.
    #[arg(long)]
    no_boot: bool,
    /// CPUs of the guest.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Memory of the guest in MiB.
    #[arg(long, default_value_t = 1536)]
    memory: u32,
}

impl Kernels {
    /// Runs the chore for the workspace at `root`.
    pub(crate) fn run(self, root: &Path) -> anyhow::Result<ExitCode> {
        let store = root.join("target/kernels");
        fs::create_dir_all(&store)?;
        let programs = Programs::build(root, if self.node { &node::TESTS } else { &list::TESTS })?;
        let names = if self.names.is_empty() {
            KNOWN.map(|(n, _)| n.to_owned()).to_vec()
        } else {
            self.names.clone()
        };
        let mut rows = Vec::new();
        for name in &names {
            let kernel = Kernel::get(name, &store)?;
            if self.no_boot {
                continue;
            }
            let verdicts = self.boot(&kernel, &self.guest(name), &programs, &store)?;
            rows.extend(verdicts.into_iter().map(|v| (kernel.release.clone(), v)));
        }
        summary(&rows)
    }

    /// What the guest of the kernel `name` is to run.
    fn guest(&self, name: &str) -> Guest {
        if self.run.is_empty() {
            return if self.node { node::guest() } else { list::guest(name, self.brief) };
        }
        let mut guest = Guest::default();
        for (i, script) in self.run.iter().enumerate() {
            guest.command(&format!("run-{i}"), script, Duration::from_secs(600));
        }
        guest
    }

    fn hardware(&self) -> Hardware {
        if self.node {
            Hardware::Node { iommu: true }
        } else {
            Hardware::Plain { cpus: self.cpus, memory_mib: self.memory }
        }
    }

    fn boot(
        &self,
        kernel: &Kernel,
        guest: &Guest,
        programs: &Programs,
        store: &Path,
    ) -> anyhow::Result<Vec<Verdict>> {
        let runs = store.join("run");
        fs::create_dir_all(&runs)?;
        let mut initramfs = list::furnish(kernel, if self.node { &node::MODULES } else { &[] })?;
        programs.put(&mut initramfs)?;
        guest.install(&mut initramfs);
        let run = format!("{}{}", kernel.name, if self.node { "-node" } else { "" });
        let archive = runs.join(format!("{run}.cpio"));
        initramfs.write(&archive)?;
        let machine = Machine {
            vmlinuz: kernel.vmlinuz()?,
            initramfs: archive,
            console: runs.join(format!("{run}.log")),
            hardware: self.hardware(),
            limit: BOOT + guest.limit(),
        };
        let mut err = std::io::stderr().lock();
        let started = Instant::now();
        writeln!(err, "kernel {}: booting {}", kernel.name, kernel.release)?;
        let console = machine.run(|line| {
            // Progress is talk: losing a line of it on a closed pipe changes no verdict.
            let _talk = writeln!(err, "  {:>5.1}s {line}", started.elapsed().as_secs_f32());
        })?;
        Ok(guest.judge(&console))
    }
}

/// What is under test, as paths on this machine and in the guest.
struct Programs(Vec<(PathBuf, String)>);

impl Programs {
    fn build(root: &Path, tests: &[list::Tests]) -> anyhow::Result<Self> {
        let mut programs = vec![(built::program(root, "flyover")?, "usr/bin/flyover".to_owned())];
        for tests in tests {
            let built = built::tests(root, tests.package, tests.target)?;
            programs.push((built, list::guest_path(tests.target)));
        }
        Ok(Self(programs))
    }

    fn put(&self, initramfs: &mut Initramfs) -> anyhow::Result<()> {
        self.0.iter().try_for_each(|(from, to)| initramfs.built(from, to))
    }
}

/// Prints a line for each command and closes with how many passed.
fn summary(rows: &[(String, Verdict)]) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    for (release, verdict) in rows {
        let said = match verdict.status {
            Some(0) => "ok".to_owned(),
            Some(status) => format!("FAILED with status {status}"),
            None => "FAILED: its end is not on the console".to_owned(),
        };
        failed += usize::from(!verdict.passed());
        writeln!(out, "{release:<24} {:<28} {said}", verdict.name)?;
    }
    writeln!(out, "kernels: {} passed, {failed} failed", rows.len() - failed)
        .context("failed to print the summary")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
