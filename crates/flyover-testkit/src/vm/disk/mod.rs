//! A node to prepare: a virtual machine with a disk, systemd and GRUB, that reboots and loses its power.
//!
//! An [`Image`] is made once and never written to; each [`DiskVm`] has a layer of its own over it. Scripts reach
//! the guest over a serial port, so the test may do to its NICs and services what it likes.
//!
//! Invariants: no loop device, mount, bridge or tun device on this machine, and none of its own network; it
//! takes root, for the tree of the image and the guest's own network namespace.

mod agent;
mod console;
mod debian;
mod image;
mod layout;
mod qemu;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use flyover_host::cmd::Cmd;
use tempfile::TempDir;

pub use agent::Output;
pub use image::Image;

use super::Hardware;
use qemu::{Disk, Qemu};

/// From power on, or from the call for a reboot, until all services are up, on a busy machine.
const BOOT: Duration = Duration::from_secs(300);

/// What is quick even in an emulated guest.
const SHORT: Duration = Duration::from_secs(60);

/// A moment later, or the machine may be off before the agent has answered.
const POWER_OFF: &str = "(sleep 1; systemctl poweroff) >/dev/null 2>&1 &";

/// A guest with a disk of its own. It ends, and its disk goes, with this value or with the thread that
/// started it last.
#[derive(Debug)]
pub struct DiskVm {
    // Before the folder: QEMU goes first.
    qemu: Option<Qemu>,
    hardware: Hardware,
    boot_id: String,
    folder: TempDir,
}

impl DiskVm {
    /// Boots a new guest, and waits until its services are up.
    pub fn start(image: &Image, hardware: Hardware) -> anyhow::Result<Self> {
        // A socket's path has room for 107 letters, so this is not below `target`.
        let folder = tempfile::Builder::new().prefix("flyover-vm-").tempdir()?;
        let mut vm = Self { qemu: None, hardware, boot_id: String::new(), folder };
        Cmd::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .args([image.disk(), &vm.layer()])
            .run()?;
        vm.boot_again()?;
        Ok(vm)
    }

    /// Runs a bash script in the guest, which ends it after `limit`.
    pub fn sh(&mut self, script: &str, limit: Duration) -> anyhow::Result<Output> {
        let Qemu { agent, console, .. } = self.qemu()?;
        agent.run(script, limit, console)
    }

    /// As [`DiskVm::sh`], of a script that has to succeed and is quick.
    pub fn ok(&mut self, script: &str) -> anyhow::Result<String> {
        let Output { status, text } = self.sh(script, SHORT)?;
        ensure!(status == 0, "status {status} of the guest's script:\n{script}\nwhich said:\n{text}");
        Ok(text)
    }

    /// Copies a file of this machine to `path` in the guest, with `mode`.
    pub fn put(&mut self, file: &Path, path: &str, mode: u32) -> anyhow::Result<()> {
        let mut source = File::open(file).with_context(|| format!("failed to open `{}`", file.display()))?;
        let size = source.metadata()?.len();
        let script = format!(
            "mkdir -p \"$(dirname '{path}')\" && head -c {size} /dev/virtio-ports/flyover.files >'{path}' &&\n\
             chmod {mode:o} '{path}' && [ \"$(stat -c %s '{path}')\" = {size} ]"
        );
        let Qemu { agent, console, files, .. } = self.qemu()?;
        // A guest that reads no more must not hold us here.
        files.set_write_timeout(Some(SHORT))?;
        let (sent, output) = thread::scope(|scope| {
            let sender = scope.spawn(|| io::copy(&mut source, files));
            let output = agent.run(&script, SHORT * 2, console);
            (sender.join().expect("copying does not panic"), output)
        });
        let Output { status, text } = output?;
        ensure!(status == 0, "failed to put `{path}` into the guest: {text}");
        sent.with_context(|| format!("failed to send `{}`", file.display()))?;
        Ok(())
    }

    /// Reboots by systemd, and waits until the services are up again.
    pub fn reboot(&mut self) -> anyhow::Result<()> {
        self.ok("systemctl --no-block reboot")?;
        self.wait_ready(BOOT)
    }

    /// Waits for a boot that is not the one known so far, until its services are up or have failed.
    pub fn wait_ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let old = self.boot_id.clone();
        let Qemu { agent, console, .. } = self.qemu()?;
        let new = agent.ready(&old, limit, console)?;
        self.boot_id = new;
        self.wait_started(limit)
    }

    /// Waits until no unit is about to start. It asks again and again: who lets systemctl wait while systemd reads its
    /// units anew may wait for ever. "degraded" is for the test to judge.
    fn wait_started(&mut self, limit: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let state = self.sh("systemctl is-system-running", limit)?;
            match state.text.trim() {
                "running" | "degraded" => return Ok(()),
                "initializing" | "starting" if started.elapsed() < limit => {
                    thread::sleep(Duration::from_secs(2));
                }
                other => {
                    let jobs = self.sh("systemctl list-jobs", SHORT)?.text;
                    bail!("the guest's services are not up but `{other}`:\n{jobs}")
                }
            }
        }
    }

    /// What tells this boot from all others.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Cuts the power: QEMU is killed. What the guest has flushed is kept.
    pub fn cut(&mut self) -> anyhow::Result<()> {
        let mut qemu = self.qemu.take().context("the guest is off")?;
        qemu.kill().context("failed to end QEMU")
    }

    /// Powers off by systemd.
    pub fn poweroff(&mut self) -> anyhow::Result<()> {
        self.ok(POWER_OFF)?;
        let mut qemu = self.qemu.take().context("the guest is off")?;
        qemu.wait(SHORT * 2)
    }

    /// Gives it power again, with the disk as it was left, and waits until its services are up.
    pub fn boot_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.qemu.is_none(), "the guest is on");
        let layer = self.layer();
        let disk = Disk { path: &layer, format: "qcow2" };
        self.qemu = Some(Qemu::start(self.hardware, disk, self.folder.path())?);
        self.wait_ready(BOOT)
    }

    fn qemu(&mut self) -> anyhow::Result<&mut Qemu> {
        self.qemu.as_mut().context("the guest is off")
    }

    fn layer(&self) -> PathBuf {
        self.folder.path().join("layer.qcow2")
    }
}
