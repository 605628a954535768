//! A virtual machine on a vhost-user socket, as KubeVirt makes them: memory that the switch maps, one virtio NIC, a static
//! address, and a console that takes commands.
//!
//! Invariant: its NIC has one queue and no MSI-X. QEMU 7.2 without KVM crashes when a vhost-user NIC has.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::process::Process;
use crate::vm::{Initramfs, Kernel};

/// From QEMU's start until its sockets are there.
const START: Duration = Duration::from_secs(30);
/// From the connection of the switch until the guest has its address.
const BOOT: Duration = Duration::from_secs(180);

const UP: &str = "flyover-guest: up";
const DONE: &str = "flyover-guest: done ";

/// Mounts, makes the NIC ready, and runs each line of the console.
const INIT: &str = "#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmpfs /run
exec >/dev/ttyS0 2>&1 </dev/ttyS0
dmesg -n 1; stty -echo
for module in virtio_pci virtio_net; do modprobe $module; done
address=$(sed -n 's/.*flyover.address=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth0 ] && break; sleep 0.2; done
ip link set lo up; ip addr add $address dev eth0; ip link set eth0 up
echo 'flyover-guest: up'
while read -r line; do sh -c \"$line\"; echo \"flyover-guest: done $?\"; done
poweroff -f
";

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Vm {
    /// The socket of its NIC.
    pub socket: PathBuf,
    /// Whether QEMU makes the socket, and the switch connects; else it is the other way round.
    pub listens: bool,
    /// The MAC address of its NIC.
    pub mac: String,
    /// The address of its NIC, with the length of its prefix.
    pub address: String,
}

/// How pings were answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pings {
    /// How many were sent.
    pub sent: u32,
    /// How many came back.
    pub answered: u32,
    /// How long the fastest took, if any came back. The first also waits for the address to be found.
    pub shortest_ms: Option<f64>,
    /// How long they took on average, if any came back.
    pub average_ms: Option<f64>,
}

/// A running virtual machine.
#[derive(Debug)]
pub struct Guest {
    process: Process,
    console: UnixStream,
    said: Vec<u8>,
}

