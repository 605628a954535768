//! One run of QEMU on a disk: from power on to power off, or to the cut.
//!
//! Invariant: what is ended is the process that was started here, by its id. It has a network namespace of its
//! own, with nothing in it, and dies with the thread that started it.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flyover_host::cmd::Cmd;

use super::agent::Agent;
use super::console::Console;
use crate::vm::Hardware;

/// From QEMU's start until it listens on its sockets.
const LISTEN: Duration = Duration::from_secs(20);

/// On the root bus by name: QEMU would put them on the last one of a node.
const DEVICES: &str = "-device virtio-blk-pci,drive=disk,bootindex=1,bus=pcie.0 -device virtio-rng-pci,bus=pcie.0 \
    -device virtio-serial-pci,bus=pcie.0 -serial chardev:console";

/// A disk and its form, as QEMU names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk<'a> {
    pub(super) path: &'a Path,
    pub(super) format: &'a str,
}

/// A running QEMU.
#[derive(Debug)]
pub(super) struct Qemu {
    process: Child,
    pub(super) agent: Agent,
    /// Raw bytes into the guest, see `put`.
    pub(super) files: UnixStream,
    pub(super) console: Console,
}

impl Qemu {
    /// Starts it; its sockets and its console are in `folder`, which must be short for a socket's path.
    pub(super) fn start(hardware: Hardware, disk: Disk<'_>, folder: &Path) -> anyhow::Result<Self> {
        let inside = |name: &str| folder.join(name);
        for socket in ["agent", "files"].map(inside) {
            if socket.exists() {
                std::fs::remove_file(socket)?;
            }
        }
        // What QEMU itself complains of goes to the same place.
        let console = inside("console");
        File::create(&console).with_context(|| format!("failed to create `{}`", console.display()))?;
        let log = File::options().append(true).open(&console)?;
        let mut process = command(hardware, disk, folder).daemon(log)?;
        let opened = (|| {
            let agent = Agent::new(connect(&inside("agent"), &mut process, &console)?)?;
            let files = connect(&inside("files"), &mut process, &console)?;
            Ok((agent, files, Console::open(&console)?))
        })();
        match opened {
            Ok((agent, files, console)) => Ok(Self { process, agent, files, console }),
            Err(error) => {
                end(&mut process)?;
                Err(error)
            }
        }
    }

    /// Waits until it ends by itself.
    pub(super) fn wait(&mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        while self.process.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the guest did not power off within {limit:?}; its console:\n{}", self.console.tail());
            }
            self.console.check()?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it at once: to the guest, the power is gone.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        end(&mut self.process)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It is dead already if this fails.
        let _gone = self.kill();
    }
}

fn end(process: &mut Child) -> io::Result<()> {
    process.kill()?;
    process.wait()?;
    Ok(())
}

fn command(hardware: Hardware, disk: Disk<'_>, folder: &Path) -> Cmd {
    // Neither tool forks: the process that is started becomes QEMU. `restrict=on` would keep the network out as
    // well, but then QEMU's DHCP offers no default route.
    Cmd::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "qemu-system-x86_64"])
        .args(hardware.args("user"))
        .args(DEVICES.split_whitespace())
        .args([
            "-drive".into(),
            format!("file={},format={},if=none,id=disk", disk.path.display(), disk.format),
        ])
        .args(port("agent", folder))
        .args(port("files", folder))
        .args(["-chardev".into(), format!("file,id=console,path={}/console,append=on", folder.display())])
}

fn port(name: &str, folder: &Path) -> [String; 4] {
    let socket = format!("socket,id={name},path={}/{name},server=on,wait=off", folder.display());
    [
        "-chardev".into(),
        socket,
        "-device".into(),
        format!("virtserialport,chardev={name},name=flyover.{name}"),
    ]
}

fn connect(socket: &Path, process: &mut Child, log: &Path) -> anyhow::Result<UnixStream> {
    let deadline = Instant::now() + LISTEN;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(_) if process.try_wait()?.is_none() && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(error).with_context(|| format!("QEMU did not start: {}", said.trim()));
            }
        }
    }
}