impl Guest {
    /// Starts it; `folder` is for its files, `store` for kernels. If QEMU makes the socket, that is there when this
    /// returns; the guest itself begins when the switch has connected.
    pub fn start(vm: &Vm, folder: &Path, store: &Path) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let inside = |end: &str| folder.join(format!("vm{number}.{end}"));
        let (initramfs, console, log) = (inside("cpio"), inside("con"), inside("log"));
        let kernel = Kernel::get("6.1", store)?;
        let mut content = Initramfs::with_busybox()?;
        content.modules(&kernel, &["virtio_pci", "virtio_net"])?;
        content.put("init", INIT);
        content.write(&initramfs)?;
        let mut command = command(vm, &console);
        command.extend(["-kernel".into(), kernel.vmlinuz()?.display().to_string()]);
        command.extend(["-initrd".into(), initramfs.display().to_string()]);
        let mut process = Process::start("qemu", &command, None, &log)?;
        process.until("made its sockets", START, || {
            Ok(UnixStream::connect(&console).is_ok() && (!vm.listens || vm.socket.exists()))
        })?;
        let console = UnixStream::connect(&console).context("failed to connect to the console")?;
        Ok(Self { process, console, said: Vec::new() })
    }

    /// Waits until it has its address: the switch has to connect first, if QEMU listens.
    pub fn ready(&mut self) -> anyhow::Result<()> {
        self.line(UP, BOOT).map(drop).context("the guest did not start")
    }

    /// Runs one line of shell and gives what it printed.
    pub fn run(&mut self, line: &str, limit: Duration) -> anyhow::Result<String> {
        let (text, status) = self.attempt(line, limit)?;
        ensure!(status == "0", "`{line}` ended with {status} in the guest: {text}");
        Ok(text)
    }

    /// Pings an address, five times a second.
    pub fn ping(&mut self, address: &str, count: u32) -> anyhow::Result<Pings> {
        let limit = Duration::from_secs(30) + Duration::from_millis(200) * count;
        // Busybox ends with 1 if none was answered, which is a result.
        let (text, _) = self.attempt(&format!("ping -c {count} -i 0.2 -w 20 {address}"), limit)?;
        pings(&text).with_context(|| format!("ping says no numbers: {text}"))
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn attempt(&mut self, line: &str, limit: Duration) -> anyhow::Result<(String, String)> {
        self.console.write_all(format!("{line}\n").as_bytes())?;
        let (text, status) = self.line(DONE, limit).with_context(|| format!("`{line}` did not end"))?;
        Ok((text, status))
    }

    /// Reads on until a line that has `mark`: what came before, and what comes after the mark.
    fn line(&mut self, mark: &str, limit: Duration) -> anyhow::Result<(String, String)> {
        let end = Instant::now() + limit;
        loop {
            let text = String::from_utf8_lossy(&self.said).into_owned();
            if let Some((before, after)) = text.split_once(mark)
                && let Some((rest, _)) = after.split_once('\n')
            {
                let told = (before.replace('\r', ""), rest.trim().to_owned());
                self.said.clear();
                return Ok(told);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("it was silent for {limit:?}; the console:\n{text}");
            }
            self.read(left)?;
        }
    }

    fn read(&mut self, left: Duration) -> anyhow::Result<()> {
        let mut bytes = [0; 4096];
        self.console.set_read_timeout(Some(left))?;
        match self.console.read(&mut bytes) {
            Ok(count) if count > 0 => self.said.extend(&bytes[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Ok(_) | Err(_) => {
                let ended = self.process.wait(Duration::from_secs(5))?;
                bail!("QEMU ended, {ended:?}: {}", self.process.said());
            }
        }
        Ok(())
    }
}

fn command(vm: &Vm, console: &Path) -> Vec<String> {
    let server = if vm.listens { ",server=on,wait=off" } else { "" };
    let words = format!(
        "qemu-system-x86_64 -nodefaults -no-user-config -display none -monitor none -no-reboot \
         -machine q35,accel=tcg -cpu max -m 256M -smp 1 \
         -object memory-backend-memfd,id=memory,size=256M,share=on -numa node,memdev=memory \
         -chardev socket,id=nic,path={}{server} -netdev vhost-user,id=net,chardev=nic,queues=1 \
         -device virtio-net-pci,netdev=net,mac={},disable-legacy=on,mrg_rxbuf=on,vectors=0 \
         -chardev socket,id=console,path={},server=on,wait=off -serial chardev:console",
        vm.socket.display(),
        vm.mac,
        console.display()
    );
    let kernel = format!("console=ttyS0 quiet panic=-1 no_timer_check flyover.address={}", vm.address);
    words.split_whitespace().map(str::to_owned).chain(["-append".into(), kernel]).collect()
}

fn pings(text: &str) -> Option<Pings> {
    let summary = text.lines().find(|line| line.contains("packets transmitted"))?;
    let mut numbers = summary.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let (sent, answered) = (numbers.next()?, numbers.next()?);
    let times = text.lines().find_map(|line| line.split_once("min/avg/max = "));
    let time = |at: usize| times.and_then(|(_, times)| times.split('/').nth(at)?.trim().parse().ok());
    Some(Pings { sent, answered, shortest_ms: time(0), average_ms: time(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_busybox_are_read() {
        let text = "--- 10.0.0.2 ping statistics ---\n10 packets transmitted, 9 packets received, 10% packet loss\n\
            round-trip min/avg/max = 0.410/1.834/2.712 ms\n";
        assert_eq!(
            pings(text),
            Some(Pings { sent: 10, answered: 9, shortest_ms: Some(0.41), average_ms: Some(1.834) })
        );
        let lost = "5 packets transmitted, 0 packets received, 100% packet loss\n";
        assert_eq!(pings(lost), Some(Pings { sent: 5, answered: 0, shortest_ms: None, average_ms: None }));
    }
}
